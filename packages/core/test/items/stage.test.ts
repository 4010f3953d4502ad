import { expect, test } from 'vitest'
import { STAGES, isStage } from '../../src/index.js'
import { MOVES, assertStage, canMove } from '../../src/backend/index.js'

test('the moves are exactly the five of the contract', () => {
  const pairs = STAGES.flatMap((from) =>
    STAGES.filter((to) => canMove(from, to)).map((to) => `${from}>${to}`),
  )
  expect(pairs.toSorted()).toEqual(
    [
      'WAITING>PROCESSING',
      'PROCESSING>SUCCESS',
      'PROCESSING>FAIL',
      'PROCESSING>WAITING',
      'FAIL>WAITING',
    ].toSorted(),
  )
  expect(new Set(MOVES.map((move) => move.name)).size).toBe(MOVES.length)
})

test('a stage is spelt exactly', () => {
  expect(isStage('WAITING')).toBe(true)
  expect(isStage('waiting')).toBe(false)
  expect(() => {
    assertStage('DONE')
  }).toThrow(/stage must be one of WAITING, PROCESSING, SUCCESS, FAIL; got "DONE"/)
})
