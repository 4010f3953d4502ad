import type { Logger } from '@sluice/core'
import { placeText, type S3Place } from './s3-errors.js'

const MAX_KNOWN = 10_000

/** Tells of objects below the queue's prefix that aren't a sound part of it, each once. They are left alone. */
export class StrayLog {
  readonly #logger: Logger
  readonly #place: S3Place
  readonly #known = new Set<string>()

  constructor(logger: Logger, place: S3Place) {
    this.#logger = logger
    this.#place = place
  }

  /** @param why such as `it is no name of this queue's format` */
  report(key: string, why: string): void {
    if (this.#known.has(key) || this.#known.size >= MAX_KNOWN) return
    this.#known.add(key)
    this.#logger.warn({ key, why }, `an object in ${placeText(this.#place)} was left alone: ${why}`)
  }

  /** Whether it was reported before. */
  has(key: string): boolean {
    return this.#known.has(key)
  }
}
