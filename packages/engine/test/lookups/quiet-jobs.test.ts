import type { JobReport, JobReports } from '@sluice/core'
import { expect, test } from 'vitest'
import { processingLimit } from '../../src/index.js'
import { World, type Options } from '../world.js'

const MINUTE_MS = 60_000

/**
 * An engine whose worker's list stands still from its second poll on: it says for ever what it said then, and
 * that it is complete.
 */
async function standingStill(count: number, options: Options = {}) {
  const world = new World()
  await world.put(count)
  const worker = world.openWorker()
  const asked: { id: string; atMs: number }[] = []
  const [poll, lookup] = [worker.pollAllStatus.bind(worker), worker.lookupJob.bind(worker)]
  worker.lookupJob = (job) => {
    asked.push({ id: job.id, atMs: world.runtime.monotonicMs() })
    return lookup(job)
  }
  const engine = world.engine({ worker, policy: processingLimit(count), maxBatchItems: count, ...options })
  await engine.tick()
  const still = await poll()
  worker.pollAllStatus = async () => still
  await engine.tick()
  return { world, worker, engine, asked }
}

test('a list that stands still hides no end: after five minutes each job is asked for by name', async () => {
  const { world, engine } = await standingStill(3)
  world.worker.settleJob('i1', { stage: 'SUCCESS', result: 7 })
  await world.runtime.advance(5 * MINUTE_MS - 1)
  expect(await engine.tick()).toMatchObject({ settled: { success: 0 } })
  await world.runtime.advance(1)
  expect(await engine.tick()).toMatchObject({ settled: { success: 1 }, processing: 2 })
  expect(await world.queue.lookup('i1')).toMatchObject({ stage: 'SUCCESS', result: 7, jobUid: 'job-2' })
})

test('looked up after 5, then 10, then 15 minutes, and 15 again; from the start when its report changes', async () => {
  const { world, worker, engine, asked } = await standingStill(1)
  const minutes = async (count: number): Promise<number[]> => {
    asked.length = 0
    const fromMs = world.runtime.monotonicMs()
    for (let minute = 0; minute < count; minute++) {
      await world.runtime.advance(MINUTE_MS)
      await engine.tick()
    }
    return asked.map(({ atMs }) => (atMs - fromMs) / MINUTE_MS)
  }
  expect(await minutes(60)).toEqual([5, 15, 30, 45, 60])
  const [job] = world.worker.running()
  const report: JobReport = { ...job!, stage: 'PROCESSING', message: '3/5', startedAt: 1 }
  worker.pollAllStatus = async () => new Map([['i0', report]])
  expect(await minutes(16)).toEqual([6, 16])
})

test('a report that goes on changing needs no look-ups', async () => {
  const { world, worker, engine, asked } = await standingStill(1)
  const [job] = world.worker.running()
  for (let minute = 0; minute < 60; minute++) {
    worker.pollAllStatus = async () =>
      new Map([['i0', { ...job!, stage: 'PROCESSING', message: `${minute}/60` }]])
    await engine.tick()
    await world.runtime.advance(MINUTE_MS)
  }
  expect(asked).toEqual([])
})

test('a tenth of the budget at most, the longest quiet first, every one in its turn', async () => {
  const { world, engine, asked } = await standingStill(100, { maxLookupsPerSecond: 50 })
  await world.runtime.advance(5 * MINUTE_MS)
  for (let second = 1; second <= 20; second++) {
    await engine.tick()
    await engine.tick()
    expect(asked).toHaveLength(second * 5)
    await world.runtime.advance(1_000)
  }
  expect(new Set(asked.map(({ id }) => id)).size).toBe(100)
})

test('askAfterMs is a setting, and 0 is never', async () => {
  for (const [askAfterMs, count] of [
    [0, 0],
    [MINUTE_MS, 1],
  ] as const) {
    const { world, engine, asked } = await standingStill(1, { jobs: { askAfterMs } })
    await world.runtime.advance(2 * MINUTE_MS)
    await engine.tick()
    expect(asked).toHaveLength(count)
  }
})

test('a listed job that the worker does not know, asked twice over the grace, is lost', async () => {
  const { world, engine } = await standingStill(2, { lost: { graceMs: MINUTE_MS } })
  world.worker.loseJob('i0')
  await world.runtime.advance(5 * MINUTE_MS)
  expect(await engine.tick()).toMatchObject({ lost: 0, processing: 2 })
  await world.runtime.advance(5 * MINUTE_MS)
  expect(await engine.tick()).toMatchObject({ lost: 1, processing: 1 })
  expect(await world.queue.lookup('i0')).toMatchObject({ stage: 'FAIL', failureClass: 'lost' })
})

test('not by incomplete polls: then it is not known to be gone', async () => {
  const { world, worker, engine } = await standingStill(1, { lost: { graceMs: 0 } })
  const still = await worker.pollAllStatus()
  worker.pollAllStatus = async (): Promise<JobReports> => Object.assign(new Map(still), { complete: false })
  world.worker.loseJob('i0')
  for (let minute = 0; minute < 60; minute++) {
    await world.runtime.advance(MINUTE_MS)
    expect(await engine.tick()).toMatchObject({ lost: 0, processing: 1 })
  }
})

test('a quiet job whose look-up fails is asked for later, and the tick is no outage', async () => {
  const { world, worker, engine, asked } = await standingStill(3)
  worker.troubleItem('i1', { calls: ['lookupJob'] })
  for (const id of ['i0', 'i2']) world.worker.settleJob(id, { stage: 'SUCCESS' })
  await world.runtime.advance(5 * MINUTE_MS)
  const result = await engine.tick()
  expect(result).toMatchObject({ settled: { success: 2 } })
  expect(result.unavailable).toBeUndefined()
  expect(asked).toHaveLength(3)
  expect((await engine.tick()).unavailable).toBeUndefined()
  expect(asked).toHaveLength(3)
})
