import { type JsonValue } from '@sluice/core'
import { type CheckedChange, type CheckedItem, type CheckedMove, isSameJson } from '@sluice/core/backend'
import type { ChangeRow, NewRow, WantedRow } from './moves.js'
import { STAGE_NUMBERS } from '../schema/tables.js'

/** The largest `integer` of PostgreSQL: no attempt comes near it. */
const NO_SUCH_ATTEMPT = 2_147_483_647

/** A checked item as the statements take it. */
export function newRow(item: CheckedItem, uid: string): NewRow {
  const { id, bodyText, priority, notBeforeAt, delayMs, resources, limitKey } = item
  return {
    id,
    uid,
    priority,
    not_before_at: notBeforeAt ?? null,
    delay_ms: delayMs ?? null,
    body: bodyText,
    resources: resources === undefined ? null : JSON.stringify(resources),
    limit_key: limitKey ?? null,
  }
}

/** Whether an item has resources or a limit key: most have none, and their statements omit the columns. */
export function isChosen({ resources, limitKey }: Pick<CheckedItem, 'resources' | 'limitKey'>): boolean {
  return resources !== undefined || limitKey !== undefined
}

/** A checked move as the statements take it, without the fields that do not apply to its stage. */
export function wantedRow(move: CheckedMove): WantedRow {
  const { id, to, attempt, uid, delayMs, uncounted, reason, resultText, detailsText } = move
  const isReturn = to === 'WAITING'
  return {
    id,
    attempt: attempt === undefined ? null : Math.min(attempt, NO_SUCH_ATTEMPT),
    uid: wantedUid(uid),
    stage: STAGE_NUMBERS[to],
    delay_ms: delayMs,
    uncounted: isReturn && uncounted ? 1 : 0,
    reason: to === 'SUCCESS' ? null : (reason ?? null),
    result: to === 'SUCCESS' ? (resultText ?? null) : null,
    details: detailsText ?? null,
    failure_class: to === 'SUCCESS' ? null : (move.failureClass ?? null),
    exit_code: move.exitCode ?? null,
    job_uid: move.jobUid ?? null,
    unsent: isReturn && move.unsent ? 1 : null,
    keep_place: isReturn && move.keepPlace ? 1 : null,
    retry_state: isReturn ? (move.retryStateText ?? null) : null,
  }
}

/** A checked change as the statements take it. */
export function changeRow(change: CheckedChange): ChangeRow {
  const { id, uid, bodyText, priority, notBeforeAt, resources, limitKey } = change
  return {
    id,
    uid: wantedUid(uid),
    body: bodyText ?? null,
    priority: priority ?? null,
    not_before_at: notBeforeAt ?? null,
    resources: resources === undefined ? null : resources === null ? TAKEN_AWAY : JSON.stringify(resources),
    limit_key: limitKey === undefined ? null : (limitKey ?? TAKEN_AWAY),
  }
}

/** Neither resources nor a limit key are the empty text. */
const TAKEN_AWAY = ''

/** A uid with NUL is that of no item, and PostgreSQL refuses it. */
function wantedUid(uid: string | undefined): string | null {
  return uid === undefined ? null : uid.replaceAll('\0', '\u{FFFD}').toWellFormed()
}

/**
 * Whether a move has at most a reason, a result and details, as most have: its statement then omits the other
 * columns.
 */
export function isPlain(row: WantedRow): boolean {
  return (
    row.failure_class === null &&
    row.exit_code === null &&
    row.job_uid === null &&
    row.unsent === null &&
    row.keep_place === null &&
    row.retry_state === null
  )
}

/** A stored body compared with the given one. */
export interface ComparedBody {
  /** Whether the two texts are equal. */
  readonly same: boolean | number
  /**
   * The stored text if it is different and of the same length: only then can they differ in the order of keys
   * alone.
   */
  readonly body: string | null
}

/**
 * Whether a stored body is deep-equal to the given one [Q-PUT-4]. Each value has one JSON text except for the
 * order of its keys, which does not change the length: so the database decides nearly all by comparing texts
 * and lengths, and returns no more bytes of bodies than it was given.
 */
export function comparedReason(
  { same, body }: ComparedBody,
  given: string,
): 'exists-same' | 'exists-changed' {
  if (same === true || same === 1) return 'exists-same'
  return body !== null && isSameJson(parsed(body), parsed(given)) ? 'exists-same' : 'exists-changed'
}

function parsed(text: string): JsonValue {
  const value: JsonValue = JSON.parse(text)
  return value
}
