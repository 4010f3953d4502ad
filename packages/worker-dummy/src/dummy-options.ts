import type { Runtime } from '@sluice/core'
import { z } from 'zod'
import { JobStore } from './job-store.js'

const span = z.number().int().min(0)

const range = z.union([
  span,
  z.tuple([span, span]).refine(([min, max]) => min <= max, 'the first must not be over the second'),
])

/** The shape of the rule as configuration: see {@link JobRule}. */
const ruleSchema = z.strictObject({
  afterMs: range,
  pendingMs: range.optional(),
  failRate: z.number().min(0).max(1).optional(),
  seed: z.number().int().optional(),
})

/** What `openWorker` takes, as a Standard Schema: all of it but `clock` and `store` can stand in a configuration file. */
export const optionsSchema = z.strictObject({
  /** The queue's name. */
  name: z.string().min(1),
  rule: ruleSchema.optional(),
  /** The rule's seed, where the rule has none of its own. */
  seed: z.number().int().optional(),
  /** The machine's clock by default. */
  runtime: z.custom<Pick<Runtime, 'now'>>(isClock, 'must have a now()').optional(),
  /** Shared with other workers that are to see the same jobs; a fresh one by default. */
  store: z.instanceof(JobStore).optional(),
  /** The most jobs that one `sendMany` takes. Default: the worker has no `sendMany`. */
  maxJobsPerSend: z.number().int().min(1).optional(),
  /** What the worker gives as its `identity`. Default: it has none. */
  identity: z.string().min(1).optional(),
})

/** The options of {@link DummyWorker}. */
export type DummyWorkerOptions = z.input<typeof optionsSchema>

function isClock(value: unknown): boolean {
  const mayHaveMethods = typeof value === 'function' || (typeof value === 'object' && value !== null)
  return mayHaveMethods && 'now' in value && typeof value.now === 'function'
}
