import { isSluiceError, type Runtime } from '@sluice/core'
import { HOLDUP_ADVICE, type HoldupCode } from '@sluice/engine'
import { spanText } from '../output/amounts.js'
import type { Output } from '../output/output.js'
import type { QueueStatus, StatusHoldup } from './read-status.js'
import type { ServiceState } from './service-state.js'
import { statusLine, statusText } from './status-text.js'

/** A status for `--watch`: the last reading, and its age where the storage does not answer. */
export interface WatchedStatus extends QueueStatus {
  /** How long the storage has not answered, in ms; absent for a fresh reading. */
  readonly ageMs?: number
}

/** Repeats the reading. Where one fails, it shows the last one with its age. */
export class LastStatus {
  readonly #runtime: Pick<Runtime, 'monotonicMs'>
  #last: QueueStatus | undefined
  #readAtMonotonic = 0

  constructor(runtime: Pick<Runtime, 'monotonicMs'>) {
    this.#runtime = runtime
  }

  /** @throws what the first reading rejects with, and every error that is not retryable */
  async next(read: () => Promise<QueueStatus>): Promise<WatchedStatus> {
    try {
      this.#last = await read()
      this.#readAtMonotonic = this.#runtime.monotonicMs()
      return this.#last
    } catch (error) {
      if (this.#last === undefined || !isSluiceError(error) || !error.retryable) throw error
      const ageMs = Math.round(this.#runtime.monotonicMs() - this.#readAtMonotonic)
      return late(this.#last, error.message, ageMs)
    }
  }
}

const CODE: HoldupCode = 'storage-unavailable'

/** The fields about speed, which an old reading says nothing about. */
const PACE: ReadonlySet<string> = new Set([
  'ratePerMinute',
  'measuredMs',
  'etaMs',
] satisfies (keyof QueueStatus)[])

/** The counts are those of the last reading. */
function late(status: QueueStatus, message: string, ageMs: number): WatchedStatus {
  const advice = HOLDUP_ADVICE[CODE]
  const holdup: StatusHoldup = { code: CODE, message, ...(advice === undefined ? {} : { advice }) }
  const { queue, sizes, total, paused, limit, service } = status
  const others = Object.fromEntries(Object.entries(status).filter(([name]) => !PACE.has(name)))
  return {
    ...others,
    queue,
    sizes,
    total,
    paused,
    limit,
    service: unknownSince(service, ageMs),
    holdups: [holdup, ...status.holdups],
    ageMs,
  }
}

/** Whether the service still runs is unknown. */
function unknownSince({ holder, sinceAt, heardOfMs }: ServiceState, ageMs: number): ServiceState {
  return {
    state: 'unknown',
    ...(holder === undefined ? {} : { holder }),
    ...(sinceAt === undefined ? {} : { sinceAt }),
    ...(heardOfMs === undefined ? {} : { heardOfMs: heardOfMs + ageMs }),
  }
}

/** The block of lines of `status --watch`. */
export function watchedText(status: WatchedStatus, output: Output): string {
  const text = statusText(status, output)
  return status.ageMs === undefined ? text : `${text}\nas of ${spanText(status.ageMs)} ago`
}

/** The same as one line, for a log. */
export function watchedLine(status: WatchedStatus): string {
  const line = statusLine(status)
  return status.ageMs === undefined ? line : `${line} · as of ${spanText(status.ageMs)} ago`
}
