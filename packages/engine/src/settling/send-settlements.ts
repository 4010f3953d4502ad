import { isSluiceError, type ItemSummary } from '@sluice/core'
import { isEarlierEnded } from '../lookups/earlier-attempt.js'
import type { Tick } from '../tick/tick.js'
import type { JobSettlement } from './settlement.js'
import { retryStateOf, withRetryState, type EngineRetryState } from './retry-state.js'
import type { Refusal } from '../sending/refused-items.js'

/** Longest part of a worker's message that is kept as a reason. */
const MAX_ANSWER_CHARS = 500

/**
 * The worker's message in one line. An undocumented error may contain anything, and only its name is used.
 */
export function answerOf(error: unknown): string {
  if (!isSluiceError(error)) {
    const name = error instanceof Error ? error.name : typeof error
    return `the worker failed with ${name}, which is none of its documented errors`
  }
  const line = error.message.replaceAll(/\s+/gu, ' ').trim()
  return line.length > MAX_ANSWER_CHARS ? `${line.slice(0, MAX_ANSWER_CHARS - 1).toWellFormed()}…` : line
}

/** The worker refused it, and has no job for it: it waits for its next try. */
export function setAside(
  tick: Pick<Tick, 'memory' | 'clocks'>,
  item: ItemSummary,
  { answer, tries, delayMs }: Refusal & { readonly answer: string },
): JobSettlement {
  const since = tick.clocks?.sinceOf(item)
  const again = passedOn(tick, item, { tries, ...(since === undefined ? {} : { since }) })
  return { ...refOf(item), stage: 'WAITING', reason: answer, unsent: true, delayMs, ...again }
}

/** The worker refused it in all of its tries. */
export function unsendable(item: ItemSummary, answer: string, { tries }: Refusal): JobSettlement {
  const reason = `unsendable: the worker refused it ${tries} times while it accepted others: ${answer}`
  return { ...refOf(item), stage: 'FAIL', reason, failureClass: 'unsendable' }
}

/** Claimed by a process that died, and its body does not fit the schema that the queue was opened with. */
export function invalidBody(item: ItemSummary, reason: string): JobSettlement {
  const why = `the body does not fit the schema: ${reason}`
  return { ...refOf(item), stage: 'FAIL', reason: why, failureClass: 'invalid-body' }
}

/** Its send never began: it goes back to its place. */
export function givenBack(tick: Pick<Tick, 'memory'>, item: ItemSummary, reason: string): JobSettlement {
  const again = passedOn(tick, item, retryStateOf(item))
  return { ...refOf(item), stage: 'WAITING', reason, unsent: true, keepPlace: true, ...again }
}

/** Its own job doesn't run; whether those of earlier attempts have ended is passed on where it is known. */
function passedOn(tick: Pick<Tick, 'memory'>, item: ItemSummary, known: EngineRetryState) {
  const { tries: _, ended: __, ...kept } = retryStateOf(item)
  const { tries, since } = known
  return withRetryState({
    ...kept,
    ...(tries === undefined ? {} : { tries }),
    ...(since === undefined ? {} : { since }),
    ...(isEarlierEnded(tick, item) ? { ended: true } : {}),
  })
}

function refOf({ id, uid, attempt }: ItemSummary): Pick<JobSettlement, 'id' | 'uid' | 'attempt'> {
  return { id, uid, attempt }
}
