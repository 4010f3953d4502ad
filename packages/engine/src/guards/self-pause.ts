import type { Queue } from '@sluice/core'
import { GUARDS_DOCUMENT } from '../records/document-names.js'
import { parseGuards } from './guard-document.js'

/** A pause by Sluice itself. It lasts until an operator resumes the queue. */
export interface SelfPause {
  /**
   * What paused the queue: `rejections`, the same refusal again and again. Later versions may have others.
   */
  readonly guard: string
  /** Why, in one line. */
  readonly reason: string
  /** Epoch ms of the storage's clock. */
  readonly sinceAt: number
  /** Id of an affected item. */
  readonly example?: string
}

/**
 * Whether Sluice itself has paused the queue, and why. An operator's pause does not count; a resume ends
 * both.
 *
 * @throws SluiceError of the queue
 */
export async function readSelfPause(
  queue: Pick<Queue, 'document' | 'control'>,
): Promise<SelfPause | undefined> {
  const { pause } = parseGuards((await queue.document(GUARDS_DOCUMENT).read())?.value)
  if (pause === undefined) return undefined
  const { isApplied, ...selfPause } = pause
  // Resumed, and no engine has ticked since.
  if (isApplied && !(await queue.control.read()).paused) return undefined
  return selfPause
}

/**
 * Removes the pause by Sluice itself and its counts. To be called right before `control.resume()`, which
 * alone has the same effect with the next tick.
 *
 * @throws SluiceError of the queue
 */
export async function clearSelfPause(queue: Pick<Queue, 'document'>): Promise<void> {
  const document = queue.document(GUARDS_DOCUMENT)
  const { pause } = parseGuards((await document.read())?.value)
  if (pause !== undefined) await document.remove()
}
