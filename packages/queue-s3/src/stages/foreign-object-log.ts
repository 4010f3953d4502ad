import type { Logger, Runtime } from '@sluice/core'
import { recentMap } from '../recent-map.js'
import { placeText, type S3Place } from '../store/s3-errors.js'

const MAX_KNOWN = 10_000
/**
 * How long the claim of a damaged item is not tried again, at first and at most: a missing object may still
 * arrive, as from a program that writes in another order, and the answer may have been wrong. The time
 * doubles with each report.
 */
const FIRST_BLOCKED_MS = 1_000
const MAX_BLOCKED_MS = 60_000

export const FOREIGN_NAME = 'it is no name of this queue’s format'

interface Known {
  readonly reportedAtMonotonic: number
  readonly blockedMs: number
}

/** Logs objects below the queue's prefix that are foreign or damaged, each once. They are left alone. */
export class ForeignObjectLog {
  readonly #logger: Logger
  readonly #place: S3Place
  readonly #runtime: Pick<Runtime, 'monotonicMs'>
  readonly #known = recentMap<Known>(MAX_KNOWN)

  constructor(logger: Logger, { place, runtime }: { place: S3Place; runtime: Pick<Runtime, 'monotonicMs'> }) {
    this.#logger = logger
    this.#place = place
    this.#runtime = runtime
  }

  /** @param why such as `it is no name of this queue's format` */
  report(key: string, why: string): void {
    const known = this.#known.get(key)
    const isFull = this.#known.size >= MAX_KNOWN
    const blockedMs = known === undefined ? FIRST_BLOCKED_MS : Math.min(2 * known.blockedMs, MAX_BLOCKED_MS)
    this.#known.set(key, { reportedAtMonotonic: this.#runtime.monotonicMs(), blockedMs })
    if (known !== undefined || isFull) return
    this.#logger.warn({ key, why }, `an object in ${placeText(this.#place)} was left alone: ${why}`)
  }

  /** Whether it was reported a short while ago. */
  isBlocked(key: string): boolean {
    const known = this.#known.get(key)
    return known !== undefined && this.#runtime.monotonicMs() - known.reportedAtMonotonic < known.blockedMs
  }
}
