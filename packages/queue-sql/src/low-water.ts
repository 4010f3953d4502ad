import type { ClaimedRow } from './moves.js'

/** Where in the backlog a claim may begin. */
interface Mark {
  readonly rank: number
  readonly availableAt: number
}

/** So often the backlog is looked at from its beginning. */
const FULL_EVERY_MS = 1_000
/** A put that began so long before an item that was claimed may still have been under way then. */
const MARGIN_MS = 50

/**
 * Remembers how far the claims of this process have come, so that the next one need not walk over the remains of what is claimed.
 *
 * Nothing is lost by it: what lies before the mark (put by a transaction that took longer than the margin, or claimed by one that was
 * undone) is found by the claim that looks at the whole backlog, within a second, or at once when a claim doesn't get all that it asked for.
 * What has a higher priority is found at every claim.
 */
export class LowWater {
  readonly #monotonicMs: () => number
  #mark: Mark | undefined
  #fullAtMs = 0
  #forgotten = 0

  constructor(monotonicMs: () => number = () => performance.now()) {
    this.#monotonicMs = monotonicMs
  }

  /** `undefined`: look at the whole backlog. */
  mark(): Mark | undefined {
    const nowMs = this.#monotonicMs()
    if (this.#mark !== undefined && nowMs - this.#fullAtMs < FULL_EVERY_MS) return this.#mark
    this.#mark = undefined
    this.#fullAtMs = nowMs
    return undefined
  }

  /** Items came back to places that may lie before the mark: the next claim looks at the whole backlog. */
  forget(): void {
    this.#mark = undefined
    this.#forgotten += 1
  }

  /** {@link note} for a claim that begins now: one that was under way when the mark was forgotten knows nothing of what came back. */
  notes(): (rows: readonly ClaimedRow[], max: number) => void {
    const forgotten = this.#forgotten
    return (rows, max) => {
      if (forgotten === this.#forgotten) this.note(rows, max)
    }
  }

  /** @param rows what a claim from the mark on gave, for the `max` that were asked for */
  note(rows: readonly ClaimedRow[], max: number): void {
    const last = rows.at(-1)
    if (last === undefined || rows.length < max) {
      this.#mark = undefined
      return
    }
    // An item was available when it was put, or later: nothing that is due and was put before is left.
    const putAt = rows.reduce((latest, { put_at }) => Math.max(latest, put_at), 0)
    this.#mark = { rank: -(last.priority ?? 0), availableAt: putAt - MARGIN_MS }
  }
}
