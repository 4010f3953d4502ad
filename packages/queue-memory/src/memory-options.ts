import type { Runtime } from '@sluice/core'
import { z } from 'zod'
import { MemoryStore } from './memory-store.js'

/** The options of `openQueue`: a zod schema, and so a Standard Schema. */
export const optionsSchema = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .refine((name) => name.isWellFormed(), 'must be well-formed Unicode')
      .describe('the name of the queue in its store'),
    runtime: z
      .custom<Pick<Runtime, 'now'>>(isClock, 'must have a method now() that gives epoch milliseconds')
      .optional()
      .describe('what instants are read from; the machine’s clock by default'),
    store: z
      .instanceof(MemoryStore)
      .optional()
      .describe('a store shared with other queues of this process; a new one by default'),
  })
  .refine(({ runtime, store }) => runtime === undefined || store === undefined, {
    message: 'give the clock to the store: a shared store has one clock',
    path: ['runtime'],
  })

function isClock(value: unknown): boolean {
  return (
    value !== null &&
    (typeof value === 'object' || typeof value === 'function') &&
    'now' in value &&
    typeof value.now === 'function'
  )
}
