/** The queues of `sluice init`. */
export const EXAMPLE_QUEUES = ['sqlite', 'postgres', 's3'] as const
/** The workers of `sluice init`. */
export const EXAMPLE_WORKERS = ['process', 'argo'] as const

export interface ExampleChoice {
  readonly queue: (typeof EXAMPLE_QUEUES)[number]
  readonly worker: (typeof EXAMPLE_WORKERS)[number]
}

/** The file of `sluice init`: the settings that are often changed. With the defaults it works unchanged. */
export function configExample({ queue, worker }: ExampleChoice): string {
  return [HEAD, QUEUES[queue], WORKERS[worker], REST].join('\n')
}

const HEAD = `# Configuration of Sluice. Every setting: https://www.npmjs.com/package/@sluice/service
# The variable SLUICE_QUEUE_URL overrides queue.url, and so on for each setting; flags override both.
# Relative paths are relative to this file, and jobs start in its folder; in variables and flags they are relative to the working directory.

# The queue. The keys after \`name\` are options of the package.
queue:`

const QUEUES: Readonly<Record<ExampleChoice['queue'], string>> = {
  sqlite: `  package: sql # or s3 (bucket: …, prefix: …), memory, any npm package, ./a-file.mjs
  name: default # queues with different names share a store independently
  url: sqlite:.sluice/queue.db
  # Keep secrets in the environment:
  # url: { env: DATABASE_URL } # postgres://…
`,
  postgres: `  package: sql
  name: default # queues with different names share a database independently
  url: { env: DATABASE_URL } # postgres://user:password@host/database; the first opening creates the tables
  # tablePrefix: sluice_
`,
  s3: `  package: s3
  name: default # queues with different names share a bucket independently
  bucket: my-bucket # it must exist; the queue reads, writes and deletes its own objects, and lists the bucket
  # prefix: sluice # the prefix of all keys
  # region: eu-central-1 # default: from the AWS SDK, like the credentials: variables, profile or role
  # endpoint: http://minio:9000 # a store other than AWS
`,
}

const WORKERS: Readonly<Record<ExampleChoice['worker'], string>> = {
  process: `# The worker: a command on this machine for each item. {id}, {attempt} and {body.any.field} are replaced, {{ }} are literal
# braces. The last line of its output is the item's result, if it is JSON: here {"bytes": 123}.
worker:
  package: process
  command: [sh, -c, 'bytes=$(wc -c < "$1") && echo "{{\\"bytes\\": $bytes}}"', sh, '{body.path}']
  # dir: .sluice/jobs # outputs, and the files that identify running jobs
# Or an Argo workflow for each item: sluice init --worker argo
`,
  argo: `# The worker: an Argo workflow for each item, from a template that exists in the namespace.
worker:
  package: argo
  baseUrl: https://argo.example.org # the Argo Server
  namespace: argo
  template: test-workflow-template # or your own; this one is in resources/ of @sluice/worker-argo, and in \`sluice argo-fake\`
  token: { env: ARGO_TOKEN }
  # parameters: { path: $.file.path } # default: the fields of the body, by name
`,
}

const REST = `processing:
  limit: 10 # the most unfinished jobs; \`sluice limit 20\` changes it while the service runs

retry:
  maxAttempts: 1 # 3: two retries
  # backoff: { baseMs: 1000, maxMs: 300000 }
  # on: [error, timeout, killed] # the failure classes that are retried; default all but rejected
  # Or by class and exit code, instead of these two: the first matching rule decides; without a match there is no retry.
  # rules:
  #   - { classes: [evicted], maxAttempts: 5 }
  #   - { exitCodes: [75, '130-145'], maxAttempts: 3 }
  #   - { classes: [oom], maxAttempts: 3, escalate: { parameter: memory, values: [4Gi, 8Gi, 16Gi] } }

# A job that started and disappeared: fail the item, resend it, or hold it for an operator.
lost:
  policy: fail
  graceMs: 60000

# A job that was accepted and does not start (no capacity, no image, a lock).
jobs:
  pendingWarnMs: 600000 # log a warning after ten minutes
  # pendingTimeoutMs: 3600000 # cancel it after an hour; its item is retried or fails, as unschedulable

# deadlines: { attemptMs: 3600000, itemMs: 86400000 } # cancel a job after an hour, give an item up after a day
# stragglers: { factor: 3, action: mark } # report jobs that run far longer than others

service:
  intervalMs: 1000
  stopDeadlineMs: 10000

log:
  level: info
  format: auto # pretty on a terminal, json elsewhere
`
