import type { QueueContext } from '../queue-context.js'
import type { Listed } from '../store/listed-page.js'
import { FOREIGN_NAME } from './foreign-object-log.js'
import { afterPriority, orderOf, type AttemptKey } from '../format/attempt-key.js'

/**
 * The maximum difference of two processes' clock readings: an item available at once may seem to lie as far
 * ahead.
 */
const SKEW_MS = 3_000

/** How often one call starts over, should updates keep coming. */
const MAX_RESTARTS = 4

export interface Candidate {
  readonly name: string
  readonly attemptKey: AttemptKey
}

interface Shard {
  readonly shard: string
  after: string
  /**
   * Pages read so far: each is twice as long as the previous one, so that a long run of useless names costs
   * few of them.
   */
  pages: number
  done: boolean
  ready: Candidate[]
  /** The last name that was returned. */
  taken: string
}

/**
 * Walks the names under WAITING in the order of claims, over all shards. Items that are not available yet
 * sort behind the others of their priority: at the first of them the walk skips to the next priority, so that
 * any number of them costs one page.
 */
export class WaitingScan {
  readonly #context: QueueContext
  #shards: readonly Shard[]
  #isMoved = false
  #restarts = 0

  /** @param after a name: the walk begins behind its place, in every shard */
  constructor(context: QueueContext, after?: string) {
    this.#context = context
    this.#shards = context.shards.map((shard) => ({
      ...shardAtStart(shard),
      ...(after === undefined ? {} : { after: `${shard}/${orderOf(after)}` }),
    }))
  }

  /** Whether all names were returned. */
  get isAtEnd(): boolean {
    return this.#shards.every(({ done, ready }) => done && ready.length === 0)
  }

  /** An update has moved a listed item, possibly to before what was listed. */
  noteMove(): void {
    this.#isMoved = true
  }

  /**
   * Starts over at the first name if an item was moved since the start: an empty end would not prove that
   * nothing waits.
   */
  restart(): boolean {
    if (!this.#isMoved || this.#restarts === MAX_RESTARTS) return false
    this.#isMoved = false
    this.#restarts += 1
    this.#shards = this.#context.shards.map(shardAtStart)
    return true
  }

  /** The next names, at most `count`; fewer only at the end. */
  async take(count: number): Promise<Candidate[]> {
    const taken: Candidate[] = []
    while (taken.length < count) {
      const max = Math.min(1_000, Math.max(20, Math.ceil((count - taken.length) * 1.1)))
      await Promise.all(this.#shards.map((shard) => this.#fill(shard, max)))
      const next = this.#first()
      if (next === undefined) break
      taken.push(next)
    }
    return taken
  }

  /**
   * Drops what was listed and not returned yet: after a pause others have claimed most of it. The walk
   * continues where it was.
   */
  refresh(): void {
    for (const shard of this.#shards) {
      if (shard.ready.length === 0) continue
      shard.ready = []
      shard.after = shard.taken
      shard.done = false
      shard.pages = Math.max(0, shard.pages - 1)
    }
  }

  #first(): Candidate | undefined {
    let best: Shard | undefined
    for (const shard of this.#shards) {
      const [next, bestNext] = [shard.ready[0], best?.ready[0]]
      if (next && (bestNext === undefined || orderOf(next.name) < orderOf(bestNext.name))) best = shard
    }
    const first = best?.ready.shift()
    if (best !== undefined && first !== undefined) best.taken = first.name
    return first
  }

  async #fill(shard: Shard, max: number): Promise<void> {
    while (shard.ready.length === 0 && !shard.done) {
      const { layout } = this.#context
      const prefix = `${layout.folder('WAITING')}${shard.shard}/`
      const after = shard.after === '' ? {} : { after: layout.folder('WAITING') + shard.after }
      const size = Math.min(1_000, max * 2 ** shard.pages++)
      const page = await this.#context.list({ prefix, max: size, ...after })
      shard.done = !page.more
      this.#read(shard, page.objects)
    }
  }

  #read(shard: Shard, objects: readonly Listed[]): void {
    const now = this.#context.store.clock.now()
    for (const { key } of objects) {
      const name = key.slice(this.#context.layout.folder('WAITING').length)
      if (name <= shard.after) continue
      shard.after = name
      const found = this.#context.layout.nameIn('WAITING', key)
      if (found === undefined) {
        if (this.#context.layout.isForeign('WAITING', key))
          this.#context.foreignObjects.report(key, FOREIGN_NAME)
        continue
      }
      const { delayed, availableAt } = found.attemptKey
      if (!delayed || availableAt <= now) shard.ready.push(found)
      else if (availableAt > now + SKEW_MS) shard.after = afterPriority(found.attemptKey)
    }
  }
}

function shardAtStart(shard: string): Shard {
  return { shard, after: '', pages: 0, done: false, ready: [], taken: '' }
}
