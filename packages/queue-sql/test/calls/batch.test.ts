import { expect, test } from 'vitest'
import { batches, byId, rounds } from '../../src/calls/batch.js'

test('batches keep the order, and are cut by number and by size', () => {
  const rows = Array.from({ length: 2_500 }, (_, index) => index)
  expect([...batches(rows, () => 1)].map((batch) => batch.length)).toEqual([1_000, 1_000, 500])
  expect([...batches(rows, () => 1)].flat()).toEqual(rows)
  expect([...batches([1, 2, 3], () => 5_000_000)].map((batch) => batch.length)).toEqual([1, 1, 1])
  expect([...batches([], () => 1)]).toEqual([])
})

test('rounds have each id once, its rows in order', () => {
  const rows = ['a', 'b', 'a', 'c', 'a'].map((id, index) => ({ id, index }))
  expect(rounds(rows).map((round) => round.map(({ index }) => index))).toEqual([[0, 1, 3], [2], [4]])
  expect(byId(rows).map(({ index }) => index)).toEqual([0, 2, 4, 1, 3])
})
