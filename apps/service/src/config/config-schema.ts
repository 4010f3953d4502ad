import * as z from 'zod'
import { unknownClasses } from './failure-classes.js'

const wholeMs = z.int().min(0).max(2_147_483_647)

const queue = z
  .looseObject({
    package: z
      .string()
      .min(1)
      .describe(
        'The package of the queue: a short name (`sql`, `s3`, `memory`), an npm package, or a relative path.',
      ),
    name: z
      .string()
      .min(1)
      .max(200)
      .describe("The queue's name; queues with different names share a store independently."),
  })
  .describe('The queue. All further keys are options of its package, such as `url`.')

const worker = z
  .looseObject({
    package: z
      .string()
      .min(1)
      .describe(
        'The package of the worker: a short name (`argo`, `process`, `dummy`), an npm package, or a relative path.',
      ),
  })
  .describe(
    "The worker, which runs the jobs. All further keys are options of its package; `name` is the queue's.",
  )

const processing = z
  .strictObject({
    limit: z
      .int()
      .min(0)
      .default(10)
      .describe(
        'The most unfinished jobs; 0 starts no jobs. `sluice limit` overrides it while the service runs.',
      ),
  })
  .describe('The dispatch limits.')

const backoff = z
  .strictObject({
    baseMs: wholeMs
      .default(1000)
      .describe('Wait before the second attempt, in ms; it doubles with each further one.'),
    maxMs: wholeMs.default(300_000).describe('The longest wait between two attempts, in ms.'),
  })
  .describe('The backoff between attempts, with jitter.')

const MAX_EXIT_CODE = 255
const EXIT_CODE =
  'must be an exit code from 0 to 255 such as 75, or a range such as "130-145" with the lower code first'

/** The format of the engine: a code, or a range. */
function isExitCodes(text: string): boolean {
  const [, low = '', high = low] = /^(\d{1,3})(?:-(\d{1,3}))?$/u.exec(text) ?? []
  return low !== '' && Number(low) <= Number(high) && Number(high) <= MAX_EXIT_CODE
}

const retryRule = z.strictObject({
  classes: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('The failure classes that it matches; default any.'),
  exitCodes: z
    .array(
      z.union([z.int().min(0).max(MAX_EXIT_CODE), z.string().refine(isExitCodes, { error: EXIT_CODE })], {
        error: EXIT_CODE,
      }),
    )
    .min(1)
    .optional()
    .describe('The exit codes that it matches, such as `75`, and ranges, such as `"130-145"`; default any.'),
  maxAttempts: z
    .int()
    .min(1)
    .describe('The most attempts of an item with such a failure, in total; 1 for no retry.'),
  backoff: z
    .strictObject({ baseMs: wholeMs.optional(), maxMs: wholeMs.optional() })
    .optional()
    .describe('The backoff between attempts; default `retry.backoff`.'),
})

const retry = z
  .strictObject({
    maxAttempts: z
      .int()
      .min(1)
      .optional()
      .meta({ default: 1, description: 'The most attempts of an item before it moves to FAIL.' }),
    backoff: backoff.prefault({}),
    on: z
      .array(z.string().min(1))
      .optional()
      .describe(
        'The failure classes that are retried, such as `failed`, `timeout`, `killed`, `evicted`, `unschedulable`; default all but `rejected`.',
      ),
    rules: z
      .array(retryRule)
      .optional()
      .describe(
        'Retries by class and exit code, instead of `maxAttempts` and `on`: the first matching rule decides; without a match there is no retry. See [Retries](#retries).',
      ),
  })
  .superRefine(({ rules, maxAttempts, on }, context) => {
    const others = { maxAttempts, on }
    for (const [name, value] of Object.entries(others))
      if (rules !== undefined && value !== undefined)
        context.addIssue({
          code: 'custom',
          path: [name],
          message: 'can’t be combined with retry.rules: set it in each rule',
        })
  })
  .describe('The retry policy for failed jobs.')

const lost = z
  .strictObject({
    policy: z
      .enum(['fail', 'resend', 'hold'])
      .default('fail')
      .describe('`fail` the item, `resend` it as a new attempt, or `hold` it for an operator.'),
    graceMs: wholeMs
      .default(60_000)
      .describe('How long a job may be missing before it counts as lost, in ms.'),
  })
  .describe('The policy for items whose job started and disappeared from the worker.')

const jobs = z
  .strictObject({
    pendingWarnMs: wholeMs
      .default(600_000)
      .describe(
        'After this time the log warns about a job that was accepted and has not started, together with others held up by the same cause, in ms; 0 for never.',
      ),
    pendingTimeoutMs: z
      .int()
      .min(1)
      .max(2_147_483_647)
      .optional()
      .describe(
        'After this time a job that has not started is cancelled, in ms; its item is then retried or fails, as `unschedulable`. Default: never.',
      ),
    askAfterMs: wholeMs
      .default(300_000)
      .describe('After this time without news of a running job, the job is looked up, in ms; 0 for never.'),
  })
  .describe(
    'The policy for jobs that do not start, with workers that report pending jobs (`argo` and `dummy` do), and for jobs without news.',
  )

const sends = z
  .strictObject({
    maxTries: z
      .int()
      .min(1)
      .default(5)
      .describe(
        'The most sends of an item that the worker refuses while it accepts others; then it fails, as `unsendable`. Sends in an outage do not count.',
      ),
    baseMs: z
      .int()
      .min(1)
      .max(2_147_483_647)
      .default(1000)
      .describe('Wait before the second send of such an item, in ms; it doubles with each further one.'),
    maxMs: z
      .int()
      .min(1)
      .max(2_147_483_647)
      .default(60_000)
      .describe('The longest wait between two sends, in ms; not less than `sends.baseMs`.'),
    maxRetryAfterMs: wholeMs
      .default(300_000)
      .describe('The longest wait for a storage or worker that sends `Retry-After`, in ms.'),
  })
  .refine(({ baseMs, maxMs }) => maxMs >= baseMs, {
    path: ['maxMs'],
    message: 'must not be less than sends.baseMs',
  })
  .describe('The policy for items that the worker refuses, and for `Retry-After`.')

const sweep = z
  .strictObject({
    everyMs: wholeMs
      .default(3_600_000)
      .describe(
        'Time between two sweeps of the storage, in ms; 0 for none. For queues with a sweep: `s3`, `sql` and `memory`.',
      ),
    retentionMs: z
      .int()
      .min(0)
      .optional()
      .describe(
        'The sweep removes items that have been in SUCCESS or FAIL for longer than this, in ms; default: none.',
      ),
  })
  .describe('The cleanup of the storage.')

const service = z
  .strictObject({
    intervalMs: z.int().min(10).max(3_600_000).default(1000).describe('Time between two ticks, in ms.'),
    leaseTtlMs: z
      .int()
      .min(1000)
      .max(3_600_000)
      .default(15_000)
      .describe(
        'The TTL of the dispatcher lease, in ms: a standby takes over after this time without a renewal.',
      ),
    stopDeadlineMs: wholeMs
      .default(10_000)
      .describe(
        'The longest time to stop after SIGTERM, SIGINT or SIGHUP, in ms. No job starts in this time.',
      ),
    stallMs: z
      .int()
      .min(1000)
      .max(2_147_483_647)
      .default(120_000)
      .describe(
        'After this time a call to the storage or the worker counts as stalled, in ms, and the service gives up the lease; if the call has not ended one TTL later, the service exits with 4. At least twice the longest call that they declare.',
      ),
    sendConcurrency: z.int().min(1).max(1000).default(16).describe('The concurrency of sends.'),
    maxLookupsPerSecond: z
      .int()
      .min(1)
      .max(100_000)
      .default(200)
      .describe('The most look-ups of single jobs per second, for jobs that the poll does not show.'),
  })
  .describe('The service itself.')

const log = z
  .strictObject({
    level: z
      .enum(['debug', 'info', 'warn', 'error', 'silent'])
      .default('info')
      .describe('The least severity to log.'),
    format: z
      .enum(['auto', 'pretty', 'json'])
      .default('auto')
      .describe('`pretty`, `json`, or `auto`: pretty on a terminal, else JSON.'),
  })
  .describe('The log of `run`, on stderr.')

/** The whole configuration: the source of its checks, defaults, JSON Schema and reference. */
export const configSchema = z
  .strictObject({
    $schema: z.string().optional().describe('For editors; has no effect.'),
    queue,
    worker: worker.optional(),
    processing: processing.prefault({}),
    retry: retry.prefault({}),
    lost: lost.prefault({}),
    jobs: jobs.prefault({}),
    sends: sends.prefault({}),
    sweep: sweep.prefault({}),
    service: service.prefault({}),
    log: log.prefault({}),
  })
  .superRefine((config, context) => {
    for (const { path, message } of unknownClasses(config))
      context.addIssue({ code: 'custom', path: [...path], message })
  })

/** A valid configuration with its defaults. */
export type Config = z.output<typeof configSchema>

/** The settings of a package: its name, and its options. */
export interface PackageSettings {
  readonly package: string
  readonly [option: string]: unknown
}
