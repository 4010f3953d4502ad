import TinyQueue from 'tinyqueue'
import { isLive, type Place } from './stored-item.js'

const FEW = 64

/**
 * WAITING items in the order in which `get` gives them out: priority, then since when they are available, then who came first.
 * Items that must not be given out yet wait in a heap of their own by the instant from which they may [Q-TIME-1].
 */
export class WaitingLine {
  #ready = new TinyQueue<Place>([], byTurn)
  #delayed = new TinyQueue<Place>([], byInstant)
  #gone = 0

  add(place: Place, now: number): void {
    if (place.availableAt > now) this.#delayed.push(place)
    else this.#ready.push(place)
  }

  /** Takes out up to `maxItems` items that are available. */
  take(maxItems: number, now: number): Place[] {
    this.#admit(now)
    const places: Place[] = []
    while (places.length < maxItems) {
      const place = this.#ready.pop()
      if (place === undefined) break
      if (isLive(place)) places.push(place)
      else this.#gone -= 1
    }
    return places
  }

  /** What `take` would give; nothing changes. */
  peek(maxItems: number, now: number): Place[] {
    const places = this.take(maxItems, now)
    for (const place of places) this.#ready.push(place)
    return places
  }

  /**
   * Notes that one item left otherwise than by `take`; call it when its place is no longer live. The heaps are rebuilt once most of
   * what they hold is gone, so that putting and removing for ever does not grow them.
   */
  left(): void {
    this.#gone += 1
    if (this.#gone < FEW || this.#gone * 2 < this.#ready.length + this.#delayed.length) return
    this.#ready = new TinyQueue(this.#ready.data.filter(isLive), byTurn)
    this.#delayed = new TinyQueue(this.#delayed.data.filter(isLive), byInstant)
    this.#gone = 0
  }

  #admit(now: number): void {
    for (let place = this.#delayed.peek(); place !== undefined; place = this.#delayed.peek()) {
      if (place.availableAt > now) return
      this.#delayed.pop()
      this.#ready.push(place)
    }
  }
}

function byTurn(a: Place, b: Place): number {
  return b.item.priority - a.item.priority || byInstant(a, b)
}

function byInstant(a: Place, b: Place): number {
  return a.availableAt - b.availableAt || a.seq - b.seq
}
