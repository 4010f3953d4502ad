import type { Logger, Queue, Runtime, Stage } from '@sluice/core'
import type { OpenBreaker, TickResult } from '@sluice/engine'
import { atMost } from '../cli/timing.js'
import { spanText } from '../output/amounts.js'
import { RateMeter } from '../output/rate-meter.js'
import { isBlocked } from '../status/queue-holdups.js'

/** Between two progress lines while jobs run. */
const SUMMARY_GAP_MS = 30_000
/**
 * Counting takes at most a hundredth of the time: in a bucket it lists every item, and each LIST is billed.
 */
const GAP_FOR_MS = 100
/** The longest wait for the counts before the next reading. */
const READ_LIMIT_MS = 120_000
/** To the first progress line: an operator who just started the service is still watching. */
const FIRST_SUMMARY_MS = 5_000

/** What a {@link QueueWatcher} reads, and what it calls. */
export interface QueueWatcherOptions {
  readonly queue: Pick<Queue, 'sizes' | 'listSummaries'>
  readonly logger: Logger
  /** Called whenever nothing is in `endsWith`. Without it the watcher does not check for that. */
  readonly onEmpty?: () => void
  /** Called when no job runs in a queue that Sluice itself has paused. */
  readonly onPaused?: (pause: OpenBreaker) => void
  /** Whether Sluice itself has paused the queue: for a standby; the dispatcher knows it from the tick. */
  readonly readOpenBreaker?: () => Promise<OpenBreaker | undefined>
  /** Default WAITING and PROCESSING. */
  readonly endsWith?: readonly Stage[]
  readonly runtime: Pick<Runtime, 'monotonicMs' | 'sleep'>
}

/** Reads the queue's sizes after ticks: for the progress line, and to detect the end. */
export class QueueWatcher {
  readonly #options: QueueWatcherOptions
  readonly #meter = new RateMeter()
  #summaryAtMonotonic: number
  #isMeasured = false
  /** Counted from ticks, not from sizes: items put as done are not the work of a service. */
  #finished = 0
  #isBusy = false
  #isReading = false

  constructor(options: QueueWatcherOptions) {
    this.#options = options
    this.#summaryAtMonotonic = options.runtime.monotonicMs() + FIRST_SUMMARY_MS
  }

  /** Runs beside the loop, which does not await it; it never rejects. The engine reports outages. */
  async afterTick(result: TickResult): Promise<void> {
    const { runtime } = this.#options
    // Also while the worker is down: an idle queue does not need it.
    const isQuiet = result.processing === 0
    const isDue = runtime.monotonicMs() >= this.#summaryAtMonotonic && result.role === 'dispatcher'
    this.#finished += result.settled.success + result.settled.fail
    if (this.#isReading) return
    this.#isReading = true
    // Storage that never answers must not end the readings for good.
    await atMost(this.#read(result, { isDue, isQuiet }), READ_LIMIT_MS, runtime)
    this.#isReading = false
  }

  async #read(result: TickResult, { isDue, isQuiet }: { isDue: boolean; isQuiet: boolean }): Promise<void> {
    // The rate of the first line needs a count at the start. The tick reports storage that does not answer;
    // the next one counts again.
    if (isDue || !this.#isMeasured) await this.#count({ isDue, result }).catch(() => undefined)
    // Without an answer the queue isn't known to be empty, and the service goes on.
    if (isQuiet) await this.#checkEnd(result).catch(() => undefined)
  }

  async #count({ isDue, result }: { isDue: boolean; result: TickResult }): Promise<void> {
    const { queue, runtime, logger, onEmpty } = this.#options
    const startedAtMonotonic = runtime.monotonicMs()
    const finished = this.#finished
    const sizes = await queue.sizes()
    const nowMonotonic = runtime.monotonicMs()
    this.#meter.add(nowMonotonic, finished)
    this.#isMeasured = true
    if (!isDue) return
    const gapMs = Math.max(SUMMARY_GAP_MS, GAP_FOR_MS * (nowMonotonic - startedAtMonotonic))
    this.#summaryAtMonotonic = nowMonotonic + gapMs
    const unfinished = sizes.WAITING + sizes.PROCESSING
    // A service that ends with the last item logs its end instead.
    if (unfinished === 0 && this.#isBusy && onEmpty === undefined)
      logger.info({ ...sizes }, 'all items are finished; waiting for more')
    this.#isBusy = unfinished > 0
    if (unfinished > 0)
      logger.info({ ...sizes, ...jobsFields(result), ...this.#pace(unfinished, result) }, 'progress')
  }

  /** Runs at every quiet tick, so it must be cheap: it counts only when the stages seem empty. */
  async #checkEnd(result: TickResult): Promise<void> {
    const { queue, onEmpty, onPaused, endsWith = ['WAITING', 'PROCESSING'] } = this.#options
    if (onEmpty === undefined && onPaused === undefined) return
    const pause = await this.#openBreaker(result)
    if (pause !== undefined) {
      if (!(await this.#hasSome('PROCESSING'))) onPaused?.(pause)
      return
    }
    if (onEmpty === undefined) return
    for (const stage of endsWith) if (await this.#hasSome(stage)) return
    // An item may have moved from the second stage to the first in between.
    const sizes = await queue.sizes()
    if (endsWith.every((stage) => sizes[stage] === 0)) onEmpty()
  }

  async #openBreaker({ role, openBreaker }: TickResult): Promise<OpenBreaker | undefined> {
    return role === 'dispatcher' ? openBreaker : this.#options.readOpenBreaker?.()
  }

  async #hasSome(stage: Stage): Promise<boolean> {
    const { items, cursor } = await this.#options.queue.listSummaries(stage, { limit: 1 })
    return items.length > 0 || cursor !== undefined
  }

  #pace(unfinished: number, { holdups }: TickResult): object {
    const etaMs = isBlocked(holdups) ? undefined : this.#meter.etaMs(unfinished)
    const perMinute = this.#meter.perMinute()
    return {
      ...(perMinute === undefined ? {} : { perMinute: Math.round(perMinute) }),
      ...(etaMs === undefined ? {} : { eta: spanText(etaMs) }),
    }
  }
}

/**
 * What an operator needs to know of the jobs: how many are pending, and whether the worker's poll was
 * incomplete.
 */
function jobsFields({ pending, poll, holdups }: TickResult): object {
  return {
    ...(pending === 0 ? {} : { pending }),
    ...(holdups.length === 0 ? {} : { heldUp: holdups.map(({ code }) => code) }),
    ...(poll?.complete === false ? { pollIncomplete: poll.reason ?? true } : {}),
    ...(poll?.mayStart === false ? { startsAfter: 'the first complete poll' } : {}),
  }
}
