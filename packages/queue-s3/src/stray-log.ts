import type { Logger } from '@sluice/core'
import { recentMap } from './recent-map.js'
import { placeText, type S3Place } from './s3-errors.js'

const MAX_KNOWN = 10_000
/** How long a claim of a damaged item is not tried again: what it lacks may come, as from a program that writes in another order. */
const BLOCKED_MS = 60_000

export const FOREIGN_NAME = 'it is no name of this queue’s format'

/** Tells of objects below the queue's prefix that aren't a sound part of it, each once. They are left alone. */
export class StrayLog {
  readonly #logger: Logger
  readonly #place: S3Place
  readonly #monotonicMs: () => number
  /** When each was last found so. */
  readonly #known = recentMap<number>(MAX_KNOWN)

  constructor(logger: Logger, { place, monotonicMs }: { place: S3Place; monotonicMs: () => number }) {
    this.#logger = logger
    this.#place = place
    this.#monotonicMs = monotonicMs
  }

  /** @param why such as `it is no name of this queue's format` */
  report(key: string, why: string): void {
    const isKnown = this.#known.has(key)
    const isFull = this.#known.size >= MAX_KNOWN
    this.#known.set(key, this.#monotonicMs())
    if (isKnown || isFull) return
    this.#logger.warn({ key, why }, `an object in ${placeText(this.#place)} was left alone: ${why}`)
  }

  /** Whether it was found so a short while ago. */
  wasSeen(key: string): boolean {
    const at = this.#known.get(key)
    return at !== undefined && this.#monotonicMs() - at < BLOCKED_MS
  }
}
