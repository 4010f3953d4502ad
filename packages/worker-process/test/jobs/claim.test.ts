import { expect, test } from 'vitest'
import { judgeJob, type JobFacts } from '../../src/jobs/claim.js'

const claim = { pid: 4711, start: '8812345', at: 1, isShared: true }
const running: JobFacts = { ended: false, claim, sameBoot: true, startOfPid: '8812345' }

test.each<[string, Partial<JobFacts>, string]>([
  ['a live supervisor', {}, 'running'],
  [
    'a claim for no process',
    { claim: { ...claim, pid: 0, start: 'cancelled' }, startOfPid: undefined },
    'vanished',
  ],
  ['one that could not be started', { claim: { ...claim, pid: 0, start: 'unstartable' } }, 'unstartable'],
  ['a record of its end', { ended: true }, 'ended'],
  ['a record of its end, and a restarted machine', { ended: true, sameBoot: false }, 'ended'],
  ['no claim yet', { claim: undefined, startOfPid: undefined }, 'unstarted'],
  ['no such process', { startOfPid: undefined }, 'vanished'],
  ['the pid used again', { startOfPid: '9900000' }, 'vanished'],
  ['the machine restarted', { sameBoot: false }, 'restarted'],
  ['the machine restarted before it began', { sameBoot: false, claim: undefined }, 'restarted'],
])('%s', (_, facts, state) => {
  expect(judgeJob({ ...running, ...facts })).toBe(state)
})
