import type { Layout } from '../format/layout.js'
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
  readonly #layout: Layout
  /** Names below ITEMS. */
  #open = new Set<string>()
  #progress: Progress = { after: '', roundAt: Number.NEGATIVE_INFINITY, checkedAt: Number.NEGATIVE_INFINITY }
  /** Where this sweep has come to: it counts once the sweep has ended. */
  #reached = this.#progress

  constructor(layout: Layout) {
    this.#layout = layout
  }

  /** Whether all that was listed has been crossed off. */
  get isDone(): boolean {
    return this.#open.size === 0
  }

  /** Before the stages are walked: a later put does not concern this sweep. */
  async list(context: QueueContext): Promise<void> {
    const { clock } = context.store
    const prefix = this.#layout.folder('ITEMS')
    this.#open = new Set()
    let { after, roundAt, checkedAt } = this.#progress
    for (let pages = 0; pages < MAX_PAGES; pages++) {
      const page = await context.list({ prefix, after: prefix + after })
      // After the first answer: the clock is set by then.
      if (after === '') roundAt = Math.max(roundAt, clock.now())
      this.#add(page.objects, checkedAt)
      after = page.more ? (page.objects.at(-1)?.key ?? prefix).slice(prefix.length) : ''
      if (page.more) continue
      checkedAt = roundAt - MARGIN_MS
      break
    }
    this.#reached = { after, roundAt, checkedAt }
  }

  #add(objects: readonly Listed[], checkedAt: number): void {
    for (const { key, sizeBytes, modifiedAt } of objects) {
      const name = this.#nameOf(key)
      if (sizeBytes > 0 && modifiedAt >= checkedAt && INDEX_NAME.test(name)) this.#open.add(name)
    }
  }

  /** Attempts that were found in any stage: the puts of their items are complete. */
  seen(attempts: readonly ListedAttempt[]): void {
    if (this.isDone) return
    for (const { attemptKey } of attempts) this.#open.delete(this.#nameOf(this.#layout.index(attemptKey)))
  }

  /** Finishes or takes back the rest; returns how many. */
  async finish(context: QueueContext): Promise<number> {
    const indexes = [...this.#open].map((name) => this.#layout.folder('ITEMS') + name)
    const results = await context.runAll(indexes.map((index) => finishPut(this.#layout, index)))
    let done = 0
    for (const [at, result] of results.entries()) {
      if ('error' in result) throw result.error
      if (result.value === 'damaged') context.foreignObjects.report(indexes[at] ?? '', 'it is damaged')
      else if (result.value !== 'was there' && result.value !== 'moved on') done += 1
    }
    this.#open = new Set()
    this.#progress = this.#reached
    return done
  }

  #nameOf(index: string): string {
    return index.slice(this.#layout.folder('ITEMS').length)
  }
}

/** How far the sweeps of a process have come. */
interface Progress {
  /** Where the next one begins. */
  readonly after: string
  /** When the current round over all names began, by the store's clock. */
  readonly roundAt: number
  /** What is older was checked by a round before. */
  readonly checkedAt: number
}
