import type { Logger, Queue, Stage } from '@sluice/core'
import type { SelfPause, TickResult } from '@sluice/engine'
import { atMost } from '../cli/deadline.js'
import { isBlocked } from '../status/queue-holdups.js'
import { spanText } from '../status/span-text.js'
import { RateMeter } from '../output/rate-meter.js'

/** Between two summary lines while jobs run. */
const SUMMARY_GAP_MS = 30_000
/** Of the time, counting takes a hundredth at most: a bucket of millions of items is listed whole for it, and each list is paid for. */
const GAP_FOR_MS = 100
/** As long an answer is waited for before the next look. */
const LOOK_LIMIT_MS = 120_000
/** To the first of them: whoever just started the service is still looking. */
const FIRST_SUMMARY_MS = 5_000

/** What a {@link QueueWatcher} watches, and whom it tells. */
export interface QueueWatcherOptions {
  readonly queue: Pick<Queue, 'sizes' | 'listSummaries'>
  readonly logger: Logger
  /** Called whenever nothing is in `endsWith`. Without it nobody looks for that. */
  readonly onEmpty?: () => void
  /** Called when nothing runs any more in a queue that Sluice itself has paused; only together with `onEmpty`. */
  readonly onPaused?: (pause: SelfPause) => void
  /** Whether the queue is paused by Sluice itself: for services that stand by; the one that dispatches knows. */
  readonly readSelfPause?: () => Promise<SelfPause | undefined>
  /** Default WAITING and PROCESSING. */
  readonly endsWith?: readonly Stage[]
  /** Ms of a clock that never goes back; for tests. */
  readonly now?: () => number
}

/** Looks at the queue's sizes after ticks: for the summary line now and then, and for whether all is finished. */
export class QueueWatcher {
  readonly #options: QueueWatcherOptions
  readonly #meter = new RateMeter()
  #summaryDueMs: number
  #isMeasured = false
  /** By the ticks, not by the counts: items that are put as done, such as those of a list that was begun elsewhere, are nobody's work here. */
  #finished = 0
  #isBusy = false
  #isLooking = false

  constructor(options: QueueWatcherOptions) {
    this.#options = options
    this.#summaryDueMs = this.#now() + FIRST_SUMMARY_MS
  }

  /** Never rejects, and is not to be waited for: it runs beside the loop. An outage is the engine's to tell of. */
  async afterTick(result: TickResult): Promise<void> {
    // Even when the worker is down: where there is nothing to do it isn't needed.
    const isQuiet = result.processing === 0
    const isDue = this.#now() >= this.#summaryDueMs && result.role === 'dispatcher'
    this.#finished += result.settled.success + result.settled.fail
    if (this.#isLooking) return
    this.#isLooking = true
    // A storage that never answers must not end the looking for good.
    await atMost(this.#look(result, { isDue, isQuiet }), LOOK_LIMIT_MS)
    this.#isLooking = false
  }

  async #look(result: TickResult, { isDue, isQuiet }: { isDue: boolean; isQuiet: boolean }): Promise<void> {
    // Without a count at the beginning the first summary would have nothing to measure the rate by. A storage that doesn't answer is
    // reported by the tick; the next turn counts again.
    if (isDue || !this.#isMeasured) await this.#count({ isDue, result }).catch(() => undefined)
    // The same: without an answer the queue isn't known to be empty, and the service goes on.
    if (isQuiet) await this.#lookForEnd(result).catch(() => undefined)
  }

  async #count({ isDue, result }: { isDue: boolean; result: TickResult }): Promise<void> {
    const startMs = this.#now()
    const finished = this.#finished
    const sizes = await this.#options.queue.sizes()
    const nowMs = this.#now()
    this.#meter.add(nowMs, finished)
    this.#isMeasured = true
    if (!isDue) return
    this.#summaryDueMs = nowMs + Math.max(SUMMARY_GAP_MS, GAP_FOR_MS * (nowMs - startMs))
    const unfinished = sizes.WAITING + sizes.PROCESSING
    const { logger, onEmpty } = this.#options
    // Of a service that ends with the last item the end tells.
    if (unfinished === 0 && this.#isBusy && onEmpty === undefined)
      logger.info({ ...sizes }, 'all items are finished; waiting for more')
    this.#isBusy = unfinished > 0
    if (unfinished > 0)
      logger.info({ ...sizes, ...jobsFields(result), ...this.#pace(unfinished, result) }, 'progress')
  }

  /** At every quiet tick, so it must cost little: what is finished is counted only when nothing else is there. */
  async #lookForEnd(result: TickResult): Promise<void> {
    const { queue, onEmpty, onPaused, endsWith = ['WAITING', 'PROCESSING'] } = this.#options
    if (onEmpty === undefined) return
    const pause = await this.#selfPause(result)
    if (pause !== undefined) {
      if (!(await this.#hasSome('PROCESSING'))) onPaused?.(pause)
      return
    }
    for (const stage of endsWith) if (await this.#hasSome(stage)) return
    // One may have gone from the second to the first in between.
    const sizes = await queue.sizes()
    if (endsWith.every((stage) => sizes[stage] === 0)) onEmpty()
  }

  async #selfPause({ role, selfPause }: TickResult): Promise<SelfPause | undefined> {
    return role === 'dispatcher' ? selfPause : this.#options.readSelfPause?.()
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

  #now(): number {
    return this.#options.now?.() ?? performance.now()
  }
}

/** What a person should know of the jobs: how many have not begun, and that the worker's poll is not whole. */
function jobsFields({ pending, poll, holdups }: TickResult): object {
  return {
    ...(pending === 0 ? {} : { pending }),
    ...(holdups.length === 0 ? {} : { heldUp: holdups.map(({ code }) => code) }),
    ...(poll?.complete === false ? { pollIncomplete: poll.reason ?? true } : {}),
    ...(poll?.mayStart === false ? { startsAfter: 'the first complete poll' } : {}),
  }
}
