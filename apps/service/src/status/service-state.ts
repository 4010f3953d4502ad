import type { Queue } from '@sluice/core'
import { DISPATCHER_LEASE, readDispatcher, type DispatcherState } from '@sluice/engine'

/**
 * What is known of the service that dispatches, or did last.
 *
 * `dispatching`: it holds the lease · `stalled`: a call of it never ended, and it gave up · `stopped`: it gave the lease back in good order ·
 * `gone`: its lease ran out, so it was killed, is frozen, or can't reach the storage · `never`: none has dispatched yet · `unknown`: the storage does not answer.
 */
export interface ServiceState {
  readonly state: 'dispatching' | 'stalled' | 'stopped' | 'gone' | 'never' | 'unknown'
  /** Names its process; absent for `never`. */
  readonly holder?: string
  /** Epoch ms of the storage's clock: since when it dispatches, or did. */
  readonly since?: number
  /** How long ago it was heard of last, in ms: it renews the lease when a third of its time is over. Only while it holds the lease, or has let it run out. */
  readonly heardOfMs?: number
  /** Only while it dispatches: the most unfinished jobs that its configuration and the live limit allow. */
  readonly atMost?: number
}

/** What a status needs to know of the dispatcher: its state, and what it said last. */
export interface DispatcherFacts {
  readonly service: ServiceState
  readonly said: DispatcherState | undefined
}

/**
 * Who dispatches, by the lease and by what the holder wrote. A record alone would say for ever that a process works that was killed.
 *
 * @throws SluiceError of the queue
 */
export async function readService(queue: Pick<Queue, 'document' | 'readLease'>): Promise<DispatcherFacts> {
  const [lease, said] = await Promise.all([queue.readLease(DISPATCHER_LEASE), readDispatcher(queue)])
  if (lease === undefined) {
    if (said === undefined) return { service: { state: 'never' }, said }
    const { holder, sinceAt: since } = said
    return { service: { state: said.is === 'stalled' ? 'stalled' : 'stopped', holder, since }, said }
  }
  const own = said?.fencingToken === lease.fencingToken ? said : undefined
  const { holder, leftMs, ttlMs } = lease
  // Clocks of two machines may differ by some ms.
  const heardOfMs = Math.max(0, Math.round(ttlMs - leftMs))
  const facts = { holder, heardOfMs, ...(own === undefined ? {} : { since: own.sinceAt }) }
  if (own?.is === 'stalled') return { service: { state: 'stalled', ...facts }, said: own }
  if (leftMs <= 0) return { service: { state: 'gone', ...facts }, said: own }
  const atMost = own?.atMost === undefined ? {} : { atMost: own.atMost }
  return { service: { state: 'dispatching', ...facts, ...atMost }, said: own }
}
