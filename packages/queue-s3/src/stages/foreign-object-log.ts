import type { Logger } from '@sluice/core'
import { recentMap } from '../recent-map.js'
import { placeText, type S3Place } from '../store/s3-errors.js'

const MAX_KNOWN = 10_000
/**
 * How long a claim of a damaged item is not tried again, the first time and at most: what it lacks may come, as from a program that writes in another
 * order, and what was said of it may have been wrong. Each time it is found so again the time doubles.
 */
const FIRST_BLOCKED_MS = 1_000
const BLOCKED_MS = 60_000

export const FOREIGN_NAME = 'it is no name of this queue’s format'

interface Known {
  /** When it was last found so. */
  readonly at: number
  readonly blockedMs: number
}

/** Tells of objects below the queue's prefix that aren't a sound part of it, each once. They are left alone. */
export class ForeignObjectLog {
  readonly #logger: Logger
  readonly #place: S3Place
  readonly #monotonicMs: () => number
  readonly #known = recentMap<Known>(MAX_KNOWN)

  constructor(logger: Logger, { place, monotonicMs }: { place: S3Place; monotonicMs: () => number }) {
    this.#logger = logger
    this.#place = place
    this.#monotonicMs = monotonicMs
  }

  /** @param why such as `it is no name of this queue's format` */
  report(key: string, why: string): void {
    const known = this.#known.get(key)
    const isFull = this.#known.size >= MAX_KNOWN
    const blockedMs = known === undefined ? FIRST_BLOCKED_MS : Math.min(2 * known.blockedMs, BLOCKED_MS)
    this.#known.set(key, { at: this.#monotonicMs(), blockedMs })
    if (known !== undefined || isFull) return
    this.#logger.warn({ key, why }, `an object in ${placeText(this.#place)} was left alone: ${why}`)
  }

  /** Whether it was found so a short while ago. */
  wasSeen(key: string): boolean {
    const known = this.#known.get(key)
    return known !== undefined && this.#monotonicMs() - known.at < known.blockedMs
  }
}
