import { expect, test } from 'vitest'
import { judgeMove } from '../../src/backend/index.js'

const running = { stage: 'PROCESSING', attempt: 2, uid: 'u' } as const

test('out of PROCESSING, at this attempt and uid or with neither given', () => {
  for (const to of ['SUCCESS', 'FAIL', 'WAITING'] as const) {
    expect(judgeMove(running, { to })).toBe('move')
    expect(judgeMove(running, { to, attempt: 2, uid: 'u' })).toBe('move')
    expect(judgeMove(running, { to, attempt: 1 })).toBe('not-current')
    expect(judgeMove(running, { to, attempt: 2, uid: 'other' })).toBe('not-current')
  }
})

test('the same move again is a repeat; another one is refused', () => {
  const done = { stage: 'SUCCESS', attempt: 2, uid: 'u', lastOutcome: 'SUCCESS' } as const
  expect(judgeMove(done, { to: 'SUCCESS', attempt: 2 })).toBe('repeat')
  expect(judgeMove(done, { to: 'SUCCESS' })).toBe('repeat')
  expect(judgeMove(done, { to: 'SUCCESS', attempt: 1 })).toBe('not-current')
  expect(judgeMove(done, { to: 'FAIL', attempt: 2 })).toBe('wrong-stage')
})

test('WAITING by requeue or by put is not WAITING by release', () => {
  expect(
    judgeMove(
      { stage: 'WAITING', attempt: 2, uid: 'u', lastOutcome: 'WAITING' },
      { to: 'WAITING', attempt: 2 },
    ),
  ).toBe('repeat')
  expect(
    judgeMove({ stage: 'WAITING', attempt: 2, uid: 'u', lastOutcome: 'FAIL' }, { to: 'WAITING', attempt: 2 }),
  ).toBe('wrong-stage')
  expect(judgeMove({ stage: 'WAITING', attempt: 0, uid: 'u' }, { to: 'WAITING' })).toBe('wrong-stage')
})
