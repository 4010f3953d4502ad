import type { JsonValue, Queue } from '@sluice/core'
import type { LoweredLimit } from '../backpressure/effective-limit.js'
import { HOLDUP_CODES, type Holdup } from '../holdups/holdup.js'
import { DISPATCHER_DOCUMENT } from './document-names.js'

/**
 * What the engine that holds the lease records of itself, for `status` and commands in other processes. It is
 * written at the end of a tick, at most once in each, and only when it has changed.
 */
export interface DispatcherState {
  /** The holder of the lease. */
  readonly holder: string
  /** The fencing token of its lease. */
  readonly fencingToken: number
  /** `stopped`: it gave the lease back · `stalled`: a call of it never ended, and it gave up. */
  readonly is: 'working' | 'stopped' | 'stalled'
  /** Since when it has held the lease, epoch ms of the storage's clock. */
  readonly sinceAt: number
  readonly leaseTtlMs: number
  /** Every send that had begun when `control.syncs` was this has ended [Q-CTRL-2]. */
  readonly syncedTo: number
  /**
   * The most unfinished jobs that its policy and the live limits allow; absent while unknown, and without a
   * limit.
   */
  readonly atMost?: number
  /** Its dispatch policy as data: `DispatchPolicy.settings`. */
  readonly policy?: JsonValue
  readonly holdups: readonly Holdup[]
  /**
   * What the worker's pushback has lowered the limit to, and why, as far as it was reported; absent where
   * only `atMost` limits. The next dispatcher starts with it.
   */
  readonly lowered?: LoweredLimit
  /** An item that was sent, for `probeSend`; updated rarely. */
  readonly sentWell?: { readonly id: string; readonly uid: string }
}

/**
 * Who dispatches this queue, and what holds it back, by the latest record of the engine. Whether that still
 * holds its lease is not in it: a process that was killed writes nothing more.
 *
 * @returns `undefined`: no engine has dispatched yet, or the document is unreadable
 * @throws SluiceError of the queue
 */
export async function readDispatcher(queue: Pick<Queue, 'document'>): Promise<DispatcherState | undefined> {
  return parseDispatcher((await queue.document(DISPATCHER_DOCUMENT).read())?.value)
}

/** The state in a document, as far as it can be read; a later version may have written more. */
export function parseDispatcher(value: JsonValue | undefined): DispatcherState | undefined {
  if (!isRecord(value)) return undefined
  const { holder, fencingToken, sinceAt, leaseTtlMs, syncedTo, holdups, sentWell, is, atMost, policy } = value
  if (typeof holder !== 'string' || !isNumber(fencingToken)) return undefined
  const well = parseSentWell(sentWell)
  const lowered = loweredLimitOf(value)
  return {
    holder,
    fencingToken,
    is: is === 'stopped' || is === 'stalled' ? is : 'working',
    sinceAt: isNumber(sinceAt) ? sinceAt : 0,
    leaseTtlMs: isNumber(leaseTtlMs) ? leaseTtlMs : 0,
    syncedTo: isNumber(syncedTo) ? syncedTo : 0,
    ...(isNumber(atMost) ? { atMost } : {}),
    ...(policy === undefined ? {} : { policy }),
    ...(lowered === undefined ? {} : { lowered }),
    holdups: Array.isArray(holdups) ? holdups.flatMap(parseHoldup) : [],
    ...(well === undefined ? {} : { sentWell: well }),
  }
}

export function toJson({ holdups, sentWell, lowered, ...state }: DispatcherState): JsonValue {
  return {
    ...state,
    ...(lowered === undefined ? {} : { lowered: { ...lowered } }),
    holdups: holdups.map((holdup) => ({ ...holdup })),
    ...(sentWell === undefined ? {} : { sentWell: { ...sentWell } }),
  }
}

/** The item that was sent, whatever else is in the document. */
export function sentWellOf(value: JsonValue | undefined): DispatcherState['sentWell'] {
  return isRecord(value) ? parseSentWell(value['sentWell']) : undefined
}

/** The lowered limit, whatever else is in the document. */
export function loweredLimitOf(value: JsonValue | undefined): LoweredLimit | undefined {
  const lowered = isRecord(value) ? value['lowered'] : undefined
  if (!isRecord(lowered)) return undefined
  const { limit, pushedBackAt, cause, reason } = lowered
  if (!isPlaces(limit) || !isPlaces(pushedBackAt) || typeof reason !== 'string') return undefined
  const known = CAUSES.find((one) => one === cause)
  return { limit, pushedBackAt, cause: known ?? 'refused', reason }
}

const CAUSES = ['refused', 'slow', 'pending'] as const

function isPlaces(value: unknown): value is number {
  return Number.isSafeInteger(value) && isNumber(value) && value >= 1
}

function parseSentWell(value: unknown): DispatcherState['sentWell'] {
  if (!isRecord(value) || typeof value['id'] !== 'string' || typeof value['uid'] !== 'string')
    return undefined
  return { id: value['id'], uid: value['uid'] }
}

function parseHoldup(value: unknown): Holdup[] {
  if (!isRecord(value) || typeof value['message'] !== 'string') return []
  const code = HOLDUP_CODES.find((known) => known === value['code'])
  if (code === undefined) return []
  const { message, items, forMs, untilAt, sinceAt } = value
  return [
    {
      code,
      message,
      ...(isNumber(items) ? { items } : {}),
      ...(isNumber(forMs) ? { forMs } : {}),
      ...(isNumber(untilAt) ? { untilAt } : {}),
      ...(isNumber(sinceAt) ? { sinceAt } : {}),
    },
  ]
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number'
}
