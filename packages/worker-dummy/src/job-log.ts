import { SluiceError, type JobRef, type Runtime } from '@sluice/core'
import { startTimer, type CheckedReadLog } from '@sluice/core/backend'
import type { JobTable } from './job-table.js'
import type { QueueJobs } from './queue-jobs.js'

const CHUNK_BYTES = 65_536
/** How often a job that ends by a rule is asked: no change announces its end. */
const ASK_EVERY_MS = 20

/** What a log is read from. */
interface LogParts {
  readonly table: JobTable
  readonly jobs: QueueJobs
  readonly runtime: Runtime
  readonly endsByRule: boolean
}

/** The log of a job. */
export async function* readJobLog(
  job: JobRef,
  { signal, tailBytes = Number.POSITIVE_INFINITY, follow }: CheckedReadLog,
  parts: LogParts,
): AsyncGenerator<Uint8Array, void, undefined> {
  let at = Math.max(0, logOf(job, parts).log.length - tailBytes)
  for (;;) {
    // Whether it is over is read first: what it writes last is there by then.
    const { log, isOver } = logOf(job, parts)
    while (at < log.length) {
      const chunk = Uint8Array.from(log.subarray(at, at + CHUNK_BYTES))
      at += chunk.length
      yield chunk
      logOf(job, parts)
    }
    if (!follow || isOver || signal.aborted) return
    await untilChanged(job, { seenBytes: at, signal }, parts)
  }
}

function logOf(
  job: JobRef,
  { jobs }: Pick<LogParts, 'jobs'>,
): { readonly log: Buffer; readonly isOver: boolean } {
  const known = jobs.find(job)
  if (known === undefined || known.log === 'gone') {
    const why = known === undefined ? 'the dummy worker has no such job' : 'its log was removed'
    const what = `item ${JSON.stringify(job.id)}, attempt ${job.attempt}`
    throw new SluiceError('SLUICE_ITEM_NOT_FOUND', `There is no log of ${what}: ${why}.`, { itemId: job.id })
  }
  return { log: known.log ?? Buffer.alloc(0), isOver: jobs.report(known).stage !== 'PROCESSING' }
}

interface Seen {
  readonly seenBytes: number
  readonly signal: AbortSignal
}

/** Resolves when there may be more of it, or an end. */
async function untilChanged(job: JobRef, { seenBytes, signal }: Seen, parts: LogParts): Promise<void> {
  const { table, jobs, runtime, endsByRule } = parts
  const { promise: changed, resolve: wake } = Promise.withResolvers<void>()
  const unsubscribe = table.changes.subscribe(wake)
  const stop = (): void => wake()
  signal.addEventListener('abort', stop)
  const timer = endsByRule ? startTimer(runtime, { ms: ASK_EVERY_MS }, wake) : undefined
  try {
    const known = jobs.find(job)
    const isNew = known === undefined || known.log === 'gone' || (known.log?.length ?? 0) > seenBytes
    // What changed between the read and the subscription has notified no one here.
    if (isNew || signal.aborted || jobs.report(known).stage !== 'PROCESSING') return
    await changed
  } finally {
    timer?.cancel()
    unsubscribe()
    signal.removeEventListener('abort', stop)
  }
}
