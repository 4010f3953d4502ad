import { isSluiceError } from '@sluice/core'
import { HOLDUP_ADVICE, type HoldupCode } from '@sluice/engine'
import type { Output } from '../output/output.js'
import type { QueueStatus, StatusHoldup } from './read-status.js'
import type { ServiceState } from './service-state.js'
import { spanText } from './span-text.js'
import { statusLine, statusText } from './status-text.js'

/** A status as somebody sees it who goes on watching: what was read last, and how old it is when it could not be read again. */
export interface WatchedStatus extends QueueStatus {
  /** For how many ms the storage has not answered; absent when it has just been read. */
  readonly ageMs?: number
}

/** Reads again and again. What can't be read now is shown as it was, and as late. */
export class LastStatus {
  readonly #now: () => number
  #last: QueueStatus | undefined
  #readAtMs = 0

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** @throws what the first reading rejects with, and whatever no waiting mends */
  async next(read: () => Promise<QueueStatus>): Promise<WatchedStatus> {
    try {
      this.#last = await read()
      this.#readAtMs = this.#now()
      return this.#last
    } catch (error) {
      if (this.#last === undefined || !isSluiceError(error) || !error.retryable) throw error
      return late(this.#last, error.message, Math.round(this.#now() - this.#readAtMs))
    }
  }
}

const CODE: HoldupCode = 'storage-unavailable'

/** What says how fast it goes: of a queue that can't be read nothing is known of that. */
const PACE: ReadonlySet<string> = new Set([
  'ratePerMinute',
  'measuredMs',
  'etaMs',
] satisfies (keyof QueueStatus)[])

/** Of the counts it is known what they were. */
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

/** Whether it still works can't be told. */
function unknownSince({ holder, since, heardOfMs }: ServiceState, ageMs: number): ServiceState {
  return {
    state: 'unknown',
    ...(holder === undefined ? {} : { holder }),
    ...(since === undefined ? {} : { since }),
    ...(heardOfMs === undefined ? {} : { heardOfMs: heardOfMs + ageMs }),
  }
}

/** The block of lines of `status --watch`. */
export function watchedText(status: WatchedStatus, output: Output): string {
  const text = statusText(status, output)
  return status.ageMs === undefined ? text : `${text}\nas of ${spanText(status.ageMs)} ago`
}

/** One line of it, where nothing can be redrawn. */
export function watchedLine(status: WatchedStatus): string {
  const line = statusLine(status)
  return status.ageMs === undefined ? line : `${line} · as of ${spanText(status.ageMs)} ago`
}
