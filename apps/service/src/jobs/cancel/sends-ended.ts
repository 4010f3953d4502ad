import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Queue } from '@sluice/core'
import { DISPATCHER_LEASE, readDispatcher } from '@sluice/engine'

const GAP_MS = 200
/** The shortest that there is: it is given back at once. */
const LEASE_MS = 100

export interface SendsEndedOptions {
  /** How long to wait, in ms. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Waits until every send has ended that a service may have begun before it could know what is stored now: no job of an item that was moved before this
 * call can start after it. Either the service that dispatches says so [Q-CTRL-2], or there is none.
 *
 * @returns `false` when nobody said so in time
 */
export async function sendsEnded(queue: Queue, { timeoutMs, signal }: SendsEndedOptions): Promise<boolean> {
  const endsAtMs = performance.now() + timeoutMs
  const sync = await queue.control.sync()
  for (;;) {
    const dispatcher = await readDispatcher(queue)
    if (dispatcher !== undefined && dispatcher.syncedTo >= sync) return true
    if (await isFree(queue)) return true
    const leftMs = endsAtMs - performance.now()
    if (signal.aborted || leftMs <= 0) return false
    // It rejects only when it is aborted, which the loop sees.
    await sleep(Math.min(GAP_MS, leftMs), undefined, { signal }).catch(() => undefined)
  }
}

/** Whether nobody dispatches: only then can somebody else have the lease. */
async function isFree(queue: Queue): Promise<boolean> {
  const lease = await queue.lease(DISPATCHER_LEASE, `sluice cancel ${randomUUID()}`, LEASE_MS)
  await lease?.release()
  return lease !== undefined
}
