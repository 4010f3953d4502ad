import type { Runtime } from '@sluice/core'
import { isRuntime } from '@sluice/core/backend'
import { z } from 'zod'
import type { JobRule } from './job-rule.js'
import { JobStore } from './job-store.js'

/** The options of `openWorker`. All but `runtime` and `store` can stand in a configuration file. */
export interface DummyWorkerOptions {
  /** The queue's name. */
  readonly name: string
  /** How jobs end by themselves. Default: only `settleJob` and cancels end them. */
  readonly rule?: JobRule | undefined
  /** The rule's seed, where the rule has none. Default 1. */
  readonly seed?: number | undefined
  /** Where instants come from. Default the machine's. */
  readonly runtime?: Runtime | undefined
  /** Shared with other workers that are to see the same jobs. Default a new one. */
  readonly store?: JobStore | undefined
  /** The most jobs that one `sendMany` takes. Default: the worker has no `sendMany`. */
  readonly maxJobsPerSend?: number | undefined
  /** What the worker gives as its `identity`. Default: it has none. */
  readonly identity?: string | undefined
}

const span = z.number().int().min(0)

const range = z.union([
  span,
  z.tuple([span, span]).refine(([min, max]) => min <= max, 'the first must not be over the second'),
])

const ruleSchema = z.strictObject({
  afterMs: range,
  pendingMs: range.optional(),
  failRate: z.number().min(0).max(1).optional(),
  seed: z.number().int().optional(),
})

/** The options of `openWorker`: a zod schema, and so a Standard Schema. */
export const optionsSchema = z.strictObject({
  name: z.string().min(1),
  rule: ruleSchema.optional(),
  seed: z.number().int().optional(),
  runtime: z
    .custom<Runtime>(isRuntime, 'must be a Runtime, such as systemRuntime of @sluice/core/backend')
    .optional(),
  store: z.instanceof(JobStore).optional(),
  maxJobsPerSend: z.number().int().min(1).optional(),
  identity: z.string().min(1).optional(),
})
