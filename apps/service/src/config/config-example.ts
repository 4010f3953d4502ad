/** What `sluice init` writes: it works as it stands, and names every setting that is often changed. */
export const CONFIG_EXAMPLE = `# Configuration of Sluice. Every setting: https://www.npmjs.com/package/@sluice/service
# A variable SLUICE_QUEUE_URL overrides queue.url, and so for each setting; flags override both.

# Where items are kept. The keys after \`name\` are options of the package.
queue:
  package: sql # or s3 (bucket: …, prefix: …), memory, any npm package, ./a-file.mjs
  name: default # queues of different names share a store without seeing each other
  url: sqlite:.sluice/queue.db
  # A secret belongs into the environment:
  # url: { env: DATABASE_URL } # postgres://…

# What runs the jobs: here a command on this machine for each item. {id}, {attempt} and {body.any.field} are filled in, {{ }}
# are plain braces. The last line that it prints is the item's result, if it is JSON: here {"bytes": 123}.
worker:
  package: process
  command: [sh, -c, 'bytes=$(wc -c < "$1") && echo "{{\\"bytes\\": $bytes}}"', sh, '{body.path}']
  dir: .sluice/jobs # outputs, and what is needed to find running jobs again
# Or a workflow of Argo for each item:
# worker:
#   package: argo
#   baseUrl: https://argo.example.org
#   namespace: argo
#   template: my-workflow-template
#   token: { env: ARGO_TOKEN }
#   # parameters: { path: $.file.path } # by default the fields of the body, by name

processing:
  limit: 10 # most jobs that are unfinished at once; \`sluice limit 20\` changes it while the service runs

retry:
  maxAttempts: 1 # 3: two more tries
  # backoff: { baseMs: 1000, maxMs: 300000 }
  # on: [error, timeout, killed] # classes of failure that are tried again; default all but rejected

# A job that was seen and is gone: fail the item, resend it, or hold it for a person.
lost:
  policy: fail
  graceMs: 60000

service:
  intervalMs: 1000
  stopDeadlineMs: 10000

log:
  level: info
  format: auto # pretty on a terminal, json elsewhere
`
