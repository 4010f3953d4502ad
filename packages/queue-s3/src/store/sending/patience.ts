import type { Runtime } from '@sluice/core'

interface Trouble {
  /** By the clock of the patience. */
  readonly sinceMonotonic: number
  tries: number
}

/**
 * How many times `timeoutMs` the requests of one item, or one page, may take together before no other one
 * begins.
 */
const MAX_TIMEOUTS = 3

/**
 * How long the work on one item, or on one page of names, may go on: one for each, passed to all its
 * requests. It ends in two ways:
 *
 * - a kind of request has had no clear answer for `timeoutMs` since its first failure: by kind, since a
 *   successful read is no reason to retry writes that fail;
 * - its requests took three times `timeoutMs` together, the time that their bytes account for not counted,
 *   though each was answered in the end.
 */
export class Patience {
  /** Of one request, and of one kind's failures. */
  readonly timeoutMs: number
  readonly #troubles = new Map<string, Trouble>()
  readonly #now: () => number
  readonly #seen = new Set<string>()
  #spentMs = 0

  /** @param now a monotonic clock in ms, such as a `RunningTime` */
  constructor(timeoutMs: number, now: () => number) {
    this.timeoutMs = timeoutMs
    this.#now = now
  }

  /** Whether no other request may begin. */
  get isSpent(): boolean {
    return this.#spentMs >= MAX_TIMEOUTS * this.timeoutMs
  }

  spend(ms: number): void {
    this.#spentMs += Math.max(0, ms)
  }

  /** Whether this was seen before, in the work on the same item. */
  isRepeated(what: string): boolean {
    const isRepeated = this.#seen.has(what)
    this.#seen.add(what)
    return isRepeated
  }

  /** A request of this kind had a clear answer. */
  answered(kind: string): void {
    this.#troubles.delete(kind)
  }

  /** A request of this kind had none. Returns how often that was, and the remaining time in ms. */
  troubled(kind: string): { readonly tries: number; readonly leftMs: number } {
    const trouble = this.#troubles.get(kind) ?? { sinceMonotonic: this.#now(), tries: 0 }
    this.#troubles.set(kind, trouble)
    trouble.tries += 1
    return { tries: trouble.tries, leftMs: this.timeoutMs - (this.#now() - trouble.sinceMonotonic) }
  }
}

/**
 * A random wait in the upper half of a span that doubles, up to 2 s, so that colliding processes do not
 * collide again and the number of retries is bounded: 8, and one more for each second. The last one before
 * `maxMs` ends there.
 */
export function jitteredMs(
  runtime: Pick<Runtime, 'random'>,
  tries: number,
  { baseMs, maxMs }: { baseMs: number; maxMs: number },
): number {
  const spanMs = Math.min(2_000, baseMs * 2 ** Math.min(tries, 10))
  return Math.min(Math.max(0, maxMs), spanMs * (0.5 + runtime.random() / 2))
}
