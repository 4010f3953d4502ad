import type { JsonValue, Queue } from '@sluice/core'
import { HOLDUP_CODES, type Holdup } from '../holdups/holdup.js'
import { DISPATCHER_DOCUMENT } from './document-names.js'

/**
 * What the engine that holds the lease says of itself, for `status` and for other commands in other processes. It is written at the end of a tick,
 * at most once in each, and only when it changed.
 */
export interface DispatcherState {
  /** Of the engine, as the lease has it. */
  readonly holder: string
  /** The fencing token of its lease. */
  readonly fencingToken: number
  /** `stopped`: it gave the lease back in good order · `stalled`: a call of it never ended, and it gave up. */
  readonly is: 'working' | 'stopped' | 'stalled'
  /** Epoch ms of the storage's clock: since when it holds the lease. */
  readonly sinceAt: number
  readonly leaseTtlMs: number
  /** Every send that had begun when `control.syncs` was this has ended [Q-CTRL-2]. */
  readonly syncedTo: number
  /** The most unfinished jobs that its policy and the live limits allow; absent where that is not known yet, and where nothing limits them. */
  readonly atMost?: number
  readonly holdups: readonly Holdup[]
  /** An item that was sent well, for `probeSend`; renewed seldom. */
  readonly sentWell?: { readonly id: string; readonly uid: string }
}

/**
 * Who dispatches this queue, and what holds it back, as the engine that does said last. Whether it still holds its lease is not in it: a process that
 * was killed says nothing more.
 *
 * @returns `undefined`: none has dispatched yet, or what is stored is none of ours
 * @throws SluiceError of the queue
 */
export async function readDispatcher(queue: Pick<Queue, 'document'>): Promise<DispatcherState | undefined> {
  return parseDispatcher((await queue.document(DISPATCHER_DOCUMENT).read())?.value)
}

/** What a document holds, as far as it can be understood; a later version may have more in it. */
export function parseDispatcher(value: JsonValue | undefined): DispatcherState | undefined {
  if (!isRecord(value)) return undefined
  const { holder, fencingToken, sinceAt, leaseTtlMs, syncedTo, holdups, sentWell, is, atMost } = value
  if (typeof holder !== 'string' || !isNumber(fencingToken)) return undefined
  const well = parseSentWell(sentWell)
  return {
    holder,
    fencingToken,
    is: is === 'stopped' || is === 'stalled' ? is : 'working',
    sinceAt: isNumber(sinceAt) ? sinceAt : 0,
    leaseTtlMs: isNumber(leaseTtlMs) ? leaseTtlMs : 0,
    syncedTo: isNumber(syncedTo) ? syncedTo : 0,
    ...(isNumber(atMost) ? { atMost } : {}),
    holdups: Array.isArray(holdups) ? holdups.flatMap(parseHoldup) : [],
    ...(well === undefined ? {} : { sentWell: well }),
  }
}

export function toJson({ holdups, sentWell, ...state }: DispatcherState): JsonValue {
  return {
    ...state,
    holdups: holdups.map((holdup) => ({ ...holdup })),
    ...(sentWell === undefined ? {} : { sentWell: { ...sentWell } }),
  }
}

/** The item that was sent well, whatever else is in the document. */
export function sentWellOf(value: JsonValue | undefined): DispatcherState['sentWell'] {
  return isRecord(value) ? parseSentWell(value['sentWell']) : undefined
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
  const { message, items, forMs, sinceAt } = value
  return [
    {
      code,
      message,
      ...(isNumber(items) ? { items } : {}),
      ...(isNumber(forMs) ? { forMs } : {}),
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
