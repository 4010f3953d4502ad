import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  maxPackedClocks,
  packClocks,
  unpackClocks,
  type JobClock,
} from '../../src/clocks/job-clocks-format.js'
import { hashOfJob } from '../../src/records/seen-jobs-format.js'

const instant = fc.integer({ min: 1, max: 2 ** 47 })
const clock: fc.Arbitrary<JobClock> = fc.record(
  {
    claimedAt: instant,
    runningAt: instant,
    isMarked: fc.constant(true),
    cancelling: fc.constantFrom('attempt-deadline', 'item-deadline', 'straggler'),
  },
  { requiredKeys: ['claimedAt'] },
)

test('what was packed is read back', () => {
  fc.assert(
    fc.property(fc.array(clock, { maxLength: 20 }), (clocks) => {
      const named = clocks.map((one, at) => [hashOfJob({ uid: `u${at}`, attempt: 1 }), one] as const)
      expect([...(unpackClocks(packClocks(named)) ?? [])]).toEqual(named)
    }),
  )
})

test.each([undefined, null, 7, {}, { jobs: 7 }, { jobs: '!' }, { jobs: 'AAAA' }])(
  '%o counts as none',
  (value) => {
    expect(unpackClocks(value)).toBeUndefined()
  },
)

test('as many as fit are within the limit of the storage', () => {
  for (const limit of [1_000, 1_048_576]) {
    const most = maxPackedClocks(limit)
    const named = Array.from(
      { length: most },
      (_, at) => [hashOfJob({ uid: `${at}`, attempt: 1 }), { claimedAt: 1 }] as const,
    )
    expect(JSON.stringify(packClocks(named)).length).toBeLessThanOrEqual(limit)
    expect(most).toBeGreaterThan(limit / 40)
  }
})
