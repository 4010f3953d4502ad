import * as z from 'zod/mini'
import { backpressure } from './backpressure-schema.js'
import type { Config } from './config.js'
import { breaker, canary } from './breaker-schema.js'
import { escalationIssues } from './escalation-issues.js'
import { unknownClasses } from './failure-classes.js'
import { processing } from './processing-schema.js'

// zod/mini has no messages of its own. `jitless`: one parse is not worth a compiled parser.
z.config({ ...z.locales.en(), jitless: true })

const wholeMs = z.int().check(z.gte(0), z.lte(2_147_483_647))

const queue = z
  .looseObject({
    package: z
      .string()
      .check(
        z.minLength(1),
        z.describe(
          'The package of the queue: a short name (`sql`, `s3`, `memory`), an npm package, or a relative path.',
        ),
      ),
    name: z
      .string()
      .check(
        z.minLength(1),
        z.maxLength(200),
        z.describe("The queue's name; queues with different names share a store independently."),
      ),
  })
  .check(z.describe('The queue. All further keys are options of its package, such as `url`.'))

const worker = z
  .looseObject({
    package: z
      .string()
      .check(
        z.minLength(1),
        z.describe(
          'The package of the worker: a short name (`argo`, `process`, `dummy`), an npm package, or a relative path.',
        ),
      ),
  })
  .check(
    z.describe(
      "The worker, which runs the jobs. All further keys are options of its package; `name` is the queue's.",
    ),
  )

const backoff = z
  .strictObject({
    baseMs: z
      ._default(wholeMs, 1000)
      .check(z.describe('Wait before the second attempt, in ms; it doubles with each further one.')),
    maxMs: z._default(wholeMs, 300_000).check(z.describe('The longest wait between two attempts, in ms.')),
  })
  .check(z.describe('The backoff between attempts, with jitter.'))

const MAX_EXIT_CODE = 255
const EXIT_CODE =
  'must be an exit code from 0 to 255 such as 75, or a range such as "130-145" with the lower code first'

/** The format of the engine: a code, or a range. */
function isExitCodes(text: string): boolean {
  const [, low = '', high = low] = /^(\d{1,3})(?:-(\d{1,3}))?$/u.exec(text) ?? []
  return low !== '' && Number(low) <= Number(high) && Number(high) <= MAX_EXIT_CODE
}

const escalate = z.strictObject({
  parameter: z
    .string()
    .check(
      z.regex(
        /^[a-z][-\w]{0,63}$/iu,
        'must be a letter and then letters, digits, - or _, at most 64 in total',
      ),
      z.describe(
        'With `argo` the parameter of the template; with `process` the placeholder `{override.NAME}` and the variable `SLUICE_OVERRIDE_NAME`.',
      ),
    ),
  values: z
    .array(
      z
        .string()
        .check(z.regex(/^[\x20-\x7E]{1,64}$/u, 'must be a text of 1 to 64 printable ASCII characters')),
    )
    .check(
      z.minLength(1),
      z.describe(
        'The values, the smallest first, such as `[4Gi, 8Gi, 16Gi]`; the first attempt has the first one.',
      ),
    ),
})

const retryRule = z.strictObject({
  classes: z
    .optional(z.array(z.string().check(z.minLength(1))).check(z.minLength(1)))
    .check(z.describe('The failure classes that it matches; default any.')),
  exitCodes: z
    .optional(
      z
        .array(
          z.union(
            [
              z.int().check(z.gte(0), z.lte(MAX_EXIT_CODE)),
              z.string().check(z.refine(isExitCodes, { error: EXIT_CODE })),
            ],
            {
              error: EXIT_CODE,
            },
          ),
        )
        .check(z.minLength(1)),
    )
    .check(
      z.describe(
        'The exit codes that it matches, such as `75`, and ranges, such as `"130-145"`; default any.',
      ),
    ),
  maxAttempts: z
    .int()
    .check(
      z.gte(1),
      z.describe('The most attempts of an item with such a failure, in total; 1 for no retry.'),
    ),
  backoff: z
    .optional(z.strictObject({ baseMs: z.optional(wholeMs), maxMs: z.optional(wholeMs) }))
    .check(z.describe('The backoff between attempts; default `retry.backoff`.')),
  escalate: z
    .optional(escalate)
    .check(z.describe('The next attempt after such a failure gets the next larger value of a parameter.')),
})

const retry = z
  .strictObject({
    maxAttempts: z
      .optional(z.int().check(z.gte(1)))
      .check(z.meta({ default: 1, description: 'The most attempts of an item before it moves to FAIL.' })),
    backoff: z.prefault(backoff, {}),
    on: z
      .optional(z.array(z.string().check(z.minLength(1))))
      .check(
        z.describe(
          'The failure classes that are retried, such as `failed`, `timeout`, `killed`, `evicted`, `unschedulable`; default all but `rejected`.',
        ),
      ),
    rules: z
      .optional(z.array(retryRule))
      .check(
        z.describe(
          'Retries by class and exit code, instead of `maxAttempts` and `on`: the first matching rule decides; without a match there is no retry. See [Retries](#retries).',
        ),
      ),
  })
  .check(
    z.superRefine(({ rules, maxAttempts, on }, context) => {
      const others = { maxAttempts, on }
      for (const [name, value] of Object.entries(others))
        if (rules !== undefined && value !== undefined)
          context.addIssue({
            code: 'custom',
            path: [name],
            message: 'can’t be combined with retry.rules: set it in each rule',
          })
    }),
    z.describe('The retry policy for failed jobs.'),
  )

const lost = z
  .strictObject({
    policy: z
      ._default(z.enum(['fail', 'resend', 'hold']), 'fail')
      .check(z.describe('`fail` the item, `resend` it as a new attempt, or `hold` it for an operator.')),
    graceMs: z
      ._default(wholeMs, 60_000)
      .check(z.describe('How long a job may be missing before it counts as lost, in ms.')),
  })
  .check(z.describe('The policy for items whose job started and disappeared from the worker.'))

const jobs = z
  .strictObject({
    pendingWarnMs: z
      ._default(wholeMs, 600_000)
      .check(
        z.describe(
          'After this time the log warns about a job that was accepted and has not started, together with others held up by the same cause, in ms; 0 for never.',
        ),
      ),
    pendingTimeoutMs: z
      .optional(z.int().check(z.gte(1), z.lte(2_147_483_647)))
      .check(
        z.describe(
          'After this time a job that has not started is cancelled, in ms; its item is then retried or fails, as `unschedulable`. Default: never.',
        ),
      ),
    askAfterMs: z
      ._default(wholeMs, 300_000)
      .check(
        z.describe(
          'After this time without news of a running job, the job is looked up, in ms; 0 for never.',
        ),
      ),
  })
  .check(
    z.describe(
      'The policy for jobs that do not start, with workers that report pending jobs (`argo` and `dummy` do), and for jobs without news.',
    ),
  )

const deadlines = z
  .strictObject({
    attemptMs: z
      .optional(z.int().check(z.gte(1), z.lte(2_147_483_647)))
      .check(
        z.describe(
          'After this running time a job is cancelled, in ms; its end counts as `timeout`. Default: never.',
        ),
      ),
    itemMs: z
      .optional(z.int().check(z.gte(1)))
      .check(
        z.describe(
          'After this time since its first claim an item fails as `timeout`, and a job that runs is cancelled, in ms; a requeue begins it again. Default: never.',
        ),
      ),
  })
  .check(z.describe('How long work may take, with workers that can cancel jobs.'))

const stragglers = z
  .strictObject({
    factor: z
      ._default(z.number().check(z.gt(1)), 3)
      .check(
        z.describe(
          'A job is a straggler beyond this multiple of the 95th percentile of successful attempts.',
        ),
      ),
    minSamples: z
      ._default(z.int().check(z.gte(1)), 20)
      .check(z.describe('How many successful attempts the service must have seen before.')),
    action: z
      ._default(z.enum(['mark', 'retry']), 'mark')
      .check(
        z.describe('`mark` it in the log and in `show`, or also cancel and `retry` it, once for each item.'),
      ),
  })
  .check(z.describe('Jobs that run far longer than others. Default: none are looked for.'))

const sends = z
  .strictObject({
    maxTries: z
      ._default(z.int().check(z.gte(1)), 5)
      .check(
        z.describe(
          'The most sends of an item that the worker refuses while it accepts others; then it fails, as `unsendable`. Sends in an outage do not count.',
        ),
      ),
    baseMs: z
      ._default(z.int().check(z.gte(1), z.lte(2_147_483_647)), 1000)
      .check(
        z.describe('Wait before the second send of such an item, in ms; it doubles with each further one.'),
      ),
    maxMs: z
      ._default(z.int().check(z.gte(1), z.lte(2_147_483_647)), 60_000)
      .check(z.describe('The longest wait between two sends, in ms; not less than `sends.baseMs`.')),
    maxRetryAfterMs: z
      ._default(wholeMs, 300_000)
      .check(z.describe('The longest wait for a storage or worker that sends `Retry-After`, in ms.')),
  })
  .check(
    z.refine(({ baseMs, maxMs }) => maxMs >= baseMs, {
      path: ['maxMs'],
      message: 'must not be less than sends.baseMs',
    }),
    z.describe('The policy for items that the worker refuses, and for `Retry-After`.'),
  )

const sweep = z
  .strictObject({
    everyMs: z
      ._default(wholeMs, 3_600_000)
      .check(
        z.describe(
          'Time between two sweeps of the storage, in ms; 0 for none. For queues with a sweep: `s3`, `sql` and `memory`.',
        ),
      ),
    retentionMs: z
      .optional(z.int().check(z.gte(0)))
      .check(
        z.describe(
          'The sweep removes items that have been in SUCCESS or FAIL for longer than this, in ms; default: none.',
        ),
      ),
  })
  .check(z.describe('The cleanup of the storage.'))

const service = z
  .strictObject({
    intervalMs: z
      ._default(z.int().check(z.gte(10), z.lte(3_600_000)), 1000)
      .check(z.describe('Time between two ticks, in ms.')),
    leaseTtlMs: z
      ._default(z.int().check(z.gte(1000), z.lte(3_600_000)), 15_000)
      .check(
        z.describe(
          'The TTL of the dispatcher lease, in ms: a standby takes over after this time without a renewal.',
        ),
      ),
    stopDeadlineMs: z
      ._default(wholeMs, 10_000)
      .check(
        z.describe(
          'The longest time to stop after SIGTERM, SIGINT or SIGHUP, in ms. No job starts in this time.',
        ),
      ),
    stallMs: z
      ._default(z.int().check(z.gte(1000), z.lte(2_147_483_647)), 120_000)
      .check(
        z.describe(
          'After this time a call to the storage or the worker counts as stalled, in ms, and the service gives up the lease; if the call has not ended one TTL later, the service exits with 4. At least twice the longest call that they declare.',
        ),
      ),
    sendConcurrency: z
      ._default(z.int().check(z.gte(1), z.lte(1000)), 16)
      .check(z.describe('The concurrency of sends.')),
    maxLookupsPerSecond: z
      ._default(z.int().check(z.gte(1), z.lte(100_000)), 200)
      .check(
        z.describe('The most look-ups of single jobs per second, for jobs that the poll does not show.'),
      ),
  })
  .check(z.describe('The service itself.'))

const log = z
  .strictObject({
    level: z
      ._default(z.enum(['debug', 'info', 'warn', 'error', 'silent']), 'info')
      .check(z.describe('The least severity to log.')),
    format: z
      ._default(z.enum(['auto', 'pretty', 'json']), 'auto')
      .check(z.describe('`pretty`, `json`, or `auto`: pretty on a terminal, else JSON.')),
  })
  .check(z.describe('The log of `run`, on stderr.'))

/** The whole configuration: the source of its checks, defaults, JSON Schema and reference. */
export const configSchema: z.ZodMiniType<Config> = z
  .strictObject({
    $schema: z.optional(z.string()).check(z.describe('For editors; has no effect.')),
    queue,
    worker: z.optional(worker),
    processing: z.prefault(processing, {}),
    canary,
    breaker,
    retry: z.prefault(retry, {}),
    lost: z.prefault(lost, {}),
    jobs: z.prefault(jobs, {}),
    deadlines: z.prefault(deadlines, {}),
    stragglers: z.optional(stragglers),
    sends: z.prefault(sends, {}),
    backpressure: z.prefault(backpressure, {}),
    sweep: z.prefault(sweep, {}),
    service: z.prefault(service, {}),
    log: z.prefault(log, {}),
  })
  .check(
    z.superRefine((config, context) => {
      for (const { path, message } of [...unknownClasses(config), ...escalationIssues(config)])
        context.addIssue({ code: 'custom', path: [...path], message })
    }),
  )
