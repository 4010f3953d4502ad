/** Where `sluice init` can have items kept. */
export const EXAMPLE_QUEUES = ['sqlite', 'postgres', 's3'] as const
/** What it can have run the jobs. */
export const EXAMPLE_WORKERS = ['process', 'argo'] as const

export interface ExampleChoice {
  readonly queue: (typeof EXAMPLE_QUEUES)[number]
  readonly worker: (typeof EXAMPLE_WORKERS)[number]
}

/** What `sluice init` writes: it names every setting that is often changed, and with the defaults it works as it stands. */
export function configExample({ queue, worker }: ExampleChoice): string {
  return [HEAD, QUEUES[queue], WORKERS[worker], REST].join('\n')
}

const HEAD = `# Configuration of Sluice. Every setting: https://www.npmjs.com/package/@sluice/service
# A variable SLUICE_QUEUE_URL overrides queue.url, and so for each setting; flags override both.
# Relative paths are relative to this file, and jobs start in its folder; those of variables and flags are relative to the working directory.

# Where items are kept. The keys after \`name\` are options of the package.
queue:`

const QUEUES: Readonly<Record<ExampleChoice['queue'], string>> = {
  sqlite: `  package: sql # or s3 (bucket: …, prefix: …), memory, any npm package, ./a-file.mjs
  name: default # queues of different names share a store without seeing each other
  url: sqlite:.sluice/queue.db
  # A secret belongs into the environment:
  # url: { env: DATABASE_URL } # postgres://…
`,
  postgres: `  package: sql
  name: default # queues of different names share a database without seeing each other
  url: { env: DATABASE_URL } # postgres://user:password@host/database; the tables are made when it is first opened
  # tablePrefix: sluice_
`,
  s3: `  package: s3
  name: default # queues of different names share a bucket without seeing each other
  bucket: my-bucket # it must exist; the queue needs to read, write and delete its own objects, and to list the bucket
  # prefix: sluice # what the keys begin with
  # region: eu-central-1 # by default as the AWS SDK finds it, and so are the credentials: variables, profile or role
  # endpoint: http://minio:9000 # another store than AWS's
`,
}

const WORKERS: Readonly<Record<ExampleChoice['worker'], string>> = {
  process: `# What runs the jobs: here a command on this machine for each item. {id}, {attempt} and {body.any.field} are filled in, {{ }}
# are plain braces. The last line that it prints is the item's result, if it is JSON: here {"bytes": 123}.
worker:
  package: process
  command: [sh, -c, 'bytes=$(wc -c < "$1") && echo "{{\\"bytes\\": $bytes}}"', sh, '{body.path}']
  # dir: .sluice/jobs # outputs, and what is needed to find running jobs again
# Or a workflow of Argo for each item: sluice init --worker argo
`,
  argo: `# What runs the jobs: a workflow of Argo for each item, made from a template that is in the namespace already.
worker:
  package: argo
  baseUrl: https://argo.example.org # of the Argo Server
  namespace: argo
  template: test-workflow-template # or your own; this one is in resources/ of @sluice/worker-argo, and in \`sluice argo-fake\`
  token: { env: ARGO_TOKEN }
  # parameters: { path: $.file.path } # by default the fields of the body, by name
`,
}

const REST = `processing:
  limit: 10 # most jobs that are unfinished at once; \`sluice limit 20\` changes it while the service runs

retry:
  maxAttempts: 1 # 3: two more tries
  # backoff: { baseMs: 1000, maxMs: 300000 }
  # on: [error, timeout, killed] # classes of failure that are tried again; default all but rejected
  # Or by class and exit code, instead of the two: the first rule that matches decides, and what none matches is not tried again.
  # rules:
  #   - { classes: [evicted], maxAttempts: 5 }
  #   - { exitCodes: [75, '130-145'], maxAttempts: 3 }

# A job that was seen and is gone: fail the item, resend it, or hold it for a person.
lost:
  policy: fail
  graceMs: 60000

# A job that was accepted and does not begin (no room, no image, a lock).
jobs:
  pendingWarnMs: 600000 # the log says so after ten minutes
  # pendingTimeoutMs: 3600000 # cancel it after an hour; its item is retried or fails, as unschedulable

service:
  intervalMs: 1000
  stopDeadlineMs: 10000

log:
  level: info
  format: auto # pretty on a terminal, json elsewhere
`
