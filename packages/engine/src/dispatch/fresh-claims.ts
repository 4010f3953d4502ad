import type { Runtime, ItemSummary, Queue } from '@sluice/core'
import { listProcessing } from '../reconcile/found.js'

/** A claim that is older than this may have been moved by an operator. */
const FRESH_MS = 1_000

/**
 * Whether items that were claimed a while ago are still in PROCESSING. One list of the stage serves all sends
 * of the next second: it costs the storage one or a few requests, whatever the number of items.
 */
export class FreshClaims {
  readonly #queue: Pick<Queue, 'listSummaries'>
  readonly #runtime: Runtime
  #list:
    | { readonly readAtMonotonic: number; readonly items: Promise<ReadonlyMap<string, ItemSummary>> }
    | undefined

  constructor(queue: Pick<Queue, 'listSummaries'>, runtime: Runtime) {
    this.#queue = queue
    this.#runtime = runtime
  }

  /** @param claimedAtMonotonic of the monotonic clock, from before the claim */
  async isStillOurs({ id, uid, attempt }: ItemSummary, claimedAtMonotonic: number): Promise<boolean> {
    if (this.#runtime.monotonicMs() - claimedAtMonotonic <= FRESH_MS) return true
    const item = (await this.#current()).get(id)
    return item?.uid === uid && item.attempt === attempt
  }

  #current(): Promise<ReadonlyMap<string, ItemSummary>> {
    const nowMonotonic = this.#runtime.monotonicMs()
    if (this.#list === undefined || nowMonotonic - this.#list.readAtMonotonic > FRESH_MS)
      this.#list = { readAtMonotonic: nowMonotonic, items: listProcessing(this.#queue) }
    return this.#list.items
  }
}
