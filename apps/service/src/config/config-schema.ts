import { z } from 'zod'
import { unknownClasses } from './failure-classes.js'

const wholeMs = z.int().min(0).max(2_147_483_647)

const queue = z
  .looseObject({
    package: z
      .string()
      .min(1)
      .describe(
        'Package that brings the queue: a short name (`sql`, `s3`, `memory`), an npm package, or a relative path.',
      ),
    name: z
      .string()
      .min(1)
      .max(200)
      .describe("The queue's name; queues of different names in one store never see each other's items."),
  })
  .describe('Where items are kept. All further keys are options of the package, such as `url`.')

const worker = z
  .looseObject({
    package: z
      .string()
      .min(1)
      .describe(
        'Package that brings the worker: a short name (`argo`, `process`, `dummy`), an npm package, or a relative path.',
      ),
  })
  .describe(
    "What runs the jobs; only `run` needs it. All further keys are options of the package; `name` is the queue's.",
  )

const processing = z
  .strictObject({
    limit: z
      .int()
      .min(0)
      .default(10)
      .describe(
        'Most jobs that are unfinished at once; 0 starts none. `sluice limit` overrides it while the service runs.',
      ),
  })
  .describe('How many jobs may run.')

const backoff = z
  .strictObject({
    baseMs: wholeMs
      .default(1000)
      .describe('Wait before the second attempt, in ms; doubled for each further one.'),
    maxMs: wholeMs.default(300_000).describe('Longest wait between two attempts, in ms.'),
  })
  .describe('Waits between attempts, with jitter.')

const MAX_EXIT_CODE = 255
const EXIT_CODE =
  'must be an exit code from 0 to 255 such as 75, or a range such as "130-145" with the lower code first'

/** As the engine takes it: a code, or both ends of a range. */
function isExitCodes(text: string): boolean {
  const [, low = '', high = low] = /^(\d{1,3})(?:-(\d{1,3}))?$/u.exec(text) ?? []
  return low !== '' && Number(low) <= Number(high) && Number(high) <= MAX_EXIT_CODE
}

const retryRule = z.strictObject({
  classes: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('Classes of failure that it is about; default any.'),
  exitCodes: z
    .array(
      z.union([z.int().min(0).max(MAX_EXIT_CODE), z.string().refine(isExitCodes, { error: EXIT_CODE })], {
        error: EXIT_CODE,
      }),
    )
    .min(1)
    .optional()
    .describe('Exit codes that it is about, such as `75`, and ranges, such as `"130-145"`; default any.'),
  maxAttempts: z
    .int()
    .min(1)
    .describe('Such a failure is tried again until the item has had so many attempts in all; 1 for never.'),
  backoff: z
    .strictObject({ baseMs: wholeMs.optional(), maxMs: wholeMs.optional() })
    .optional()
    .describe('Waits between attempts; default `retry.backoff`.'),
})

const retry = z
  .strictObject({
    maxAttempts: z
      .int()
      .min(1)
      .optional()
      .meta({ default: 1, description: 'Attempts that an item gets before it comes to FAIL.' }),
    backoff: backoff.prefault({}),
    on: z
      .array(z.string().min(1))
      .optional()
      .describe(
        'Classes of failure that are retried, such as `failed`, `timeout`, `killed`, `evicted`, `unschedulable`; default all but `rejected`.',
      ),
    rules: z
      .array(retryRule)
      .optional()
      .describe(
        'Retries by class and exit code, instead of `maxAttempts` and `on`: the first rule that matches a failure decides, and what none matches is not retried. See [Retries](#retries).',
      ),
  })
  .superRefine(({ rules, maxAttempts, on }, context) => {
    const others = { maxAttempts, on }
    for (const [name, value] of Object.entries(others))
      if (rules !== undefined && value !== undefined)
        context.addIssue({
          code: 'custom',
          path: [name],
          message: 'can’t be given together with retry.rules: each rule says it for itself',
        })
  })
  .describe('What becomes of an item whose job failed.')

const lost = z
  .strictObject({
    policy: z
      .enum(['fail', 'resend', 'hold'])
      .default('fail')
      .describe('`fail` the item, `resend` it as a new attempt, or `hold` it for a person.'),
    graceMs: wholeMs
      .default(60_000)
      .describe('How long a job may be missing before it counts as lost, in ms.'),
  })
  .describe('What becomes of an item whose job was seen and is gone from the worker.')

const jobs = z
  .strictObject({
    pendingWarnMs: wholeMs
      .default(600_000)
      .describe(
        'A job that was accepted and has not begun for longer than this is warned of, together with those held up by the same, in ms; 0 for never.',
      ),
    pendingTimeoutMs: z
      .int()
      .min(1)
      .max(2_147_483_647)
      .optional()
      .describe(
        'A job that has not begun for longer than this is cancelled, in ms; when its end is seen, its item is retried or fails, as `unschedulable`. Default: never.',
      ),
    askAfterMs: wholeMs
      .default(300_000)
      .describe(
        'A job that is listed as running is asked for by name when nothing was heard of it for so long, in ms; 0 for never.',
      ),
  })
  .describe(
    'What is done about jobs that do not begin, with workers that say which those are (`argo` and `dummy` do), and about jobs that are not heard of.',
  )

const sends = z
  .strictObject({
    maxTries: z
      .int()
      .min(1)
      .default(5)
      .describe(
        'An item that the worker refuses while it takes others fails after so many tries, as `unsendable`. In an outage none counts.',
      ),
    baseMs: z
      .int()
      .min(1)
      .max(2_147_483_647)
      .default(1000)
      .describe('Wait before the second try of such an item, in ms; doubled for each further one.'),
    maxMs: z
      .int()
      .min(1)
      .max(2_147_483_647)
      .default(60_000)
      .describe('Longest wait between two tries, in ms; not less than `sends.baseMs`.'),
    maxRetryAfterMs: wholeMs
      .default(300_000)
      .describe(
        'Longest time that a storage or worker is left alone because it asked for it (`Retry-After`), in ms.',
      ),
  })
  .refine(({ baseMs, maxMs }) => maxMs >= baseMs, {
    path: ['maxMs'],
    message: 'must not be less than sends.baseMs',
  })
  .describe('What becomes of items that the worker refuses, and of a worker that asks to be left alone.')

const sweep = z
  .strictObject({
    everyMs: wholeMs
      .default(3_600_000)
      .describe(
        'Time between two sweeps of the storage, in ms; 0 for none. Of use to queues that have a sweep; `s3`, `sql` and `memory` do.',
      ),
    retentionMs: z
      .int()
      .min(0)
      .optional()
      .describe(
        'Items that have been in SUCCESS or FAIL for longer than this are removed by the sweep, in ms; default: they stay for ever.',
      ),
  })
  .describe('How the storage is kept tidy.')

const service = z
  .strictObject({
    intervalMs: z.int().min(10).max(3_600_000).default(1000).describe('Time between two ticks, in ms.'),
    leaseTtlMs: z
      .int()
      .min(1000)
      .max(3_600_000)
      .default(15_000)
      .describe('After so many ms without a sign of life of the dispatching service a standby takes over.'),
    stopDeadlineMs: wholeMs
      .default(10_000)
      .describe(
        'How long the service may take to end after SIGTERM, SIGINT or SIGHUP, in ms. Nothing is started in this time.',
      ),
    stallMs: z
      .int()
      .min(1000)
      .max(2_147_483_647)
      .default(120_000)
      .describe(
        'A call of the storage or the worker that has not ended for so long, in ms, is given up, and the lease with it; if it still has not one lease later, the service ends with 4. Never less than twice the longest call that they state.',
      ),
    sendConcurrency: z.int().min(1).max(1000).default(16).describe('Jobs that are started at the same time.'),
    maxLookupsPerSecond: z
      .int()
      .min(1)
      .max(100_000)
      .default(200)
      .describe(
        'Jobs that the worker is asked for one by one within a second, where its list does not show them.',
      ),
  })
  .describe('How the service runs.')

const log = z
  .strictObject({
    level: z
      .enum(['debug', 'info', 'warn', 'error', 'silent'])
      .default('info')
      .describe('Least severity that is logged.'),
    format: z
      .enum(['auto', 'pretty', 'json'])
      .default('auto')
      .describe('`pretty` for people, `json` for machines; `auto` is pretty on a terminal.'),
  })
  .describe('The log of `run`, on stderr.')

/** The whole configuration: the one source of its checks, defaults, JSON Schema and reference. */
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

/** A configuration that was checked, its defaults filled in. */
export type Config = z.output<typeof configSchema>

/** Settings of a package to open: its name, and whatever options it takes. */
export interface PackageSettings {
  readonly package: string
  readonly [option: string]: unknown
}
