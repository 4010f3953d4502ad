import { assertCount, assertItemId, assertSpan, cutReason, encodeOptional } from './input.js'
import type { WantedMove } from './judge-move.js'
import type { Settlement } from './queue.js'

/** A `success`, `fail` or `release` that was checked, what it brings along as JSON text. */
export interface CheckedMove extends WantedMove {
  readonly id: string
  readonly resultText: string | undefined
  readonly detailsText: string | undefined
  readonly reason: string | undefined
  readonly delayMs: number
  readonly refund: boolean
}

/** A {@link Settlement} whose attempt may be left out, as `success`, `fail` and `release` allow. */
export type AskedMove = Omit<Settlement, 'attempt'> & { readonly attempt?: number }

/**
 * Checks one move whole, before anything of it is stored.
 *
 * @throws TypeError that names the field
 */
export function checkMove(asked: AskedMove, maxBytes: number): CheckedMove {
  const { id, attempt, uid, stage, delayMs = 0, refund = false } = asked
  assertItemId(id)
  assertTarget(stage)
  if (attempt !== undefined) assertCount(attempt, 'attempt')
  if (uid !== undefined && typeof uid !== 'string') throw new TypeError('uid must be a string')
  if (typeof refund !== 'boolean') throw new TypeError('refund must be true or false')
  assertSpan(delayMs, 'delayMs')
  return {
    id,
    to: stage,
    attempt,
    uid,
    resultText: encodeOptional(asked.result, maxBytes, 'result'),
    detailsText: encodeOptional(asked.details, maxBytes, 'details'),
    reason: cutReason(asked.reason),
    delayMs,
    refund,
  }
}

/**
 * Checks a whole batch before anything of it is stored.
 *
 * @throws TypeError that names the index of the first bad one and its field
 */
export function checkSettlements(
  outcomes: readonly Settlement[],
  maxBytes: number,
): (CheckedMove & { readonly attempt: number })[] {
  return outcomes.map((outcome, index) => {
    try {
      assertCount(outcome.attempt, 'attempt')
      return { ...checkMove(outcome, maxBytes), attempt: outcome.attempt }
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
