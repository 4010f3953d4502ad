import type { Writable } from 'node:stream'
import { SingleBar } from 'cli-progress'
import { RateMeter } from './rate-meter.js'
import { barText, countText, etaText, percentText, rateText } from './amounts.js'

export interface ProgressOptions {
  /** What is being done, such as `Loading`. */
  readonly label: string
  /** What the end is, in the same measure as `done`, such as the bytes of a file; absent when nobody knows. */
  readonly total?: number
  /** The word for what is counted, such as `items`. */
  readonly unit: string
  readonly stream: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  /** Shown every second, also while nothing comes; without a terminal after a minute every 10 s. Default: only when something comes, and seldom. */
  readonly steady?: boolean
  /** Ms of a clock that never goes back; for tests. */
  readonly now?: () => number
}

/** Shows how far something is. */
export interface Progress {
  /**
   * @param done how far, in the measure of `total`
   * @param count how many of the unit that makes
   */
  update(done: number, count: number): void
  /** Ends the showing; the last line stays. */
  stop(): void
}

/** A bar on a terminal; elsewhere a line now and then, that a log can hold. */
export function createProgress(options: ProgressOptions): Progress {
  return options.stream.isTTY === true ? new BarProgress(options) : new LineProgress(options)
}

/** Short, so that a change of pace shows soon. */
const RATE_WINDOW_MS = 10_000

/** What there is to say at one moment. */
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

  now(): number {
    return this.#options.now?.() ?? performance.now()
  }

  /** Nothing new, which is a rate too. */
  repeat(): void {
    this.set(this.done, this.count)
  }

  set(done: number, count: number): void {
    this.done = done
    this.count = count
    this.#doneRate.add(this.now(), done)
    this.#countRate.add(this.now(), count)
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
  readonly #beats: NodeJS.Timeout | undefined

  constructor(options: ProgressOptions) {
    this.#gauge = new Gauge(options)
    this.#bar = new SingleBar({
      stream: options.stream,
      // Cut rather than wrapped: what is on two lines can't be drawn over.
      format: () => this.#gauge.line(24).slice(0, Math.max(20, (options.stream.columns ?? 80) - 1)),
      // Cursor and wrapping stay as they are, so there is nothing to put right when the process is killed.
      hideCursor: false,
      linewrap: true,
      gracefulExit: false,
    })
    this.#bar.start(options.total ?? 0, 0)
    // The bar draws itself; it is the rate that goes down.
    if (options.steady === true) this.#beats = setInterval(() => this.#gauge.repeat(), BEAT_MS).unref()
  }

  update(done: number, count: number): void {
    this.#gauge.set(done, count)
    this.#bar.update(done)
  }

  stop(): void {
    clearInterval(this.#beats)
    this.#bar.stop()
  }
}

const MIN_GAP_MS = 2_000
const MAX_GAP_MS = 10_000
/** So long a line a second is for somebody who watches; later ones are for a log. */
const WATCHED_MS = 60_000

class LineProgress implements Progress {
  readonly #options: ProgressOptions
  readonly #gauge: Gauge
  readonly #startedAtMs: number
  readonly #beats: NodeJS.Timeout | undefined
  #shownAtMs: number
  #shownDone = 0

  constructor(options: ProgressOptions) {
    this.#options = options
    this.#gauge = new Gauge(options)
    this.#startedAtMs = this.#gauge.now()
    this.#shownAtMs = this.#startedAtMs
    if (options.steady === true) this.#beats = setInterval(() => this.#beat(), BEAT_MS).unref()
  }

  update(done: number, count: number): void {
    this.#gauge.set(done, count)
    if (this.#options.steady !== true && this.#due()) this.#show()
  }

  #beat(): void {
    this.#gauge.repeat()
    const nowMs = this.#gauge.now()
    if (nowMs - this.#startedAtMs <= WATCHED_MS || nowMs - this.#shownAtMs >= MAX_GAP_MS) this.#show()
  }

  #show(): void {
    this.#shownAtMs = this.#gauge.now()
    this.#shownDone = this.#gauge.done
    this.#options.stream.write(`${this.#gauge.line(0)}\n`)
  }

  /** Not more often than every 2 s, and then for every tenth of the way or after 10 s. */
  #due(): boolean {
    const gap = this.#gauge.now() - this.#shownAtMs
    if (gap < MIN_GAP_MS) return false
    const { total } = this.#options
    return gap >= MAX_GAP_MS || (total !== undefined && this.#gauge.done - this.#shownDone >= total / 10)
  }

  stop(): void {
    clearInterval(this.#beats)
    // The summary that follows says the rest.
  }
}
