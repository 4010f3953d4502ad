import type { Runtime } from '@sluice/core'
import { isRuntime } from '@sluice/core/backend'
import { z } from 'zod'
import { MemoryStore } from './memory-store.js'

/** The options of `openQueue`. */
export interface MemoryQueueOptions {
  /** The name of the queue in its store. */
  readonly name: string
  /** A store shared with other queues of this process. Default a new one. */
  readonly store?: MemoryStore
  /** Where a new store's instants and uids come from. Default the machine's. */
  readonly runtime?: Runtime
}

/** The options of `openQueue`: a zod schema, and so a Standard Schema. */
export const optionsSchema = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .refine((name) => name.isWellFormed(), 'must be well-formed Unicode')
      .describe('the name of the queue in its store'),
    runtime: z
      .custom<Runtime>(isRuntime, 'must be a Runtime, such as systemRuntime of @sluice/core/backend')
      .optional()
      .describe('where instants and uids come from; the machine’s by default'),
    store: z
      .instanceof(MemoryStore)
      .optional()
      .describe('a store shared with other queues of this process; a new one by default'),
  })
  .refine(({ runtime, store }) => runtime === undefined || store === undefined, {
    message: 'give the runtime to the store: a shared store has one',
    path: ['runtime'],
  })
