import type { ProbeSample } from '@sluice/core'
import { isOutage } from '../engine-errors.js'
import { sentWellOf } from '../records/dispatcher-document.js'
import { DISPATCHER_DOCUMENT } from '../records/document-names.js'
import type { AnyQueue } from '../work-queue-options.js'

/** An item that was sent. */
type Known = ProbeSample<unknown> & { readonly uid: string }

/**
 * The item that was sent last: the sample of a probe. After a restart it is the one in the dispatcher's
 * document, or any that has succeeded.
 */
export class SentWell {
  readonly #queue: AnyQueue
  #known: Known | undefined

  constructor(queue: AnyQueue) {
    this.#queue = queue
  }

  note(sent: Known): void {
    this.#known = sent
  }

  /** `undefined`: none is known. */
  async sample(): Promise<ProbeSample<unknown> | undefined> {
    this.#known ??= await this.#stored()
    return this.#known && { id: this.#known.id, body: this.#known.body }
  }

  /** In an outage of the queue there is no sample. */
  async #stored(): Promise<Known | undefined> {
    try {
      const ref = sentWellOf((await this.#queue.document(DISPATCHER_DOCUMENT).read())?.value)
      const item = ref && (await this.#queue.lookup(ref.id))
      if (ref !== undefined && item?.uid === ref.uid) return await this.#parsed(item)
      // Any item in SUCCESS was sent before.
      const [done] = (await this.#queue.list('SUCCESS', { limit: 1 })).items
      return done && (await this.#parsed(done))
    } catch (error) {
      if (isOutage(error)) return undefined
      throw error
    }
  }

  async #parsed({ id, uid, body }: Known): Promise<Known | undefined> {
    if (this.#queue.parseBody === undefined) return { id, uid, body }
    try {
      const parsed = await this.#queue.parseBody(body)
      return parsed.reason === undefined ? { id, uid, body: parsed.body } : undefined
    } catch (error) {
      // Where the schema fails, nothing is sent anyway.
      if (error instanceof TypeError) return undefined
      throw error
    }
  }
}
