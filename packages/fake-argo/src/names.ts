import { seededRandom } from '@sluice/testkit'

const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789'
const HEX = '0123456789abcdef'

/** Gives out uids and generated names: the same ones for the same seed. */
export class Names {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  /** A number in [0, 1). */
  random(): number {
    return this.#random()
  }

  /** A uid as Kubernetes makes them: UUID version 4. */
  uid(): string {
    const hex = (length: number) => this.#letters(HEX, length)
    return `${hex(8)}-${hex(4)}-4${hex(3)}-${this.#letters('89ab', 1)}${hex(3)}-${hex(12)}`
  }

  /** A name made of a base, as Kubernetes makes it of `generateName`. */
  generated(base: string): string {
    return base.slice(0, 58) + this.#letters(SUFFIX_LETTERS, 5)
  }

  #letters(letters: string, length: number): string {
    let text = ''
    for (let index = 0; index < length; index++)
      text += letters[Math.floor(this.#random() * letters.length)] ?? ''
    return text
  }
}
