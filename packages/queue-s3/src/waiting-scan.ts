import type { Ground } from './ground.js'
import type { Listed } from './listed-page.js'
import { FOREIGN_NAME } from './stray-log.js'
import { afterPriority, orderOf, type Stint } from './stint-name.js'

/** How far the clocks' readings of two processes may differ: an item available at once may seem to lie so far ahead. */
const SKEW_MS = 3_000

/** How often one call begins again, should one update come after the other. */
const MAX_RESTARTS = 4

export interface Candidate {
  readonly name: string
  readonly stint: Stint
}

interface Lane {
  readonly lane: string
  after: string
  /** Pages read so far: each is twice as long as the one before, so that a long row of names of no use costs few of them. */
  pages: number
  done: boolean
  ready: Candidate[]
  /** The last name that was given out. */
  taken: string
}

/**
 * Walks the names under WAITING in the order of giving out, over all lanes. Items whose instant lies ahead sort behind the others of their
 * priority: at the first of them the walk jumps to the next priority, so that any number of them costs one page.
 */
export class WaitingScan {
  readonly #ground: Ground
  #lanes: readonly Lane[]
  #isMoved = false
  #restarts = 0

  constructor(ground: Ground) {
    this.#ground = ground
    this.#lanes = ground.lanes.map(laneAtStart)
  }

  /** An update has moved an item that was listed, perhaps to before what was listed. */
  noteMove(): void {
    this.#isMoved = true
  }

  /** Begins again at the first name if an item was moved since it began: to find none at the end would not say that there is none. */
  restart(): boolean {
    if (!this.#isMoved || this.#restarts === MAX_RESTARTS) return false
    this.#isMoved = false
    this.#restarts += 1
    this.#lanes = this.#ground.lanes.map(laneAtStart)
    return true
  }

  /** The next names, at most `count`; fewer only at the end. */
  async take(count: number): Promise<Candidate[]> {
    const taken: Candidate[] = []
    while (taken.length < count) {
      const max = Math.min(1_000, Math.max(20, Math.ceil((count - taken.length) * 1.1)))
      await Promise.all(this.#lanes.map((lane) => this.#fill(lane, max)))
      const next = this.#first()
      if (next === undefined) break
      taken.push(next)
    }
    return taken
  }

  /** Forgets what was listed and not given out yet: after a pause others have claimed most of it. The walk goes on where it was. */
  refresh(): void {
    for (const lane of this.#lanes) {
      if (lane.ready.length === 0) continue
      lane.ready = []
      lane.after = lane.taken
      lane.done = false
      lane.pages = Math.max(0, lane.pages - 1)
    }
  }

  #first(): Candidate | undefined {
    let best: Lane | undefined
    for (const lane of this.#lanes) {
      const [head, bestHead] = [lane.ready[0], best?.ready[0]]
      if (head && (bestHead === undefined || orderOf(head.name) < orderOf(bestHead.name))) best = lane
    }
    const first = best?.ready.shift()
    if (best !== undefined && first !== undefined) best.taken = first.name
    return first
  }

  async #fill(lane: Lane, max: number): Promise<void> {
    while (lane.ready.length === 0 && !lane.done) {
      const { store, layout } = this.#ground
      const prefix = `${layout.folder('WAITING')}${lane.lane}/`
      const after = lane.after === '' ? {} : { after: layout.folder('WAITING') + lane.after }
      const size = Math.min(1_000, max * 2 ** lane.pages++)
      const page = await store.list({ prefix, max: size, ...after })
      lane.done = !page.more
      this.#read(lane, page.objects)
    }
  }

  #read(lane: Lane, objects: readonly Listed[]): void {
    const now = this.#ground.store.clock.now()
    for (const { key } of objects) {
      const name = key.slice(this.#ground.layout.folder('WAITING').length)
      if (name <= lane.after) continue
      lane.after = name
      const found = this.#ground.layout.nameIn('WAITING', key)
      if (found === undefined) {
        if (this.#ground.layout.isStray('WAITING', key)) this.#ground.strays.report(key, FOREIGN_NAME)
        continue
      }
      const { delayed, availableAt } = found.stint
      if (!delayed || availableAt <= now) lane.ready.push(found)
      else if (availableAt > now + SKEW_MS) lane.after = afterPriority(found.stint)
    }
  }
}

function laneAtStart(lane: string): Lane {
  return { lane, after: '', pages: 0, done: false, ready: [], taken: '' }
}
