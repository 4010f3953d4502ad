import { describe, expect, test } from 'vitest'
import { StayList } from '../src/stay-list.js'
import { NOWHERE, storedItem, type StoredItem } from '../src/stored-item.js'

function itemOf(stay: number): StoredItem {
  const item = storedItem(
    {
      id: String(stay),
      body: null,
      priority: 0,
      notBeforeAt: undefined,
      delayMs: undefined,
      resources: undefined,
      limitKey: undefined,
    },
    `u${stay}`,
    0,
  )
  item.stay = stay
  return item
}

function listOf(count: number): { list: StayList; items: StoredItem[] } {
  const list = new StayList()
  const items = Array.from({ length: count }, (_, index) => itemOf(index + 1))
  for (const item of items) list.add(item)
  return { list, items }
}

function leave(list: StayList, items: readonly StoredItem[]): void {
  for (const item of items) {
    item.stay = NOWHERE
    list.left()
  }
}

describe('StayList', () => {
  test.each([10, 1_000])('of %d: the first is the one that has been there longest', (count) => {
    const { list, items } = listOf(count)
    leave(list, items.slice(0, count * 0.7))
    expect(list.first()).toBe(items[count * 0.7])
    expect(list.size).toBe(count * 0.3)
    leave(list, items.slice(count * 0.7))
    expect([list.first(), list.size]).toEqual([undefined, 0])
  })

  test('an item that left and came back is there once, at the end', () => {
    const { list, items } = listOf(3)
    const [first] = items
    if (first === undefined) throw new Error('there are three')
    first.stay = 4
    list.left()
    list.add(first)
    expect(list.after(0, 9)).toEqual({ items: [items[1], items[2], first], more: false })
    expect(list.after(2, 1)).toEqual({ items: [items[2]], more: true })
  })

  test('by places: behind any of them come those that are there, however the gaps grow', () => {
    const list = new StayList('places')
    const items = Array.from({ length: 500 }, (_, index) => itemOf(500 - index))
    for (const [index, item] of items.entries()) {
      item.place = index + 1
      list.add(item)
    }
    const there = new Set(items)
    for (let gone = 100; gone < 340; gone += 30) {
      // A gap that was passed grows at both of its ends, and another one begins.
      const more = [...items.slice(gone, gone + 29), ...items.slice(20 + gone / 10, 22 + gone / 10)]
      leave(
        list,
        more.filter((item) => there.delete(item)),
      )
      for (const place of [0, 99, gone - 15, gone + 5, gone + 28, 499, 500]) {
        const rest = items.filter((item) => there.has(item) && item.place > place)
        expect(list.after(place, 40)).toEqual({ items: rest.slice(0, 40), more: rest.length > 40 })
      }
    }
  })
})
