import { describe, expect, test } from 'vitest'
import { StayList } from '../src/stay-list.js'
import { NOWHERE, storedItem, type StoredItem } from '../src/stored-item.js'

function itemOf(stay: number): StoredItem {
  const item = storedItem(
    { id: String(stay), body: null, priority: 0, notBeforeAt: undefined, delayMs: undefined },
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
})
