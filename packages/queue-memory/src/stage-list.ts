import { isLive, type Place } from './stored-item.js'

const FEW = 64

/**
 * The items of one stage in the order in which they entered it. Places are only ever appended, their `seq` growing, so a cursor is
 * found by bisection whatever was added or left since [Q-LIST-1]. A place whose item went elsewhere stays as a gap until gaps are
 * the larger half; sweeping them then costs each move a constant on average.
 */
export class StageList {
  #places: Place[] = []
  #gaps = 0

  /** How many items are in the stage. */
  get size(): number {
    return this.#places.length - this.#gaps
  }

  add(place: Place): void {
    this.#places.push(place)
  }

  /** Notes that one item left; call it when its place is no longer live. */
  left(): void {
    this.#gaps += 1
    if (this.#gaps < FEW || this.#gaps * 2 < this.#places.length) return
    this.#places = this.#places.filter(isLive)
    this.#gaps = 0
  }

  /** Up to `limit` places that entered after `seq`, and whether there are more. */
  after(seq: number, limit: number): { places: Place[]; more: boolean } {
    const places: Place[] = []
    for (let index = this.#firstAfter(seq); index < this.#places.length; index++) {
      const place = this.#places[index]
      if (place === undefined || !isLive(place)) continue
      if (places.length === limit) return { places, more: true }
      places.push(place)
    }
    return { places, more: false }
  }

  /** The places whose instant lies before the given one. */
  availableBefore(instant: number): Place[] {
    return this.#places.filter((place) => isLive(place) && place.availableAt < instant)
  }

  #firstAfter(seq: number): number {
    let low = 0
    let high = this.#places.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#places[middle]?.seq ?? Infinity) > seq) high = middle
      else low = middle + 1
    }
    return low
  }
}
