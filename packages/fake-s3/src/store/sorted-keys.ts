/**
 * How many keys one piece may have: it is halved above that. Splicing an array of this length costs next to
 * nothing.
 */
const MAX_PIECE = 1_024

/**
 * A set of strings in order, in pieces: adding, removing and seeking cost a binary search and a splice of one
 * piece, however many keys there are, and reading on from anywhere costs only what is read.
 */
export class SortedKeys {
  readonly #compare: (a: string, b: string) => number
  #pieces: string[][] = [[]]

  constructor(compare: (a: string, b: string) => number = byCodeUnit) {
    this.#compare = compare
  }

  /** Adds a key; one that is there stays as it is. */
  add(key: string): void {
    const index = this.#pieceOf(key)
    const piece = this.#pieces[index] ?? []
    const at = this.#firstNotBelow(piece, key)
    if (piece[at] === key) return
    piece.splice(at, 0, key)
    if (piece.length > MAX_PIECE) this.#pieces.splice(index + 1, 0, piece.splice(MAX_PIECE / 2))
  }

  /** Removes a key, if it is there. */
  remove(key: string): void {
    const index = this.#pieceOf(key)
    const piece = this.#pieces[index] ?? []
    const at = this.#firstNotBelow(piece, key)
    if (piece[at] !== key) return
    piece.splice(at, 1)
    if (piece.length === 0 && this.#pieces.length > 1) this.#pieces.splice(index, 1)
  }

  /**
   * The keys from a string on, in order, itself included; the string need not be a key. The set must not
   * change meanwhile.
   */
  *from(key: string): Generator<string, void, undefined> {
    let index = this.#pieceOf(key)
    let at = this.#firstNotBelow(this.#pieces[index] ?? [], key)
    for (; index < this.#pieces.length; index++, at = 0) {
      const piece = this.#pieces[index] ?? []
      for (; at < piece.length; at++) yield piece[at] ?? ''
    }
  }

  /** The first piece that ends at the key or after it, else the last one. */
  #pieceOf(key: string): number {
    let low = 0
    let high = this.#pieces.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      const last = this.#pieces[middle]?.at(-1)
      if (last !== undefined && this.#compare(last, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  #firstNotBelow(piece: readonly string[], key: string): number {
    let low = 0
    let high = piece.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#compare(piece[middle] ?? '', key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** UTF-16 code units: for strings whose units are bytes, the order of bytes. */
export function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
