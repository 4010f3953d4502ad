import type { Queue } from '@sluice/core'
import { GUARDS_DOCUMENT } from '../records/document-names.js'
import { parseGuards } from './guard-document.js'

/** A pause that no operator asked for. It lasts until an operator resumes the queue. */
export interface SelfPause {
  /** What paused the queue: `rejections`, the same refusal again and again. Later versions may have more. */
  readonly guard: string
  /** Why, for people, in one line. */
  readonly reason: string
  /** Epoch ms of the storage's clock. */
  readonly sinceAt: number
  /** Id of an item that it happened to. */
  readonly example?: string
}

/**
 * Whether the queue is paused by Sluice itself, and why. A pause by an operator is none, be the queue paused by both: a resume ends both.
 *
 * @throws SluiceError of the queue
 */
export async function readSelfPause(
  queue: Pick<Queue, 'document' | 'control'>,
): Promise<SelfPause | undefined> {
  const { pause } = parseGuards((await queue.document(GUARDS_DOCUMENT).read())?.value)
  if (pause === undefined) return undefined
  const { isApplied, ...told } = pause
  // Resumed by a program, and no engine has looked since.
  if (isApplied && !(await queue.control.read()).paused) return undefined
  return told
}

/**
 * Forgets that Sluice paused the queue, and what it counted: the count starts anew. To be called right before `control.resume()`, which alone would do
 * too, once an engine sees it.
 *
 * @throws SluiceError of the queue
 */
export async function clearSelfPause(queue: Pick<Queue, 'document'>): Promise<void> {
  const document = queue.document(GUARDS_DOCUMENT)
  const { pause } = parseGuards((await document.read())?.value)
  if (pause !== undefined) await document.remove()
}
