import * as z from 'zod/mini'
import { backpressure } from './sections/backpressure-schema.js'
import type { Config } from './config.js'
import { breaker, canary } from './sections/breaker-schema.js'
import { escalationIssues } from './escalation-issues.js'
import { deadlines, retry, stragglers } from './sections/retry-schema.js'
import { unknownClasses } from './failure-classes.js'
import { processing } from './sections/processing-schema.js'

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
