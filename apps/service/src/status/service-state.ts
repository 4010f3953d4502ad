import type { LeaseView, Queue } from '@sluice/core'
import { DISPATCHER_LEASE, readDispatcher, type DispatcherState, type LoweredLimit } from '@sluice/engine'

/**
 * The state of the service that dispatches, or did last.
 *
 * `dispatching`: it holds the lease · `stalled`: one of its calls never ended, and it gave up · `stopped`: it
 * released the lease · `gone`: its lease expired: it was killed, is frozen, or can't reach the storage ·
 * `never`: none has dispatched yet · `unknown`: the storage does not answer.
 */
export interface ServiceState {
  readonly state: 'dispatching' | 'stalled' | 'stopped' | 'gone' | 'never' | 'unknown'
  /** Names its process; absent for `never`. */
  readonly holder?: string
  /** When it began to dispatch: epoch ms of the storage's clock. */
  readonly sinceAt?: number
  /**
   * Ms since its last renewal of the lease, which it renews after a third of the TTL. Only while it holds the
   * lease, or after the lease expired.
   */
  readonly heardOfMs?: number
  /** Only while it dispatches: the most unfinished jobs that its configuration and the live limit allow. */
  readonly atMost?: number
  /** Only while it dispatches: what the worker's pushback has lowered that to, and why. */
  readonly lowered?: LoweredLimit
}

/** The dispatcher's state, and its last report. */
export interface DispatcherFacts {
  readonly service: ServiceState
  readonly said: DispatcherState | undefined
  /** Of the service that dispatches, where it has missed a renewal of its lease. */
  readonly silent?: SilentDispatcher
}

/** A service that holds the lease and has not renewed it in time: it was probably killed. */
export interface SilentDispatcher {
  /** Ms since its last renewal. */
  readonly heardOfMs: number
  /** Ms until another service can take over. */
  readonly leftMs: number
}

/** It renews the lease after a third of the TTL. */
const SILENT_SHARE = 0.5
/** On top of a third: a storage's clock may have whole seconds. */
const SLACK_MS = 2_500

function silenceOf({ leftMs, ttlMs }: LeaseView): { readonly silent?: SilentDispatcher } {
  const heardOfMs = ttlMs - leftMs
  if (heardOfMs < Math.max(ttlMs * SILENT_SHARE, ttlMs / 3 + SLACK_MS)) return {}
  return { silent: { heardOfMs, leftMs } }
}

/**
 * Which service dispatches, by the lease and by the holder's own report. The report alone would show a killed
 * process as running.
 *
 * @throws SluiceError of the queue
 */
export async function readService(queue: Pick<Queue, 'document' | 'readLease'>): Promise<DispatcherFacts> {
  const [lease, said] = await Promise.all([queue.readLease(DISPATCHER_LEASE), readDispatcher(queue)])
  if (lease === undefined) {
    if (said === undefined) return { service: { state: 'never' }, said }
    const { holder, sinceAt } = said
    return { service: { state: said.is === 'stalled' ? 'stalled' : 'stopped', holder, sinceAt }, said }
  }
  const own = said?.fencingToken === lease.fencingToken ? said : undefined
  const { holder, leftMs, ttlMs } = lease
  // The clocks of two machines may differ by some ms.
  const heardOfMs = Math.max(0, Math.round(ttlMs - leftMs))
  const facts = { holder, heardOfMs, ...(own === undefined ? {} : { sinceAt: own.sinceAt }) }
  if (own?.is === 'stalled') return { service: { state: 'stalled', ...facts }, said: own }
  if (leftMs <= 0) return { service: { state: 'gone', ...facts }, said: own }
  const atMost = own?.atMost === undefined ? {} : { atMost: own.atMost }
  const lowered = own?.lowered === undefined ? {} : { lowered: own.lowered }
  return {
    service: { state: 'dispatching', ...facts, ...atMost, ...lowered },
    said: own,
    ...silenceOf(lease),
  }
}
