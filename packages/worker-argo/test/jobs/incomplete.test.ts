import type { JobRef, JobReport } from '@sluice/core'
import { ManualRuntime } from '@sluice/testkit'
import { answerWith, type ArgoOperation, type ArgoServer } from '@sluice/fake-argo'
import { afterEach, describe, expect, test } from 'vitest'
import type { ArgoWorkerOptions } from '../../src/index.js'
import { ArgoBench, jobOf, send } from '../argo-bench.js'
import { serviceOn } from '../service-bench.js'

let bench: ArgoBench
afterEach(() => bench.close())

/** A worker with `count` jobs that run until the test ends them, on a clock that stands still. */
async function running(count: number, options: Partial<ArgoWorkerOptions> = {}) {
  const runtime = new ManualRuntime()
  bench = await ArgoBench.start({ runtime, controller: { reconcileDelayMs: 0 } })
  const worker = await bench.open({ runtime, ...options })
  const jobs = Array.from({ length: count }, (_, index) => jobOf(`i${index}`))
  for (const job of jobs) await send(worker, job, { mode: 'hang' })
  const { server } = bench
  return { worker, jobs, runtime, server, names: jobs.map((job) => bench.nameOf(job)) }
}

/** Lists fail, and what else is said. */
function failing(server: ArgoServer, ...operations: ArgoOperation[]): void {
  server.main.onRequest = ({ operation }) =>
    ['ListWorkflows', ...operations].includes(operation) ? answerWith('unavailable') : undefined
}

/** Lists are answered when the promise is settled. */
function holding(server: ArgoServer, until: Promise<unknown>): void {
  server.main.onRequest = ({ operation }) =>
    operation === 'ListWorkflows' ? { do: 'hold', until } : undefined
}

function asked(server: ArgoServer): string[] {
  return server.main.requests.filter(({ operation }) => operation === 'GetWorkflow').map(({ name }) => name)
}

const idsOf = (jobs: readonly JobRef[]) => jobs.map(({ id }) => id)

describe('while lists fail', () => {
  test('awaited jobs are asked for by name: their outcomes are read, and the poll says that it is not complete', async () => {
    const { worker, jobs, server, names } = await running(5)
    await worker.pollAllStatus(jobs)
    failing(server)
    server.workflows.finish(names[1]!, { outputs: { result: '7' } })
    server.workflows.finish(names[2]!, { phase: 'Failed', exitCode: 3 })
    const reports = await worker.pollAllStatus(jobs)
    expect(reports).toMatchObject({ complete: false, incompleteReason: expect.stringContaining('503') })
    expect(reports.get('i1')).toMatchObject({ stage: 'SUCCESS', result: { result: '7' } })
    expect(reports.get('i2')).toMatchObject({ stage: 'FAIL', details: { exitCode: 3 } })
    expect(idsOf(jobs).map((id) => reports.get(id)?.stage)).toEqual([
      'PROCESSING',
      'SUCCESS',
      'FAIL',
      'PROCESSING',
      'PROCESSING',
    ])
    server.main.onRequest = undefined
    expect((await worker.pollAllStatus(jobs)).complete).toBeUndefined()
  })

  test('a process that knows nothing yet asks for them too; what is not awaited is as last known', async () => {
    const { worker, jobs, server, runtime, names } = await running(4)
    await worker.pollAllStatus(jobs)
    failing(server)
    for (const name of names) server.workflows.finish(name)
    const fresh = await bench.open({ runtime })
    const reports = await fresh.pollAllStatus(jobs.slice(0, 2))
    expect([...reports].map(([id, { stage }]) => [id, stage])).toEqual([
      ['i0', 'SUCCESS'],
      ['i1', 'SUCCESS'],
    ])
    const known = await worker.pollAllStatus(jobs.slice(0, 2))
    expect(known.get('i0')).toMatchObject({ stage: 'SUCCESS' })
    expect(known.get('i3')).toBeDefined()
  })

  test('a job that the server does not have is no failure, and its absence no report', async () => {
    const { worker, jobs, server, names } = await running(2)
    await worker.pollAllStatus(jobs)
    failing(server)
    server.operator.delete(names[0]!)
    const reports = await worker.pollAllStatus([...jobs, jobOf('never sent')])
    expect([...reports.keys()]).toEqual(['i1'])
  })

  test('no second has more look-ups than the budget, and each job gets its turn, the oldest first', async () => {
    const { worker, jobs, server, runtime, names } = await running(500)
    await worker.pollAllStatus(jobs)
    failing(server)
    server.resetCounts()
    for (const name of names) server.workflows.finish(name)
    const finished = async () =>
      [...(await worker.pollAllStatus(jobs)).values()].filter(({ stage }) => stage === 'SUCCESS').length
    for (let tick = 0; tick < 5; tick++) expect(await finished()).toBe(200)
    expect(new Set(asked(server))).toEqual(new Set(names.slice(0, 200)))
    await runtime.advance(999)
    expect(await finished()).toBe(200)
    await runtime.advance(1)
    expect(await finished()).toBe(400)
    await runtime.advance(1_000)
    expect(await finished()).toBe(500)
    expect(asked(server)).toHaveLength(500)
    expect(server.main.maxInFlight).toBeLessThanOrEqual(16)
  })

  test('the budget is one for polls and look-ups; a look-up waits its turn', async () => {
    const { worker, jobs, server, runtime } = await running(10, { lookupsPerSecond: 10 })
    await worker.pollAllStatus(jobs)
    failing(server)
    server.resetCounts()
    await worker.pollAllStatus(jobs)
    expect(asked(server)).toHaveLength(10)
    let answered = false
    const waits = worker.lookupJob(jobs[0]!).then(() => (answered = true))
    await runtime.advance(999)
    expect([asked(server).length, answered]).toEqual([10, false])
    await runtime.advance(1)
    await waits
    expect(asked(server)).toHaveLength(11)
  })

  test('and nothing else is answered either, the poll says unavailable, after few questions', async () => {
    const { worker, jobs, server, runtime } = await running(50)
    await worker.pollAllStatus(jobs)
    failing(server, 'GetWorkflow')
    server.resetCounts()
    for (let poll = 0; poll < 2; poll++)
      await expect(worker.pollAllStatus(jobs)).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
    expect(asked(server).length).toBeLessThanOrEqual(2 * 2 * 2)
    // The lists asked to be left alone: there is none to fail, and still nothing is known.
    server.main.onRequest = () => answerWith('rate-limited')
    await expect(worker.pollAllStatus(jobs)).rejects.toMatchObject({ retryAfterMs: expect.any(Number) })
    await expect(worker.pollAllStatus(jobs)).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
    server.resetCounts()
    failing(server)
    // So did the questions by name: none is asked before.
    await expect(worker.pollAllStatus(jobs)).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
    await expect(worker.lookupJob(jobOf('i0'))).rejects.toMatchObject({ retryAfterMs: expect.any(Number) })
    expect(asked(server)).toEqual([])
    await runtime.advance(2_000)
    expect(await worker.pollAllStatus(jobs)).toMatchObject({ size: 50, complete: false })
  })

  test('and there is nothing to ask for, the poll says unavailable', async () => {
    const { worker, server } = await running(0)
    failing(server)
    await expect(worker.pollAllStatus([])).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
  })

  test('some that can’t be read keep no other from being asked, poll after poll', async () => {
    const { worker, jobs, server, runtime, names } = await running(8, { lookupsPerSecond: 4 })
    await worker.pollAllStatus(jobs)
    const unreadable = new Set(names.slice(0, 3))
    server.main.onRequest = ({ operation, name }) =>
      operation === 'ListWorkflows' || (operation === 'GetWorkflow' && unreadable.has(name))
        ? answerWith('unavailable')
        : undefined
    for (const name of names.slice(0, 7)) server.workflows.finish(name)
    const ended = new Set<string>()
    for (let tick = 0; tick < 6; tick++) {
      const reports = await worker.pollAllStatus(jobs).catch(() => new Map<string, JobReport>())
      for (const [id, { stage }] of reports) if (stage === 'SUCCESS') ended.add(id)
      await runtime.advance(1_000)
    }
    expect([...ended].toSorted()).toEqual(idsOf(jobs.slice(3, 7)))
  })

  test('refused credentials are no outage', async () => {
    const { worker, jobs, server } = await running(2)
    server.main.onRequest = ({ operation }) =>
      operation === 'ListWorkflows' ? answerWith('forbidden') : undefined
    await expect(worker.pollAllStatus(jobs)).rejects.toMatchObject({ code: 'SLUICE_WORKER_DENIED' })
    failing(server)
    server.rotateToken('another')
    await expect(worker.pollAllStatus(jobs)).rejects.toMatchObject({ code: 'SLUICE_WORKER_DENIED' })
  })
})

describe('while lists are late', () => {
  test('one that is given up at its deadline is followed by a pause, which doubles; never are there two at once', async () => {
    const { worker, jobs, server, runtime, names } = await running(3, { listTimeoutMs: 100 })
    await worker.pollAllStatus(jobs)
    const never = Promise.withResolvers<void>()
    holding(server, never.promise)
    server.resetCounts()
    const lists = () => server.traffic().ListWorkflows.requests
    server.workflows.finish(names[0]!)
    expect(await worker.pollAllStatus(jobs)).toMatchObject({ complete: false })
    expect((await worker.pollAllStatus(jobs)).get('i0')).toMatchObject({ stage: 'SUCCESS' })
    const counts: number[] = []
    for (const waitMs of [14_999, 1, 29_999, 1]) {
      await runtime.advance(waitMs)
      await worker.pollAllStatus(jobs)
      counts.push(lists())
    }
    expect(counts).toEqual([1, 2, 2, 3])
    server.main.onRequest = undefined
    await runtime.advance(60_000)
    expect((await worker.pollAllStatus(jobs)).complete).toBeUndefined()
    // A list that was read resets what was given up.
    holding(server, never.promise)
    await worker.pollAllStatus(jobs)
    server.main.onRequest = undefined
    await runtime.advance(15_000)
    expect((await worker.pollAllStatus(jobs)).complete).toBeUndefined()
    never.resolve()
  })
})

test('the service settles what ended while no list is answered, and loses its place for none', async () => {
  const runtime = new ManualRuntime()
  bench = await ArgoBench.start({ runtime, controller: { reconcileDelayMs: 0 } })
  const worker = await bench.open({ runtime })
  const { engine, queue } = await serviceOn(worker, { items: 10, cap: 10, body: { mode: 'hang' }, runtime })
  await engine.tick()
  expect(await queue.size('PROCESSING')).toBe(10)
  failing(bench.server)
  for (const { metadata } of bench.server.workflows.all().slice(0, 6))
    bench.server.workflows.finish(metadata.name)
  await runtime.advance(10_000)
  expect((await engine.tick()).unavailable).toBeUndefined()
  expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 4, SUCCESS: 6, FAIL: 0 })
})

test('work that is waiting goes on though no list is answered when nothing runs any more', async () => {
  const runtime = new ManualRuntime()
  bench = await ArgoBench.start({ runtime, controller: { reconcileDelayMs: 0 } })
  const worker = await bench.open({ runtime })
  const { engine, queue } = await serviceOn(worker, { items: 6, cap: 2, body: { seconds: '0' }, runtime })
  await engine.tick()
  await runtime.advance(10_000)
  failing(bench.server)
  for (let tick = 0; tick < 6; tick++) {
    expect((await engine.tick()).unavailable).toBeUndefined()
    await runtime.advance(10_000)
  }
  expect(await queue.size('SUCCESS')).toBe(6)
  failing(bench.server, 'GetWorkflow')
  expect((await engine.tick()).unavailable).toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
})
