import type { Writable } from 'node:stream'
import type { Runtime } from '@sluice/core'
import { createLogUpdate } from 'log-update'

export interface LiveViewOptions {
  readonly stream: Writable & { readonly isTTY?: boolean }
  readonly runtime: Pick<Runtime, 'monotonicMs'>
}

const LINE_GAP_MS = 2_000

/** Shows changing state: redrawn in place on a terminal, elsewhere as an occasional log line. */
export class LiveView {
  readonly #options: LiveViewOptions
  readonly #redraw: ReturnType<typeof createLogUpdate> | undefined
  #shownAtMonotonic: number

  constructor(options: LiveViewOptions) {
    this.#options = options
    this.#shownAtMonotonic = options.runtime.monotonicMs()
    // With the cursor hidden, a `kill -9` would leave the terminal without one.
    if (options.stream.isTTY === true) this.#redraw = createLogUpdate(options.stream, { showCursor: true })
  }

  /** @param shown the picture for a terminal, and its one-line form for a log */
  update(shown: { readonly picture: () => string; readonly line: () => string }): void {
    if (this.#redraw !== undefined) return this.#redraw(shown.picture())
    const nowMonotonic = this.#options.runtime.monotonicMs()
    if (nowMonotonic - this.#shownAtMonotonic < LINE_GAP_MS) return
    this.#shownAtMonotonic = nowMonotonic
    this.#options.stream.write(`${shown.line()}\n`)
  }

  /** Clears the picture, so that output can take its place; lines stay. */
  stop(): void {
    this.#redraw?.clear()
    this.#redraw?.done()
  }
}
