import { isSluiceError, type Logger } from '@sluice/core'
import type { GuaranteeWatch } from '../probe/guarantee-watch.js'
import type { Patience } from './sending/patience.js'
import type { S3Store } from './s3-store.js'
import type { Protocol, StorageReply } from './storage-op.js'

/** How one of several protocols ended. */
export type RunResult<T> = { readonly value: T } | { readonly error: unknown }

interface Run<T> {
  readonly protocol: Protocol<T>
  readonly index: number
  readonly patience: Patience
  /** Passed to the protocol when it resumes. */
  reply: StorageReply | undefined
}

/** What protocols run with. */
export interface RunOptions {
  readonly logger: Logger
  /** Of the work that one protocol is a part of. Default: one for each protocol. */
  readonly patience?: Patience
  /** Sends in place of the store, and holds creations that can't be trusted. */
  readonly watch?: GuaranteeWatch
  /**
   * Once it has aborted no further request begins, and each protocol that has not ended rejects with its
   * reason.
   */
  readonly signal?: AbortSignal
}

/** Runs one protocol against the store. */
export async function runProtocol<T>(store: S3Store, protocol: Protocol<T>, options: RunOptions): Promise<T> {
  const [result] = await runProtocols(store, [protocol], options)
  if (result === undefined) throw new Error('one protocol has one result')
  if ('error' in result) throw result.error
  return result.value
}

/**
 * Runs many protocols, with the concurrency that the store allows. A protocol that reaches a DELETE waits
 * there for the others, and all their keys go in one request of up to 1,000; then they resume. A protocol
 * that reaches a DELETE has decided its move, so a failed DELETE is only logged: the next process, or
 * `sweep`, deletes what it leaves behind.
 */
export async function runProtocols<T>(
  store: S3Store,
  protocols: readonly Protocol<T>[],
  options: RunOptions,
): Promise<RunResult<T>[]> {
  const results: RunResult<T>[] = []
  let runs = protocols.map((protocol, index): Run<T> => {
    return { protocol, index, patience: options.patience ?? store.patience(), reply: undefined }
  })
  // As many consecutive failures as the concurrency are an outage: the remaining protocols would only wait as
  // long, and fail too.
  const outage: Outage = { failures: 0, error: undefined }
  while (runs.length > 0) {
    const parked: Run<T>[] = []
    const keys: string[] = []
    const queue = runs.values()
    const work = async () => {
      for (const run of queue) {
        const hasBegun = run.reply !== undefined
        if (!hasBegun && outage.failures >= store.concurrency) {
          results[run.index] = { error: outage.error }
          continue
        }
        const deleted = await untilDelete(run, {
          store: options.watch ?? store,
          results,
          signal: options.signal,
        })
        noteEnd(outage, deleted === undefined ? results[run.index] : undefined)
        if (deleted === undefined) continue
        parked.push(run)
        keys.push(...deleted)
      }
    }
    await Promise.all(Array.from({ length: Math.min(runs.length, store.concurrency) }, work))
    if (keys.length > 0 && options.signal?.aborted !== true) await deleteOrLog(store, keys, options)
    runs = parked.toSorted((a, b) => a.index - b.index)
  }
  return results
}

interface Outage {
  failures: number
  error: unknown
}

function noteEnd(outage: Outage, result: RunResult<unknown> | undefined): void {
  const isLost =
    result !== undefined && 'error' in result && isSluiceError(result.error, 'SLUICE_QUEUE_UNAVAILABLE')
  outage.failures = isLost ? outage.failures + 1 : 0
  if (isLost) outage.error = result.error
}

interface Running<T> {
  readonly store: Pick<S3Store, 'send'>
  readonly results: RunResult<T>[]
  readonly signal: AbortSignal | undefined
}

async function untilDelete<T>(
  run: Run<T>,
  { store, results, signal }: Running<T>,
): Promise<readonly string[] | undefined> {
  try {
    signal?.throwIfAborted()
    let step = run.reply === undefined ? run.protocol.next() : run.protocol.next(run.reply)
    run.reply = undefined
    while (step.done !== true) {
      if (step.value.do === 'delete') {
        run.reply = {}
        return step.value.keys
      }
      const reply = await store.send(step.value, run.patience)
      signal?.throwIfAborted()
      step = run.protocol.next(reply)
    }
    results[run.index] = { value: step.value }
  } catch (error) {
    results[run.index] = { error }
  }
  return undefined
}

/** Deletes obsolete objects. A failure is only logged: nothing depends on it. */
export async function deleteOrLog(
  store: S3Store,
  keys: readonly string[],
  { logger, patience }: RunOptions,
): Promise<void> {
  try {
    await store.deleteAll(keys, patience?.timeoutMs)
  } catch (error) {
    logger.warn(
      { err: error, keys: keys.length, bucket: store.place.bucket },
      'retired objects were left behind',
    )
  }
}
