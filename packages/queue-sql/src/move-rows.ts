import type { CheckedItem, CheckedMove } from '@sluice/core'
import type { NewRow, WantedRow } from './moves.js'
import { STAGE_NUMBERS } from './tables.js'

/** PostgreSQL's `integer`: no attempt comes near it, and a larger one is just another attempt than the item's. */
const NO_SUCH_ATTEMPT = 2_147_483_647

/** A checked item as the statements take it. */
export function newRow(item: CheckedItem, uid: string): NewRow {
  const { id, bodyText, priority, notBeforeAt, delayMs } = item
  return {
    id,
    uid,
    priority,
    not_before_at: notBeforeAt ?? null,
    delay_ms: delayMs ?? null,
    body: bodyText,
  }
}

/** A checked move as the statements take it: what doesn't belong to its stage is left out. */
export function wantedRow(move: CheckedMove): WantedRow {
  const { id, to, attempt, uid, delayMs, refund, reason, resultText, detailsText } = move
  return {
    id,
    attempt: attempt === undefined ? null : Math.min(attempt, NO_SUCH_ATTEMPT),
    // A uid with NUL is nobody's, and PostgreSQL would not even take it.
    uid: uid === undefined ? null : uid.replaceAll('\0', '\u{FFFD}').toWellFormed(),
    stage: STAGE_NUMBERS[to],
    delay_ms: delayMs,
    refund: to === 'WAITING' && refund ? 1 : 0,
    reason: to === 'SUCCESS' ? null : (reason ?? null),
    result: to === 'SUCCESS' ? (resultText ?? null) : null,
    details: detailsText ?? null,
  }
}
