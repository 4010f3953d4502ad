import { expect, test } from 'vitest'
import { processingLimit } from '../../src/index.js'
import { retryOf, retryPolicy } from '../../src/policies/retry.js'
import { retryStateOf, withRetryState } from '../../src/settling/retry-state.js'
import { World } from '../world.js'

test.each([
  [undefined, {}],
  [null, {}],
  ['ended', {}],
  [[1], {}],
  [{ ended: 'yes', tries: -1 }, {}],
  [{ tries: 1.5, of: 'another program' }, {}],
  [
    { tries: 3, ended: true, more: 1 },
    { tries: 3, ended: true },
  ],
] as const)('what a claim hands on is read with tolerance: %j', (retryState, state) => {
  expect(retryStateOf(retryState === undefined ? {} : { retryState })).toEqual(state)
})

test('what is written is read again, and nothing is written where there is nothing to say', () => {
  for (const state of [{ tries: 2 }, { ended: true }, { tries: 1, ended: true }] as const) {
    expect(retryStateOf(withRetryState(state))).toEqual(state)
  }
  expect(withRetryState({})).toEqual({})
  expect(withRetryState({ tries: 0 })).toEqual({})
})

test('a release after a report says that the job has ended, and the next claim gives it back', async () => {
  const world = new World()
  await world.put(1)
  const engine = world.engine({
    policy: processingLimit(1),
    retry: { maxAttempts: 2, backoff: { baseMs: 0 } },
  })
  await engine.tick()
  world.worker.settleJob('i0', { stage: 'FAIL', message: 'exit 3', failureClass: 'oom', exitCode: 137 })
  await engine.tick()
  const item = await world.queue.lookup('i0')
  expect(item).toMatchObject({ stage: 'PROCESSING', attempt: 2, retryState: { ended: true } })
  expect(item?.history[0]).toMatchObject({ failureClass: 'oom', exitCode: 137, jobUid: 'job-1' })
})

test('class, exit code and the job’s own id are fields of the record, and the event has the class', async () => {
  const world = new World()
  await world.put(2)
  const engine = world.engine()
  await engine.tick()
  world.worker.settleJob('i0', { stage: 'FAIL', message: 'm', failureClass: 'timeout', exitCode: 3 })
  world.worker.settleJob('i1', { stage: 'SUCCESS', exitCode: 0, details: { node: 'n7' } })
  await engine.tick()
  const [failed, succeeded] = [await world.queue.lookup('i0'), await world.queue.lookup('i1')]
  expect(failed).toMatchObject({ failureClass: 'timeout', exitCode: 3, jobUid: 'job-1' })
  expect(failed?.details).not.toHaveProperty('failureClass')
  expect(succeeded).toMatchObject({ stage: 'SUCCESS', exitCode: 0, jobUid: 'job-2', details: { node: 'n7' } })
  expect(world.events).toContainEqual(
    expect.objectContaining({ kind: 'item-settled', failureClass: 'timeout' }),
  )
})

test('a report whose words no queue can keep is settled without them', async () => {
  const world = new World()
  await world.put(2)
  const engine = world.engine()
  await engine.tick()
  world.worker.settleJob('i0', { stage: 'FAIL', message: 'm', failureClass: 'x'.repeat(500), exitCode: 1.5 })
  world.worker.settleJob('i1', { stage: 'FAIL', message: 'm', failureClass: '' })
  expect(await engine.tick()).toMatchObject({ settled: { fail: 2 } })
  expect(await world.queue.lookup('i0')).toMatchObject({ failureClass: 'x'.repeat(64) })
  expect((await world.queue.lookup('i0'))?.exitCode).toBeUndefined()
  expect(await world.queue.lookup('i1')).toMatchObject({ failureClass: 'failed' })
})

test.each(['rejected', 'unsendable', 'invalid-body'])(
  '%s is never retried, whatever the rules say',
  (failureClass) => {
    const failed = { item: { attempt: 1, uncounted: 0 }, failureClass }
    for (const on of [undefined, [failureClass]]) {
      const policy = retryPolicy({ maxAttempts: 9, ...(on === undefined ? {} : { on }) })
      expect(retryOf(policy, failed, () => 0)).toBeUndefined()
      expect(retryOf(policy, { ...failed, failureClass: 'oom' }, () => 0)?.delayMs).toBe(
        on === undefined ? 1_000 : undefined,
      )
    }
  },
)
