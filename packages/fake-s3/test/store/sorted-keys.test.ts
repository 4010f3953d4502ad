import { describe, expect, test } from 'vitest'
import { bytesOf, keyOf, keyOrders } from '../../src/store/key-order.ts'
import { byCodeUnit, SortedKeys } from '../../src/store/sorted-keys.ts'
import { seededRandom } from '@sluice/testkit'

describe('SortedKeys', () => {
  test('behaves as a sorted set, through thousands of random changes', () => {
    const random = seededRandom(7)
    const keys = new SortedKeys()
    const model = new Set<string>()
    const change = () => {
      const key = `k${Math.floor(random() * 5_000)}`
      if (random() < 0.6) {
        keys.add(key)
        model.add(key)
      } else {
        keys.remove(key)
        model.delete(key)
      }
    }
    for (let round = 0; round < 10; round++) {
      for (let step = 0; step < 2_000; step++) change()
      expect([...keys.from('')]).toEqual([...model].toSorted())
    }
    for (const from of ['', 'k', 'k2500', 'k25005', 'kz', 'z']) {
      expect([...keys.from(from)]).toEqual([...model].toSorted().filter((key) => key >= from))
    }
  })

  test('is empty at first, and again when all is removed', () => {
    const keys = new SortedKeys()
    expect([...keys.from('')]).toEqual([])
    const many = Array.from({ length: 5_000 }, (_, index) => `k${index}`)
    for (const key of many) keys.add(key)
    for (const key of many) keys.remove(key)
    expect([...keys.from('')]).toEqual([])
    keys.add('k')
    expect([...keys.from('')]).toEqual(['k'])
  })

  test('finds its place among 100,000 keys in a few comparisons', () => {
    let comparisons = 0
    const keys = new SortedKeys((a, b) => {
      comparisons++
      return byCodeUnit(a, b)
    })
    for (let index = 0; index < 100_000; index++) keys.add(`k${String(index * 7_919).padStart(9, '0')}`)
    comparisons = 0
    expect(keys.from('k0004').next().value).toBe('k000403869')
    expect(comparisons).toBeLessThan(25)
  })
})

describe('the order of keys', () => {
  test('is that of their bytes, and keys are returned unchanged', () => {
    const keys = ['a', 'é', '中', '\uff5e', '😀', '']
    const byBytes = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect(keys.map(bytesOf).toSorted(byCodeUnit).map(keyOf)).toEqual(byBytes)
  })

  test('of UTF-16 has surrogates before U+E000 to U+FFFF, unlike that of bytes', () => {
    const keys = ['\u{1f600}', '\uff5e'].map(bytesOf)
    const sorted = (order: 'utf8' | 'utf16') =>
      keys.toSorted((a, b) => keyOrders[order].compare(a, b)).map(keyOf)
    expect(sorted('utf8')).toEqual(['\uff5e', '\u{1f600}'])
    expect(sorted('utf16')).toEqual(['\u{1f600}', '\uff5e'])
  })

  test('of a language is another one', () => {
    expect(['B', 'a'].toSorted((a, b) => keyOrders.locale.compare(a, b))).toEqual(['a', 'B'])
  })
})
