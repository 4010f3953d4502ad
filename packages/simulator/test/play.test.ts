import { describe, expect, test } from 'vitest'
import { Checker, type CheckedPlace } from '../src/checker.js'
import { play } from '../src/play.js'

const PLAYS = 150

test(`${PLAYS} plays of two services with outages, lost answers, kills, stalls and operators: no promise is broken`, async () => {
  for (let seed = 1; seed <= PLAYS; seed++) {
    const { violations } = await play(seed)
    expect({ seed, violations }).toEqual({ seed, violations: [] })
  }
}, 300_000)

test('the same seed plays the same', async () => {
  const [one, other] = [await play(7), await play(7)]
  expect(other.trace).toEqual(one.trace)
  expect(one.trace.length).toBeGreaterThan(20)
})

const promises = (checker: Checker) => checker.violations.map(({ promise }) => promise)

describe('the checker sees', () => {
  const job = { id: 'a', uid: 'u', attempt: 1 }
  const place = (running: number, end: ReturnType<CheckedPlace['endOf']> = 'none'): CheckedPlace => ({
    running: () => Array.from({ length: running }, () => job),
    endOf: () => end,
  })
  const finished = (stage: 'SUCCESS' | 'FAIL') => ({
    ...job,
    stage,
    uncounted: 0,
    priority: 0,
    body: null,
    putAt: 0,
    history: [],
  })

  test('a second start of one attempt', () => {
    const checker = new Checker(2)
    checker.jobStarted(job, 0)
    checker.jobStarted({ ...job, attempt: 2 }, 0)
    expect(checker.violations).toEqual([])
    checker.jobStarted(job, 5)
    expect(promises(checker)).toEqual(['one start'])
  })

  test('one more job, or claim, than the cap allows, and not the sends that were cut off', () => {
    const checker = new Checker(2)
    checker.now(place(2), { nowMonotonic: 0, processing: 2 })
    expect(checker.violations).toEqual([])
    checker.now(place(3), { nowMonotonic: 0, processing: 2 })
    checker.now(place(2), { nowMonotonic: 0, processing: 3 })
    expect(promises(checker)).toEqual(['cap', 'claims'])
    const cutOff = new Checker(2)
    cutOff.sendsCutOff(1)
    cutOff.now(place(3), { nowMonotonic: 0, processing: 2 })
    expect(cutOff.violations).toEqual([])
    cutOff.now(place(4), { nowMonotonic: 0, processing: 2 })
    expect(promises(cutOff)).toEqual(['cap'])
  })

  test('an item without an end, and one whose end is not its job’s', () => {
    const checker = new Checker(2)
    checker.atEnd(place(0, 'FAIL'), { open: [finished('FAIL')], finished: [finished('SUCCESS')] })
    expect(promises(checker)).toEqual(['terminal', 'outcome'])
    const excused = new Checker(2)
    excused.excuse(job)
    excused.atEnd(place(0, 'FAIL'), { open: [], finished: [finished('SUCCESS')] })
    expect(excused.violations).toEqual([])
  })

  test('a call that takes too long, or never ends', () => {
    const checker = new Checker(2)
    const limits = { nowMonotonic: 100, maxMs: 10 }
    checker.callBegan('stop', limits).ended(110)
    checker.callBegan('stop', limits).excused()
    checker.now(place(0), { nowMonotonic: 500, processing: 0 })
    expect(checker.violations).toEqual([])
    checker.callBegan('stop', limits).ended(111)
    expect(promises(checker)).toEqual(['time'])
    checker.callBegan('stop', { nowMonotonic: 200, maxMs: 10 })
    for (const nowMonotonic of [210, 211, 212]) checker.now(place(0), { nowMonotonic, processing: 0 })
    expect(promises(checker)).toEqual(['time', 'time'])
  })
})
