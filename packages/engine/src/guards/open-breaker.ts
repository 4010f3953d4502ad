import { SluiceError, type ControlState, type Queue } from '@sluice/core'
import { GUARDS_DOCUMENT } from '../records/document-names.js'
import { allKnown } from './failure-groups.js'
import { guardsToJson, parseGuards } from './guard-document.js'
import { NO_GUARDS, NO_RUN } from './guard-state.js'

/**
 * A pause by Sluice itself. It lasts until an operator resumes the queue, or a probe after
 * `breaker.halfOpenMs` succeeds.
 */
export interface OpenBreaker {
  /**
   * What paused the queue. `rejections`: the same refusal again and again · `first-items`: the first items of
   * a run all failed for the same reason · `failures`: too many in the window · `new-group`: too many of a
   * new failure group · `half-open`: an item that was tried failed too · `halt`: `run --halt`. Later versions
   * may have others.
   */
  readonly guard: string
  /** Why, in one line. */
  readonly reason: string
  /** Epoch ms of the storage's clock. */
  readonly sinceAt: number
  /** Id of an affected item. */
  readonly example?: string
  /** Id of the failure group that it, or its latest failure, is of. */
  readonly group?: string
  /** How many failures were counted. */
  readonly failed?: number
  /** Of how many ends, where it goes by them. */
  readonly ended?: number
  /** When a few items are tried, epoch ms of the storage's clock; absent: only an operator resumes it. */
  readonly halfOpenAt?: number
}

/** A pause as it is stored. */
export interface StoredPause extends OpenBreaker {
  /**
   * The queue was paused after this was written. `false`: the engine may have died in between, and the next
   * one pauses the queue.
   */
  readonly isApplied: boolean
}

const BY_SLUICE = 'by Sluice itself: '

/** The reason that the queue's control has during a pause by Sluice itself; a queue may cut it. */
export function pauseText({ reason }: Pick<OpenBreaker, 'reason'>): string {
  return `${BY_SLUICE}${reason}`
}

/** Whether the control is paused by Sluice itself, and not by an operator. */
export function isPausedByItself({ paused, reason = '' }: ControlState): boolean {
  return paused && reason.startsWith(BY_SLUICE)
}

/**
 * Whether Sluice itself has paused the queue, and why. An operator's pause does not count; a resume ends
 * both.
 *
 * @throws SluiceError of the queue
 */
export async function readOpenBreaker(
  queue: Pick<Queue, 'document' | 'control'>,
): Promise<OpenBreaker | undefined> {
  const { pause } = parseGuards((await queue.document(GUARDS_DOCUMENT).read())?.value)
  if (pause === undefined) return undefined
  const { isApplied, ...breaker } = pause
  // Resumed, and no engine has ticked since.
  if (isApplied && !(await queue.control.read()).paused) return undefined
  return breaker
}

/** Engines write the document too, at most once a tick. */
const MAX_TRIES = 10

/**
 * Closes the breaker, and begins a new run: nothing is counted yet, and the failure groups that occurred are
 * known. To be called right before `control.resume()`, which alone has the same effect with the next tick of
 * an engine that has seen the pause.
 *
 * @throws SluiceError of the queue
 */
export async function resetBreaker(queue: Pick<Queue, 'document'>): Promise<void> {
  const document = queue.document(GUARDS_DOCUMENT)
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const found = await document.read()
    if (found === undefined) return
    const groups = allKnown(parseGuards(found.value).groups)
    const next = guardsToJson({ ...NO_GUARDS, groups, run: { ...NO_RUN, isResumed: true } })
    if (await document.write(next, { ifVersion: found.version })) return
  }
  throw new SluiceError(
    'SLUICE_QUEUE_UNAVAILABLE',
    `Cannot write the document ${GUARDS_DOCUMENT}: another process keeps writing it; try again`,
  )
}
