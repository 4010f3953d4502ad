/**
 * Everything that can hold a queue back, in order of precedence: the first one explains those that follow.
 * The command line, the API and metrics use these codes.
 *
 * `no-dispatcher`: no service runs · `storage-unavailable`, `storage-denied`: the storage can't be used ·
 * `worker-unavailable`, `worker-denied`: the worker can't · `backoff`: the other side sent a `Retry-After` ·
 * `incomplete-poll`: the worker has not reported all of its jobs · `paused`: by `pause` · `breaker-open`: by
 * Sluice itself, since too much failed · `canary`: the first items of a run are waited for · `draining`: the
 * dispatching service runs with `--drain` · `outside-window`: no time window of the policy is open ·
 * `nothing-waiting`: only running jobs are left · `nothing-due`: all waiting items are delayed ·
 * `backpressure`: the worker accepts no more for now · `rate`: the rate of claims is reached · `machine`:
 * this machine is busy, or short of memory · `budget`: items wait for resources, or for the limit of their
 * key · `limit`: the limit of jobs is reached · `orphans`: jobs without an item take places, and the limit is
 * reached · `worker-pending`: the limit is reached, and at least half of the jobs are pending at the worker,
 * so that a higher limit would not help · `refused-items`: the worker refuses some items · `earlier-attempt`:
 * items wait for the job of an earlier attempt to end · `missing`: the worker no longer knows jobs that had
 * started, and they will be lost · `lost`: items are held, since their jobs are lost.
 */
export const HOLDUP_CODES = [
  'no-dispatcher',
  'storage-unavailable',
  'storage-denied',
  'worker-unavailable',
  'worker-denied',
  'backoff',
  'incomplete-poll',
  'paused',
  'breaker-open',
  'canary',
  'draining',
  'outside-window',
  'nothing-waiting',
  'nothing-due',
  'backpressure',
  'rate',
  'machine',
  'budget',
  'limit',
  'orphans',
  'worker-pending',
  'refused-items',
  'earlier-attempt',
  'missing',
  'lost',
] as const

/** One of {@link HOLDUP_CODES}. */
export type HoldupCode = (typeof HOLDUP_CODES)[number]

/** One thing that holds the queue back. */
export interface Holdup {
  readonly code: HoldupCode
  /** One line of text. */
  readonly message: string
  /** How many items are affected, where that is known. */
  readonly items?: number
  /** How long it lasts from the end of the tick, in ms, where that is known. */
  readonly forMs?: number
  /** When it ends, epoch ms of the clock of the service that dispatches, where that is known. */
  readonly untilAt?: number
  /** When it began, epoch ms of the storage's clock, where that is known. */
  readonly sinceAt?: number
}

/** What an operator can do, in one line; `undefined` where there is nothing to do. */
export const HOLDUP_ADVICE: Readonly<Record<HoldupCode, string | undefined>> = {
  'no-dispatcher': 'start one with `sluice run`',
  'storage-unavailable': 'it is tried again; `sluice check` shows more',
  'storage-denied': 'fix the credentials or permissions of the storage; `sluice check` shows more',
  'worker-unavailable': 'it is tried again; `sluice check` shows more',
  'worker-denied': 'fix the credentials or permissions of the worker; `sluice check` shows more',
  backoff: undefined,
  'incomplete-poll': 'it is tried again; `sluice check` shows more',
  paused: '`sluice resume` goes on',
  'breaker-open':
    'fix the cause, then `sluice resume`; `sluice report --summary` and `sluice show ID` show more',
  canary: undefined,
  draining: 'start a service without --drain to go on',
  'outside-window': 'it goes on by itself; `sluice policy show` shows the windows',
  'nothing-waiting': undefined,
  'nothing-due': undefined,
  backpressure: undefined,
  rate: 'it goes on by itself; a higher `processing.rate` claims more',
  machine: 'it goes on by itself once the machine has room; `sluice policy show` shows the bounds',
  budget: 'it goes on as jobs end; `sluice limit --resource NAME=N` or `--per-key N` raises it',
  limit: '`sluice limit N` raises it',
  orphans: 'they end by themselves, or by `sluice cancel ID`; the service’s log names them',
  'worker-pending': 'the worker needs more room: a higher limit would not help',
  'refused-items': '`sluice show ID` shows why',
  'earlier-attempt':
    'they continue once it has ended; `sluice show ID` shows it, `sluice cancel ID --attempt N` ends it',
  missing: '`sluice check` shows whether it is the worker that they were sent to',
  lost: '`sluice release ID` or `sluice requeue ID` tries them again',
}

/** In the order of {@link HOLDUP_CODES}; those of one code keep their order. */
export function holdupsInOrder(holdups: readonly Holdup[]): Holdup[] {
  return holdups.toSorted((one, other) => HOLDUP_CODES.indexOf(one.code) - HOLDUP_CODES.indexOf(other.code))
}
