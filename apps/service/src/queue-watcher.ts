import type { Logger, Queue } from '@sluice/core'
import type { TickResult } from '@sluice/engine'
import { spanText } from './queue-status.js'
import { RateMeter } from './rate-meter.js'

/** Between two summary lines while jobs run. */
const SUMMARY_GAP_MS = 30_000
/** To the first of them: whoever just started the service is still looking. */
const FIRST_SUMMARY_MS = 5_000

/** What a {@link QueueWatcher} watches, and whom it tells. */
export interface QueueWatcherOptions {
  readonly queue: Pick<Queue, 'sizes'>
  readonly logger: Logger
  /** Called whenever nothing is in WAITING or PROCESSING. */
  readonly onEmpty: () => void
  /** Ms of a clock that never goes back; for tests. */
  readonly now?: () => number
}

/** Looks at the queue's sizes after ticks: for the summary line now and then, and for whether all is finished. */
export class QueueWatcher {
  readonly #options: QueueWatcherOptions
  readonly #meter = new RateMeter()
  #summaryDueMs: number
  #isMeasured = false
  #isLooking = false

  constructor(options: QueueWatcherOptions) {
    this.#options = options
    this.#summaryDueMs = this.#now() + FIRST_SUMMARY_MS
  }

  /** Never rejects, and is not to be waited for: it runs beside the loop. An outage is the engine's to tell of. */
  async afterTick(result: TickResult): Promise<void> {
    const isQuiet = result.processing === 0 && result.unavailable === undefined
    const isDue = this.#now() >= this.#summaryDueMs && result.role === 'dispatcher'
    // Without a look at the beginning the first summary would have nothing to measure the rate by.
    if ((!isQuiet && !isDue && this.#isMeasured) || this.#isLooking) return
    this.#isLooking = true
    await this.#look({ isQuiet, isDue }).catch(() => undefined)
    this.#isLooking = false
  }

  async #look({ isQuiet, isDue }: { isQuiet: boolean; isDue: boolean }): Promise<void> {
    const { queue, logger, onEmpty } = this.#options
    const sizes = await queue.sizes()
    this.#meter.add(this.#now(), sizes.SUCCESS + sizes.FAIL)
    this.#isMeasured = true
    const unfinished = sizes.WAITING + sizes.PROCESSING
    if (isQuiet && unfinished === 0) onEmpty()
    if (!isDue || unfinished === 0) return
    this.#summaryDueMs = this.#now() + SUMMARY_GAP_MS
    logger.info({ ...sizes, ...this.#pace(unfinished) }, 'progress')
  }

  #pace(unfinished: number): object {
    const etaMs = this.#meter.etaMs(unfinished)
    const perMinute = this.#meter.perMinute()
    return {
      ...(perMinute === undefined ? {} : { perMinute: Math.round(perMinute) }),
      ...(etaMs === undefined ? {} : { eta: spanText(etaMs) }),
    }
  }

  #now(): number {
    return this.#options.now?.() ?? performance.now()
  }
}
