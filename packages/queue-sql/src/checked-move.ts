import {
  assertCount,
  assertItemId,
  assertSpan,
  cutReason,
  encodeOptional,
  type CheckedItem,
  type Settlement,
} from '@sluice/core'
import type { NewRow, WantedRow } from './moves.js'
import { STAGE_NUMBERS } from './tables.js'

/** A {@link Settlement} whose attempt may be left out, as `success`, `fail` and `release` allow. */
export type AskedMove = Omit<Settlement, 'attempt'> & { readonly attempt?: number }

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

/**
 * Checks one move whole, before anything of it is stored.
 *
 * @throws TypeError that names the field
 */
export function wantedRow(asked: AskedMove, maxBytes: number): WantedRow {
  const { id, attempt, uid, stage, delayMs = 0, refund = false } = asked
  assertItemId(id)
  assertTarget(stage)
  if (attempt !== undefined) assertCount(attempt, 'attempt')
  if (uid !== undefined && typeof uid !== 'string') throw new TypeError('uid must be a string')
  if (typeof refund !== 'boolean') throw new TypeError('refund must be true or false')
  assertSpan(delayMs, 'delayMs')
  const result = encodeOptional(asked.result, maxBytes, 'result')
  const details = encodeOptional(asked.details, maxBytes, 'details')
  const reason = cutReason(asked.reason)
  return {
    id,
    attempt: attempt === undefined ? null : Math.min(attempt, NO_SUCH_ATTEMPT),
    // A uid with NUL is nobody's, and PostgreSQL would not even take it.
    uid: uid === undefined ? null : uid.replaceAll('\0', '\u{FFFD}').toWellFormed(),
    stage: STAGE_NUMBERS[stage],
    delay_ms: delayMs,
    refund: stage === 'WAITING' && refund ? 1 : 0,
    reason: stage === 'SUCCESS' ? null : (reason ?? null),
    result: stage === 'SUCCESS' ? (result ?? null) : null,
    details: details ?? null,
  }
}

/**
 * Checks a whole batch before anything of it is stored.
 *
 * @throws TypeError that names the index of the first bad one and its field
 */
export function wantedRows(outcomes: readonly Settlement[], maxBytes: number): WantedRow[] {
  return outcomes.map((outcome, index) => {
    try {
      assertCount(outcome.attempt, 'attempt')
      return wantedRow(outcome, maxBytes)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new TypeError(`outcomes[${index}]: ${why}`, { cause: error })
    }
  })
}

function assertTarget(stage: unknown): void {
  if (stage === 'SUCCESS' || stage === 'FAIL' || stage === 'WAITING') return
  throw new TypeError('stage must be SUCCESS, FAIL or WAITING: an item leaves PROCESSING to one of these')
}
