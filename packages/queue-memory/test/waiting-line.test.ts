import { seededRandom } from '@sluice/testkit'
import { describe, expect, test } from 'vitest'
import { NOWHERE, storedItem, type StoredItem } from '../src/stored-item.js'
import { WaitingLine } from '../src/waiting-line.js'

const KEYS = [undefined, undefined, 'x', 'y']

/** A line beside a plain sorted list that says what it should do. */
class Trial {
  readonly line = new WaitingLine()
  now = 1_000
  #waiting: { item: StoredItem; from: number; order: number }[] = []
  #stays = 0

  add(priority: number, delayMs: number, limitKey?: string): void {
    const order = ++this.#stays
    const id = String(order)
    const notBeforeAt = this.now + delayMs
    const facts = {
      id,
      body: null,
      priority,
      notBeforeAt,
      delayMs: undefined,
      resources: undefined,
      limitKey,
    }
    const item = storedItem(facts, id, this.now)
    item.stay = order
    this.#waiting.push({ item, from: notBeforeAt, order })
    this.line.add(item, this.now)
  }

  /** Takes an item that may be given out from its place, and puts it back to it under another key. */
  putBack(item: StoredItem, limitKey: string | undefined): void {
    this.line.admit(this.now)
    item.stay = ++this.#stays
    this.line.left(item)
    item.limitKey = limitKey
    item.stay = ++this.#stays
    this.line.putBack(item)
  }

  leave(item: StoredItem): void {
    this.#waiting = this.#waiting.filter((each) => each.item !== item)
    item.stay = NOWHERE
    this.line.left(item)
  }

  /** Adds an item, lets one go from wherever it is, claims the first, or lets time pass. */
  act(random: () => number): void {
    const what = random()
    if (what < 0.5) {
      const key = KEYS[Math.floor(random() * KEYS.length)]
      return this.add(Math.floor(random() * 300), Math.floor(random() * 3) * 20, key)
    }
    if (what < 0.52) {
      const back = this.inTurn()[Math.floor(random() * 9)]
      if (back !== undefined) this.putBack(back, KEYS[Math.floor(random() * KEYS.length)])
      return
    }
    if (what < 0.6) this.now += Math.floor(random() * 30)
    const any = this.#waiting[Math.floor(random() * this.#waiting.length)]?.item
    const gone = what < 0.6 ? undefined : what < 0.8 ? any : this.line.first(this.now)
    if (gone !== undefined) this.leave(gone)
  }

  inTurn(limitKey?: string): StoredItem[] {
    return this.#waiting
      .filter(({ from, item }) => from <= this.now && (limitKey === undefined || item.limitKey === limitKey))
      .toSorted((a, b) => b.item.priority - a.item.priority || a.from - b.from || a.order - b.order)
      .map(({ item }) => item)
  }
}

describe('the order', () => {
  test.each([1, 2, 3, 4, 5])('is that of a sorted list, whatever comes and goes (seed %d)', (seed) => {
    const random = seededRandom(seed)
    const trial = new Trial()
    for (let turn = 0; turn < 1_500; turn++) {
      trial.act(random)
      const [first, ...more] = trial.inTurn().slice(0, 7)
      expect(trial.line.first(trial.now)).toBe(first)
      expect(trial.line.peek(7, trial.now)).toEqual(first === undefined ? [] : [first, ...more])
    }
    expect(trial.line.peek(9_999, trial.now)).toEqual(trial.inTurn())
  })

  test.each([1, 2, 3])('is so from behind any place, and of any key (seed %d)', (seed) => {
    const random = seededRandom(seed)
    const trial = new Trial()
    for (let turn = 0; turn < 1_000; turn++) {
      trial.act(random)
      trial.line.admit(trial.now)
      for (const limitKey of [undefined, 'x', 'y', 'z']) {
        const all = trial.inTurn(limitKey)
        const at = Math.floor(random() * all.length)
        const { priority, place } = all[at] ?? { priority: 0, place: 0 }
        const after = all.length === 0 ? undefined : { priority, place }
        expect(trial.line.peek(5, trial.now, { after, limitKey })).toEqual(all.slice(at + 1, at + 6))
      }
    }
  })

  test('goes on behind a place whose item is gone', () => {
    const trial = new Trial()
    for (let count = 0; count < 300; count++) trial.add(0, 0, 'x')
    const all = trial.inTurn()
    const after = { priority: 0, place: all[99]?.place ?? 0 }
    for (const item of all.slice(50, 180)) trial.leave(item)
    for (const limitKey of [undefined, 'x']) {
      expect(trial.line.peek(3, trial.now, { after, limitKey })).toEqual(all.slice(180, 183))
      expect(trial.line.peek(99, trial.now, { after: undefined, limitKey })).toEqual([
        ...all.slice(0, 50),
        ...all.slice(180, 229),
      ])
    }
  })

  test('puts what became available meanwhile before what is added now', () => {
    const trial = new Trial()
    trial.add(0, 100)
    trial.add(0, 50)
    trial.now += 120
    trial.add(0, 0)
    expect(trial.line.peek(3, trial.now).map(({ id }) => id)).toEqual(['2', '1', '3'])
  })
})

describe('what is swept', () => {
  test('priorities that no item has any more, never one that is in use', () => {
    const trial = new Trial()
    for (let priority = 0; priority < 1_000; priority++) trial.add(priority, 0)
    for (const item of trial.inTurn().toReversed()) if (item.priority % 5 > 0) trial.leave(item)
    trial.add(3, 0)
    expect(trial.line.peek(9_999, trial.now)).toEqual(trial.inTurn())
    expect(trial.inTurn()).toHaveLength(201)
  })

  test('delayed items that were removed, never one that waits', () => {
    const trial = new Trial()
    for (let delayMs = 1; delayMs <= 1_000; delayMs++) trial.add(0, delayMs)
    trial.now += 1_000
    const all = trial.inTurn()
    trial.now -= 1_000
    for (const item of all) if (Number(item.id) % 5 > 0) trial.leave(item)
    expect(trial.line.peek(1, trial.now)).toEqual([])
    trial.now += 1_000
    expect(trial.line.peek(9_999, trial.now)).toEqual(trial.inTurn())
    expect(trial.inTurn()).toHaveLength(200)
  })
})
