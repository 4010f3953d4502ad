import { seededRandom } from '@sluice/testkit'

/**
 * Everything that is left to chance in a play, from one seed: the same seed gives the same choices in the
 * same order.
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

  /** One of several; `undefined` of none. */
  oneOf<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#random() * items.length)]
  }

  /** One of several by their weights. */
  weighted<T>(entries: readonly (readonly [weight: number, value: T])[], fallback: T): T {
    const total = entries.reduce((sum, [weight]) => sum + weight, 0)
    let left = this.#random() * total
    for (const [weight, value] of entries) {
      left -= weight
      if (left < 0) return value
    }
    return fallback
  }

  /** Another line of choices that doesn't depend on how many are drawn here from now on. */
  fork(): Choices {
    return new Choices(this.between(0, 2 ** 31))
  }
}
