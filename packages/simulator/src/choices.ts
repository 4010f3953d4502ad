import { seededRandom } from '@sluice/testkit'

/**
 * The random choices of a play, from one seed: the same seed gives the same choices in the same order.
 */
export class Choices {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  /** In [0, 1). */
  unit(): number {
    return this.#random()
  }

  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + Math.floor(this.#random() * (max - min + 1))
  }

  chance(probability: number): boolean {
    return this.#random() < probability
  }

  /** One of the items; `undefined` for an empty list. */
  oneOf<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#random() * items.length)]
  }

  /** One of the entries by their weights. */
  weighted<T>(entries: readonly (readonly [weight: number, value: T])[], fallback: T): T {
    const total = entries.reduce((sum, [weight]) => sum + weight, 0)
    let left = this.#random() * total
    for (const [weight, value] of entries) {
      left -= weight
      if (left < 0) return value
    }
    return fallback
  }

  /** An independent source of choices. */
  fork(): Choices {
    return new Choices(this.between(0, 2 ** 31))
  }
}
