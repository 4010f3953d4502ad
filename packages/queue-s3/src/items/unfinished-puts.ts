import type { QueueContext } from '../queue-context.js'
import { finishPut } from '../protocol/put-item.js'
import type { Listed } from '../store/listed-page.js'
import type { ListedAttempt } from '../stages/stage-walk.js'

/**
 * The maximum of index objects that one sweep reads, in pages of 1,000: the number of LISTs in a queue of any
 * length.
 */
const MAX_PAGES = 250
/** Far above the delay between an object's `Last-Modified` and its listing, or between two clock readings. */
const MARGIN_MS = 3_600_000
const INDEX_NAME = /^[a-z0-9_-]+(?:\.[1-9]\d*)?$/u

/**
 * Finds puts that were cut off between their two requests: index objects whose item is in no stage. A sweep
 * lists the index objects, crosses off those whose attempts it lists in the stages, and checks the rest
 * individually. The next one begins where this one ended, and skips what is older than the last round: a put
 * that was seen complete stays so.
 */
export class UnfinishedPuts {
  readonly #context: QueueContext
  /** Names below ITEMS. */
  #open = new Set<string>()
  /** Where the next sweep begins, in a round over all names that began at an instant of the store's clock. */
  #after = ''
  #roundAt = Number.NEGATIVE_INFINITY
  #checkedAt = Number.NEGATIVE_INFINITY

  constructor(context: QueueContext) {
    this.#context = context
  }

  /** Whether all that was listed has been crossed off. */
  get isDone(): boolean {
    return this.#open.size === 0
  }

  /** Before the stages are walked: a later put does not concern this sweep. */
  async list(): Promise<void> {
    const { store, layout } = this.#context
    const prefix = layout.folder('ITEMS')
    this.#open = new Set()
    for (let pages = 0; pages < MAX_PAGES; pages++) {
      const page = await store.list({ prefix, after: prefix + this.#after })
      // After the first answer: the clock is set by then.
      if (this.#after === '') this.#roundAt = Math.max(this.#roundAt, store.clock.now())
      this.#add(page.objects)
      this.#after = page.more ? (page.objects.at(-1)?.key ?? prefix).slice(prefix.length) : ''
      if (page.more) continue
      this.#checkedAt = this.#roundAt - MARGIN_MS
      return
    }
  }

  #add(objects: readonly Listed[]): void {
    for (const { key, sizeBytes, modifiedAt } of objects) {
      const name = this.#nameOf(key)
      if (sizeBytes > 0 && modifiedAt >= this.#checkedAt && INDEX_NAME.test(name)) this.#open.add(name)
    }
  }

  /** Attempts that were found in any stage: the puts of their items are complete. */
  seen(attempts: readonly ListedAttempt[]): void {
    if (this.isDone) return
    for (const { attemptKey } of attempts)
      this.#open.delete(this.#nameOf(this.#context.layout.index(attemptKey)))
  }

  /** Finishes or takes back the rest; returns how many. */
  async finish(): Promise<number> {
    const { layout } = this.#context
    const indexes = [...this.#open].map((name) => layout.folder('ITEMS') + name)
    this.#open = new Set()
    const results = await this.#context.runAll(indexes.map((index) => finishPut(layout, index)))
    let done = 0
    for (const [at, result] of results.entries()) {
      if ('error' in result) throw result.error
      if (result.value === 'damaged') this.#context.foreignObjects.report(indexes[at] ?? '', 'it is damaged')
      else if (result.value !== 'was there' && result.value !== 'moved on') done += 1
    }
    return done
  }

  #nameOf(index: string): string {
    return index.slice(this.#context.layout.folder('ITEMS').length)
  }
}
