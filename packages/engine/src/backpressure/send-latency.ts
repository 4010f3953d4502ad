/** So many sends show how long they take; fewer do after {@link MAX_WINDOW_MS}. */
const ENOUGH_SENDS = 5
const MAX_WINDOW_MS = 5_000
/**
 * Over this time what is usual grows to a duration that lasts: the worker may have become slower for good.
 */
const USUAL_MS = 600_000

/** How long sends take. */
export interface Latency {
  /** The median of the latest ones, in ms. */
  readonly nowMs: number
  /** What is usual, in ms: about the lowest median of late. */
  readonly usualMs: number
}

/** Measures how long sends take, and what is usual. */
export class SendLatency {
  #samples: number[] = []
  #beganAtMonotonic = 0
  #usualMs: number | undefined
  #readAtMonotonic = 0

  note(sendMs: number, nowMonotonic: number): void {
    if (this.#samples.length === 0) this.#beganAtMonotonic = nowMonotonic
    this.#samples.push(sendMs)
  }

  /** Once enough sends have ended since the last reading. */
  read(nowMonotonic: number): Latency | undefined {
    const samples = this.#samples
    const isEnough =
      samples.length >= ENOUGH_SENDS ||
      (samples.length > 0 && nowMonotonic - this.#beganAtMonotonic >= MAX_WINDOW_MS)
    if (!isEnough) return undefined
    this.#samples = []
    const nowMs = samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 2)] ?? 0
    const usualMs = Math.min(this.#usualMs ?? nowMs, nowMs)
    const passed = 1 - Math.exp(-(nowMonotonic - this.#readAtMonotonic) / USUAL_MS)
    this.#usualMs = usualMs + (nowMs - usualMs) * passed
    this.#readAtMonotonic = nowMonotonic
    return { nowMs, usualMs }
  }

  /** Sends that began before do not show what follows from a lower limit. */
  drop(): void {
    this.#samples = []
  }
}
