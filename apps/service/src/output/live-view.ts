import type { Writable } from 'node:stream'
import { createLogUpdate } from 'log-update'

export interface LiveViewOptions {
  readonly stream: Writable & { readonly isTTY?: boolean }
  /** Ms of a clock that never goes back; for tests. */
  readonly now?: () => number
}

const LINE_GAP_MS = 2_000

/** Shows something that changes: redrawn in place on a terminal, elsewhere a line now and then, that a log can hold. */
export class LiveView {
  readonly #options: LiveViewOptions
  readonly #redraw: ReturnType<typeof createLogUpdate> | undefined
  #shownAtMs: number

  constructor(options: LiveViewOptions) {
    this.#options = options
    this.#shownAtMs = this.#now()
    // With the cursor hidden, a `kill -9` would leave the terminal without one.
    if (options.stream.isTTY === true) this.#redraw = createLogUpdate(options.stream, { showCursor: true })
  }

  /** @param shown the picture for a terminal, and the same for a log on one line */
  update(shown: { readonly picture: () => string; readonly line: () => string }): void {
    if (this.#redraw !== undefined) this.#redraw(shown.picture())
    else if (this.#now() - this.#shownAtMs >= LINE_GAP_MS) {
      this.#shownAtMs = this.#now()
      this.#options.stream.write(`${shown.line()}\n`)
    }
  }

  /** Wipes the picture, for what is printed in its place; lines stay. */
  stop(): void {
    this.#redraw?.clear()
    this.#redraw?.done()
  }

  #now(): number {
    return this.#options.now?.() ?? performance.now()
  }
}
