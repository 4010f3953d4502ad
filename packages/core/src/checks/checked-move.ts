import { assertArray, assertCount, assertItemId, assertSpan, cutReason, encodeOptional } from './input.js'
import { MAX_FAILURE_CLASS_CHARS, MAX_JOB_UID_CHARS, MAX_RETRY_STATE_BYTES } from '../items/item.js'
import type { WantedMove } from './judge-move.js'
import type { Settlement } from '../items/queue.js'

/** A `success`, `fail` or `release` that was checked, what it brings along as JSON text. */
export interface CheckedMove extends WantedMove {
  readonly id: string
  readonly resultText: string | undefined
  readonly detailsText: string | undefined
  readonly reason: string | undefined
  readonly delayMs: number
  /** The attempt doesn't count: it was asked for, or the attempt is unsent. */
  readonly uncounted: boolean
  readonly unsent: boolean
  readonly keepPlace: boolean
  readonly retryStateText: string | undefined
  readonly failureClass: string | undefined
  readonly exitCode: number | undefined
  readonly jobUid: string | undefined
}

/** A {@link Settlement} whose attempt may be left out, as `success`, `fail` and `release` allow. */
export type AskedMove = Omit<Settlement, 'attempt'> & { readonly attempt?: number }

/**
 * Checks one move whole, before anything of it is stored.
 *
 * @throws TypeError that names the field
 */
export function checkMove(asked: AskedMove, maxBytes: number): CheckedMove {
  const { id, attempt, uid, stage } = asked
  assertItemId(id)
  assertTarget(stage)
  if (attempt !== undefined) assertCount(attempt, 'attempt')
  if (uid !== undefined && typeof uid !== 'string') throw new TypeError('uid must be a string')
  return {
    id,
    to: stage,
    attempt,
    uid,
    resultText: encodeOptional(asked.result, maxBytes, 'result'),
    detailsText: encodeOptional(asked.details, maxBytes, 'details'),
    reason: cutReason(asked.reason),
    ...checkReturn(asked),
    ...checkOutcome(asked),
  }
}

/** What only a move to WAITING has; of others it is checked and not used. */
function checkReturn(asked: AskedMove) {
  const { delayMs = 0, countAttempt = true, unsent = false, keepPlace = false } = asked
  for (const [name, flag] of Object.entries({ countAttempt, unsent, keepPlace })) {
    if (typeof flag !== 'boolean') throw new TypeError(`${name} must be true or false`)
  }
  assertSpan(delayMs, 'delayMs')
  if (keepPlace && delayMs > 0) throw new TypeError('give keepPlace or delayMs, not both')
  const retryStateText = encodeOptional(asked.retryState, MAX_RETRY_STATE_BYTES, 'retryState')
  return { delayMs, uncounted: !countAttempt || unsent, unsent, keepPlace, retryStateText }
}

function checkOutcome({ failureClass, exitCode, jobUid }: AskedMove) {
  assertShortText(failureClass, 'failureClass', MAX_FAILURE_CLASS_CHARS)
  assertShortText(jobUid, 'jobUid', MAX_JOB_UID_CHARS)
  if (exitCode !== undefined && !Number.isSafeInteger(exitCode))
    throw new TypeError('exitCode must be an integer')
  return { failureClass, exitCode, jobUid }
}

function assertShortText(text: unknown, what: string, maxChars: number): void {
  if (text === undefined) return
  const isFit = typeof text === 'string' && text !== '' && text.length <= maxChars
  if (isFit && text.isWellFormed() && !text.includes('\0')) return
  throw new TypeError(`${what} must be a string of 1 to ${maxChars} characters, well-formed and without NUL`)
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
  assertArray(outcomes, 'outcomes')
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
