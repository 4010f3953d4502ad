import { SluiceError, assertCount, type JobRef, type ReadLogOptions } from '@sluice/core'
import type { DummyJob } from './job-store.js'

const CHUNK_BYTES = 65_536
/** A job that ends by a rule tells nobody: it is asked so often, in ms. */
const ASK_EVERY_MS = 20

/** What a log is read from. */
export interface LogParts {
  readonly job: JobRef
  readonly closing: AbortSignal
  /** @throws SluiceError SLUICE_WORKER_CLOSED */
  readonly assertOpen: () => void
  readonly find: () => DummyJob | undefined
  readonly isOver: (job: DummyJob) => boolean
  /** Calls back at every change of a job; what it returns ends that. */
  readonly listen: (listener: () => void) => () => void
  /** No change tells of a job's end. */
  readonly endsByItself: boolean
}

/** The log of a job, as `Worker.readLog` promises it. */
export async function* readJobLog(
  { signal, tailBytes, follow = false }: ReadLogOptions,
  parts: LogParts,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (tailBytes !== undefined) assertCount(tailBytes, 'tailBytes')
  const there = () => {
    signal?.throwIfAborted()
    parts.assertOpen()
    return logOf(parts)
  }
  let at = Math.max(0, there().log.length - (tailBytes ?? Number.POSITIVE_INFINITY))
  for (;;) {
    // Before its log is read: what it writes last is there by then.
    const { log, isOver } = there()
    while (at < log.length) {
      const chunk = Uint8Array.from(log.subarray(at, at + CHUNK_BYTES))
      at += chunk.length
      yield chunk
      there()
    }
    if (!follow || isOver) return
    await changed(parts, signal, at)
  }
}

function logOf({ job, find, isOver }: LogParts): { readonly log: Buffer; readonly isOver: boolean } {
  const known = find()
  if (known === undefined || known.log === 'gone') {
    const why = known === undefined ? 'the dummy worker has no such job' : 'its log was taken away'
    const what = `item ${JSON.stringify(job.id)}, attempt ${job.attempt}`
    throw new SluiceError('SLUICE_ITEM_NOT_FOUND', `There is no log of ${what}: ${why}.`, { itemId: job.id })
  }
  return { log: known.log ?? Buffer.alloc(0), isOver: isOver(known) }
}

/** Resolves when there may be more of it, or an end. */
async function changed(parts: LogParts, signal: AbortSignal | undefined, seenBytes: number): Promise<void> {
  const ends = AbortSignal.any([parts.closing, ...(signal === undefined ? [] : [signal])])
  const { promise, resolve } = Promise.withResolvers<void>()
  const unlisten = parts.listen(resolve)
  const timer = parts.endsByItself ? setTimeout(resolve, ASK_EVERY_MS) : undefined
  ends.addEventListener('abort', () => resolve(), { once: true })
  try {
    const known = parts.find()
    const isNew = known === undefined || known.log === 'gone' || (known.log?.length ?? 0) > seenBytes
    // What changed between the read and the listening rang for nobody.
    if (!isNew && !ends.aborted && !parts.isOver(known)) await promise
  } finally {
    clearTimeout(timer)
    unlisten()
  }
}
