/**
 * Everything that can hold a queue back, in the order in which it is asked: what stands first explains what follows. The command line, the API and metrics
 * use these words.
 *
 * `no-dispatcher`: no service is at work · `storage-unavailable`, `storage-denied`: the storage can't be used · `worker-unavailable`, `worker-denied`:
 * the worker can't · `backoff`: the other side asked to be left alone · `incomplete-poll`: the worker has not told of all its jobs · `paused`: by
 * `pause` · `self-paused`: by Sluice itself, since going on would only fail its items · `draining`: the service that dispatches was told to start nothing · `nothing-waiting`: only running jobs are left · `nothing-due`: all that
 * waits is delayed · `backpressure`: the worker takes no more for now · `limit`: as many jobs run as may · `orphans`: jobs that no item waits for take
 * places of the limit, and none is left · `worker-pending`: as many as may, and at least half of them have not begun at the worker, so that a higher
 * limit would not help · `refused-items`: the worker refuses some items · `earlier-attempt`: items wait for the job of an earlier attempt to end ·
 * `missing`: the worker does not know jobs any more that had started, and they are lost if it goes on so · `lost`: items are held, since their jobs are
 * lost.
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
  'self-paused',
  'draining',
  'nothing-waiting',
  'nothing-due',
  'backpressure',
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

/** One thing that holds the queue back, for people and for programs. */
export interface Holdup {
  readonly code: HoldupCode
  /** One line for people. */
  readonly message: string
  /** How many items it concerns, where that is known. */
  readonly items?: number
  /** How long it lasts from the end of the tick on, in ms, where that is known. */
  readonly forMs?: number
  /** Epoch ms of the storage's clock: since when it has been so, where that is known. */
  readonly sinceAt?: number
}

/** What to do about each, in one line; `undefined` where there is nothing to do. */
export const HOLDUP_ADVICE: Readonly<Record<HoldupCode, string | undefined>> = {
  'no-dispatcher': 'start one with `sluice run`',
  'storage-unavailable': 'it is tried again; `sluice check` tells more',
  'storage-denied': 'mend the credentials or permissions of the storage; `sluice check` tells more',
  'worker-unavailable': 'it is tried again; `sluice check` tells more',
  'worker-denied': 'mend the credentials or permissions of the worker; `sluice check` tells more',
  backoff: undefined,
  'incomplete-poll': 'it is tried again; `sluice check` tells more',
  paused: '`sluice resume` goes on',
  'self-paused':
    'fix the cause, then `sluice resume`; `sluice report --summary` and `sluice show ID` say more',
  draining: 'start a service without --drain to go on',
  'nothing-waiting': undefined,
  'nothing-due': undefined,
  backpressure: undefined,
  limit: '`sluice limit N` raises it',
  orphans: 'they end by themselves, or by `sluice cancel ID`; the log of the service names them',
  'worker-pending': 'the worker needs more room: a higher limit would not help',
  'refused-items': '`sluice show ID` says why',
  'earlier-attempt':
    'they go on when it has; `sluice show ID` tells which, `sluice cancel ID --attempt N` ends it',
  missing: '`sluice check` tells whether it is the worker that they were sent to',
  lost: '`sluice release ID` or `sluice requeue ID` goes on with them',
}

/** In the order of {@link HOLDUP_CODES}; those of one code as they were. */
export function holdupsInOrder(holdups: readonly Holdup[]): Holdup[] {
  return holdups.toSorted((one, other) => HOLDUP_CODES.indexOf(one.code) - HOLDUP_CODES.indexOf(other.code))
}
