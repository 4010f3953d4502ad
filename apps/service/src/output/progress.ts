import type { Writable } from 'node:stream'
import type { Runtime } from '@sluice/core'
import { SingleBar } from 'cli-progress'
import { every } from '../cli/timing.js'
import { barText, countText, etaText, percentText, rateText } from './amounts.js'
import { RateMeter } from './rate-meter.js'

export interface ProgressOptions {
  /** The activity, such as `Loading`. */
  readonly label: string
  /** The end, in the unit of `done`, such as the bytes of a file; absent where unknown. */
  readonly total?: number
  /** The word for what is counted, such as `items`. */
  readonly unit: string
  readonly stream: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  /**
   * Shown every second even without updates; without a terminal, after the first minute every 10 s. Default:
   * only on updates, and rarely.
   */
  readonly steady?: boolean
  readonly runtime: Pick<Runtime, 'monotonicMs' | 'sleep'>
}

/** A progress display. */
export interface Progress {
  /**
   * @param done progress in the unit of `total`
   * @param count the number of units that this makes
   */
  update(done: number, count: number): void
  /** Ends the display; the last line stays. */
  stop(): void
}

/** A bar on a terminal; elsewhere an occasional log line. */
export function createProgress(options: ProgressOptions): Progress {
  return options.stream.isTTY === true ? new BarProgress(options) : new LineProgress(options)
}

/** Short, so that a change of rate shows soon. */
const RATE_WINDOW_MS = 10_000

/** The current reading. */
class Gauge {
  done = 0
  count = 0
  readonly #options: ProgressOptions
  readonly #doneRate = new RateMeter(RATE_WINDOW_MS)
  readonly #countRate = new RateMeter(RATE_WINDOW_MS)

  constructor(options: ProgressOptions) {
    this.#options = options
    this.set(0, 0)
  }

  /** Takes an unchanged reading, so that the rate falls while nothing arrives. */
  repeat(): void {
    this.set(this.done, this.count)
  }

  set(done: number, count: number): void {
    const nowMonotonic = this.#options.runtime.monotonicMs()
    this.done = done
    this.count = count
    this.#doneRate.add(nowMonotonic, done)
    this.#countRate.add(nowMonotonic, count)
  }

  line(barWidth: number): string {
    const { label, total, unit } = this.#options
    const counted = `${countText(this.count)} ${unit}`
    const rate = rateText(this.#countRate.perMinute())
    if (total === undefined) return `${label}: ${counted}, ${rate}`
    const bar = barWidth === 0 ? '' : `${barText(total === 0 ? 1 : this.done / total, barWidth)} `
    const eta = etaText(this.#doneRate.etaMs(total - this.done))
    return `${label}: ${bar}${percentText(this.done, total)}, ${counted}, ${rate}, ${eta}`
  }
}

const BEAT_MS = 1_000

class BarProgress implements Progress {
  readonly #gauge: Gauge
  readonly #bar: SingleBar
  readonly #beats: { cancel(): void } | undefined

  constructor(options: ProgressOptions) {
    this.#gauge = new Gauge(options)
    this.#bar = new SingleBar({
      stream: options.stream,
      // Cut rather than wrapped: a bar on two lines can't be redrawn.
      format: () => this.#gauge.line(24).slice(0, Math.max(20, (options.stream.columns ?? 80) - 1)),
      // Cursor and wrapping stay untouched, so a killed process leaves nothing to restore.
      hideCursor: false,
      linewrap: true,
      gracefulExit: false,
    })
    this.#bar.start(options.total ?? 0, 0)
    // The bar redraws itself; the beat updates the rate.
    if (options.steady === true) this.#beats = every(options.runtime, BEAT_MS, () => this.#gauge.repeat())
  }

  update(done: number, count: number): void {
    this.#gauge.set(done, count)
    this.#bar.update(done)
  }

  stop(): void {
    this.#beats?.cancel()
    this.#bar.stop()
  }
}

const MIN_GAP_MS = 2_000
const MAX_GAP_MS = 10_000
/** For the first minute an operator is probably watching; later lines are for a log. */
const WATCHED_MS = 60_000

class LineProgress implements Progress {
  readonly #options: ProgressOptions
  readonly #gauge: Gauge
  readonly #startedAtMonotonic: number
  readonly #beats: { cancel(): void } | undefined
  #shownAtMonotonic: number
  #shownDone = 0

  constructor(options: ProgressOptions) {
    this.#options = options
    this.#gauge = new Gauge(options)
    this.#startedAtMonotonic = options.runtime.monotonicMs()
    this.#shownAtMonotonic = this.#startedAtMonotonic
    if (options.steady === true) this.#beats = every(options.runtime, BEAT_MS, () => this.#beat())
  }

  update(done: number, count: number): void {
    this.#gauge.set(done, count)
    if (this.#options.steady !== true && this.#isDue()) this.#show()
  }

  #beat(): void {
    this.#gauge.repeat()
    const nowMonotonic = this.#options.runtime.monotonicMs()
    const isWatched = nowMonotonic - this.#startedAtMonotonic <= WATCHED_MS
    if (isWatched || nowMonotonic - this.#shownAtMonotonic >= MAX_GAP_MS) this.#show()
  }

  #show(): void {
    this.#shownAtMonotonic = this.#options.runtime.monotonicMs()
    this.#shownDone = this.#gauge.done
    this.#options.stream.write(`${this.#gauge.line(0)}\n`)
  }

  /** At most every 2 s, and then after each tenth of the total or after 10 s. */
  #isDue(): boolean {
    const gapMs = this.#options.runtime.monotonicMs() - this.#shownAtMonotonic
    if (gapMs < MIN_GAP_MS) return false
    const { total } = this.#options
    return gapMs >= MAX_GAP_MS || (total !== undefined && this.#gauge.done - this.#shownDone >= total / 10)
  }

  stop(): void {
    this.#beats?.cancel()
    // The summary that follows has the final counts.
  }
}
