import type { Clock, ItemSummary, Queue } from '@sluice/core'
import { listProcessing } from '../list-processing.js'

/** A claim that is older than this may have been moved by an operator meanwhile. */
const FRESH_MS = 1_000

/**
 * Whether items that were claimed a while ago are still in PROCESSING. One list of the stage serves all sends of the next second: it costs the
 * storage a request or a few, whatever the number of items.
 */
export class FreshClaims {
  readonly #queue: Pick<Queue, 'listSummaries'>
  readonly #clock: Clock
  #list: { readonly readAtMs: number; readonly items: Promise<ReadonlyMap<string, ItemSummary>> } | undefined

  constructor(queue: Pick<Queue, 'listSummaries'>, clock: Clock) {
    this.#queue = queue
    this.#clock = clock
  }

  /** @param claimedAtMs of the monotonic clock, from before the claim */
  async isStillOurs({ id, uid, attempt }: ItemSummary, claimedAtMs: number): Promise<boolean> {
    if (this.#clock.monotonicMs() - claimedAtMs <= FRESH_MS) return true
    const item = (await this.#current()).get(id)
    return item?.uid === uid && item.attempt === attempt
  }

  #current(): Promise<ReadonlyMap<string, ItemSummary>> {
    const nowMs = this.#clock.monotonicMs()
    if (this.#list === undefined || nowMs - this.#list.readAtMs > FRESH_MS)
      this.#list = { readAtMs: nowMs, items: listProcessing(this.#queue) }
    return this.#list.items
  }
}
