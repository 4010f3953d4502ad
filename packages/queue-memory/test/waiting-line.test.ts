import { seededRandom } from '@sluice/testkit'
import { describe, expect, test } from 'vitest'
import { NOWHERE, storedItem, type StoredItem } from '../src/stored-item.js'
import { WaitingLine } from '../src/waiting-line.js'

/** A line beside a plain sorted list that says what it should do. */
class Trial {
  readonly line = new WaitingLine()
  now = 1_000
  #waiting: { item: StoredItem; from: number }[] = []
  #stays = 0

  add(priority: number, delayMs: number): void {
    const id = String(++this.#stays)
    const notBeforeAt = this.now + delayMs
    const item = storedItem({ id, body: null, priority, notBeforeAt, delayMs: undefined }, id, this.now)
    item.stay = this.#stays
    this.#waiting.push({ item, from: notBeforeAt })
    this.line.add(item, this.now)
  }

  leave(item: StoredItem): void {
    this.#waiting = this.#waiting.filter((each) => each.item !== item)
    item.stay = NOWHERE
    this.line.left(item)
  }

  /** Adds an item, lets one go from wherever it is, claims the first, or lets time pass. */
  act(random: () => number): void {
    const what = random()
    if (what < 0.5) return this.add(Math.floor(random() * 300), Math.floor(random() * 3) * 20)
    if (what < 0.6) this.now += Math.floor(random() * 30)
    const any = this.#waiting[Math.floor(random() * this.#waiting.length)]?.item
    const gone = what < 0.6 ? undefined : what < 0.8 ? any : this.line.first(this.now)
    if (gone !== undefined) this.leave(gone)
  }

  inTurn(): StoredItem[] {
    return this.#waiting
      .filter(({ from }) => from <= this.now)
      .toSorted((a, b) => b.item.priority - a.item.priority || a.from - b.from || a.item.stay - b.item.stay)
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
