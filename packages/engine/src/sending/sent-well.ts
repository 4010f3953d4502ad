import type { JsonValue, ProbeSample, Queue } from '@sluice/core'
import { isOutage } from '../engine-errors.js'
import { DISPATCHER_DOCUMENT } from '../records/document-names.js'

/** The item of a sample, as the dispatcher's document keeps it. */
export interface SentWellRef {
  readonly id: string
  readonly uid: string
}

type Known = SentWellRef & ProbeSample

/**
 * The item that the worker took last: what a probe is made of. After a restart it is the one that the dispatcher's document names, or any that has
 * succeeded.
 */
export class SentWell {
  readonly #queue: Queue
  #known: Known | undefined

  constructor(queue: Queue) {
    this.#queue = queue
  }

  /** For the dispatcher's document. */
  get ref(): SentWellRef | undefined {
    return this.#known && { id: this.#known.id, uid: this.#known.uid }
  }

  note(sent: Known): void {
    this.#known = sent
  }

  /** `undefined`: none is known. */
  async sample(): Promise<ProbeSample | undefined> {
    this.#known ??= await this.#stored()
    return this.#known && { id: this.#known.id, body: this.#known.body }
  }

  /** What can't be read now is as good as unknown: a probe is not worth an outage. */
  async #stored(): Promise<Known | undefined> {
    try {
      const ref = refOf((await this.#queue.document(DISPATCHER_DOCUMENT).read())?.value)
      const item = ref && (await this.#queue.lookup(ref.id))
      if (ref !== undefined && item?.uid === ref.uid) return { ...ref, body: item.body }
      // Any that has succeeded was sent well before.
      const [done] = (await this.#queue.list('SUCCESS', { limit: 1 })).items
      return done && { id: done.id, uid: done.uid, body: done.body }
    } catch (error) {
      if (isOutage(error)) return undefined
      throw error
    }
  }
}

/** A damaged document, or one of another version, counts as none. */
function refOf(state: JsonValue | undefined): SentWellRef | undefined {
  if (typeof state !== 'object' || state === null || !('sentWell' in state)) return undefined
  const { sentWell } = state
  if (typeof sentWell !== 'object' || sentWell === null) return undefined
  if (!('id' in sentWell) || !('uid' in sentWell)) return undefined
  const { id, uid } = sentWell
  return typeof id === 'string' && typeof uid === 'string' && id !== '' ? { id, uid } : undefined
}
