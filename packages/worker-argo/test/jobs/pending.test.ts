import { ManualRuntime } from '@sluice/testkit'
import { answerWith, type ArgoServer, type ArgoServerOptions } from '@sluice/fake-argo'
import { afterEach, describe, expect, test } from 'vitest'
import type { ArgoWorkerOptions } from '../../src/index.js'
import { ArgoBench, eventually, jobOf, send } from '../argo-bench.js'

const IMAGE = 'ImagePullBackOff: Back-off pulling image "nope:1"'
const LOCK = 'Waiting for argo/Mutex/one lock. Lock status: 0/1'

let bench: ArgoBench
afterEach(() => bench.close())

/** A worker with so many jobs; the controller takes them up at once, and nothing ends by itself. */
async function sent(
  count: number,
  options: ArgoServerOptions = {},
  workerOptions: Partial<ArgoWorkerOptions> = {},
) {
  const runtime = new ManualRuntime()
  bench = await ArgoBench.start({ runtime, controller: { reconcileDelayMs: 0 }, ...options })
  const worker = await bench.open({ runtime, ...workerOptions })
  const jobs = Array.from({ length: count }, (_, index) => jobOf(`i${index}`))
  for (const job of jobs) await send(worker, job, { mode: 'hang' })
  await runtime.advance(0)
  const names = jobs.map((job) => bench.nameOf(job))
  return { worker, jobs, runtime, server: bench.server, names }
}

function gets(server: ArgoServer): number {
  return server.traffic().GetWorkflow.requests
}

describe('a job that does not begin', () => {
  test.each([
    IMAGE,
    'ErrImagePull: manifest unknown',
    'CreateContainerConfigError: configmap "nope" not found',
    'Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.',
  ])('though its workflow is Running without a message, is pending, and says why: %s', async (message) => {
    const { worker, jobs, server, runtime, names } = await sent(2)
    server.workflows.holdUp(names[0]!, message)
    expect(server.workflows.get(names[0]!)?.status).toMatchObject({ phase: 'Running' })
    expect((await worker.pollAllStatus(jobs)).get('i0')?.pending).toBeUndefined()
    await runtime.advance(10_000)
    const reports = await worker.pollAllStatus(jobs)
    expect(reports.get('i0')).toMatchObject({
      stage: 'PROCESSING',
      pending: true,
      message: `main: ${message}`,
      details: { workflow: names[0], phase: 'Running', url: expect.stringContaining(names[0]!) },
    })
    expect(reports.get('i1')).toMatchObject({ stage: 'PROCESSING', pending: false })
    expect(reports.get('i1')).not.toHaveProperty('message')
    expect(await worker.lookupJob(jobs[0]!)).toMatchObject({ pending: true, message: `main: ${message}` })
  })

  test('is asked for again after a minute, and no more once it runs', async () => {
    const { worker, jobs, server, runtime, names } = await sent(1)
    server.workflows.holdUp(names[0]!, IMAGE)
    await runtime.advance(10_000)
    server.resetCounts()
    await worker.pollAllStatus(jobs)
    expect(gets(server)).toBe(1)
    await runtime.advance(59_000)
    expect((await worker.pollAllStatus(jobs)).get('i0')).toMatchObject({ pending: true })
    expect(gets(server)).toBe(1)
    server.workflows.begin(names[0]!)
    await runtime.advance(1_000)
    expect((await worker.pollAllStatus(jobs)).get('i0')).toMatchObject({ pending: false })
    expect(gets(server)).toBe(2)
    for (let minute = 0; minute < 5; minute++) {
      await runtime.advance(60_000)
      const report = (await worker.pollAllStatus(jobs)).get('i0')
      expect(report).toMatchObject({ pending: false })
      expect(report).not.toHaveProperty('message')
    }
    expect(gets(server)).toBe(2)
  })

  test('for want of a slot says so in the list: it is not asked for', async () => {
    const { worker, jobs, server, runtime } = await sent(2, {
      controller: { reconcileDelayMs: 0, parallelism: 1 },
    })
    server.resetCounts()
    expect((await worker.pollAllStatus(jobs)).get('i1')).toMatchObject({
      pending: true,
      message: 'Workflow processing has been postponed because too many workflows are already running',
      details: { phase: 'Pending' },
    })
    await runtime.advance(600_000)
    await worker.pollAllStatus(jobs)
    expect(gets(server)).toBe(1)
  })

  test('for want of a lock says so; what tells it to end is said beside it', async () => {
    const { worker, jobs, server, runtime, names } = await sent(2, {
      controller: { reconcileDelayMs: Number.POSITIVE_INFINITY, terminatedWaiter: 'with-lock' },
    })
    for (const name of names) server.workflows.waitForLock(name, LOCK)
    expect((await worker.pollAllStatus(jobs)).get('i0')).toMatchObject({ pending: true, message: LOCK })
    await worker.cancelJob(jobs[0]!, 'no longer wanted')
    server.operator.stop(names[1]!)
    await runtime.advance(60_000)
    const reports = await worker.pollAllStatus(jobs)
    for (const [id, strategy] of [
      ['i0', 'Terminate'],
      ['i1', 'Stop'],
    ] as const) {
      expect(reports.get(id)).toMatchObject({
        stage: 'PROCESSING',
        pending: true,
        message: `told to end (${strategy}), and ends when the lock is free (${LOCK})`,
        details: { shutdown: strategy },
      })
    }
    expect(await worker.lookupJob(jobs[0]!)).toMatchObject({
      message: expect.stringContaining('lock is free'),
    })
    for (const name of names) server.workflows.freeLock(name)
    const ended = await worker.pollAllStatus(jobs)
    expect(ended.get('i0')).toMatchObject({ stage: 'FAIL', failureClass: 'killed' })
    expect(ended.get('i1')).toMatchObject({ stage: 'FAIL', failureClass: 'killed' })
  })

  test('for want of a slot, told to end: it ends at its turn', async () => {
    const { worker, jobs, server, runtime, names } = await sent(2, {
      controller: { reconcileDelayMs: 0, parallelism: 1 },
    })
    await worker.cancelJob(jobs[1]!, 'no longer wanted')
    await runtime.advance(1_000)
    expect((await worker.pollAllStatus(jobs)).get('i1')).toMatchObject({
      pending: true,
      message: expect.stringMatching(
        /^told to end \(Terminate\), and ends at its turn \(Workflow processing/u,
      ),
    })
    server.workflows.finish(names[0]!)
    expect((await worker.pollAllStatus(jobs)).get('i1')).toMatchObject({
      stage: 'FAIL',
      failureClass: 'killed',
    })
  })

  test('because the controller has not taken it up is pending, from the send on', async () => {
    const { worker, jobs } = await sent(1, { controller: { reconcileDelayMs: 3_600_000 } })
    const pending = { pending: true, message: 'the workflow controller has not taken it up yet' }
    expect((await worker.pollAllStatus(jobs)).get('i0')).toMatchObject(pending)
    expect(await worker.lookupJob(jobs[0]!)).toMatchObject(pending)
  })

  test('because an operator suspended it says so', async () => {
    const { worker, jobs, server, runtime, names } = await sent(1, {
      controller: { reconcileDelayMs: 1_000 },
    })
    server.operator.suspend(names[0]!)
    await runtime.advance(1_000)
    expect((await worker.pollAllStatus(jobs)).get('i0')).toMatchObject({
      message: 'suspended at Argo: it goes on when it is resumed there',
    })
  })
})

test('what was seen to run is not pending again by a list that lags behind', async () => {
  const { worker, jobs, server, runtime } = await sent(1, { controller: { reconcileDelayMs: 1_000 } })
  expect((await worker.pollAllStatus(jobs)).get('i0')).toMatchObject({ pending: true })
  server.main.replica.listLagMs = 3_600_000
  await runtime.advance(1_000)
  expect(await worker.lookupJob(jobs[0]!)).toMatchObject({ pending: false })
  const report = (await worker.pollAllStatus(jobs)).get('i0')
  expect(report).toMatchObject({ stage: 'PROCESSING', pending: false })
  expect(report).not.toHaveProperty('message')
})

describe('what is asked to find out what does not begin', () => {
  test('is at most twenty in any second, however often is polled, the oldest first, each once', async () => {
    const { worker, jobs, server, runtime, names } = await sent(300)
    await worker.pollAllStatus(jobs)
    await runtime.advance(9_000)
    server.resetCounts()
    await worker.pollAllStatus(jobs)
    expect(gets(server)).toBe(0)
    await runtime.advance(1_000)
    for (let poll = 0; poll < 5; poll++) await worker.pollAllStatus(jobs)
    expect(gets(server)).toBe(20)
    const counts: number[] = []
    for (let second = 0; second < 20; second++) {
      const before = gets(server)
      await runtime.advance(1_000)
      await worker.pollAllStatus(jobs)
      // What goes on between the polls is answered in its own time.
      await eventually(
        'the questions of this second are answered',
        () => gets(server) >= Math.min(300, before + 20),
      )
      counts.push(gets(server) - before)
    }
    expect(Math.max(...counts)).toBe(20)
    const asked = server.main.requests.filter(({ operation }) => operation === 'GetWorkflow')
    // Some of one second are under way together.
    for (let at = 0; at < 300; at += 20) {
      const second = asked.slice(at, at + 20).map(({ name }) => name)
      expect(new Set(second)).toEqual(new Set(names.slice(at, at + 20)))
    }
    expect([...(await worker.pollAllStatus(jobs)).values()].every(({ pending }) => pending === false)).toBe(
      true,
    )
  })

  test('goes on between polls, at its pace', async () => {
    const { worker, jobs, server, runtime } = await sent(60)
    await runtime.advance(10_000)
    server.resetCounts()
    await worker.pollAllStatus(jobs)
    await eventually('it goes on', async () => {
      await runtime.advance(100)
      return gets(server) === 60
    })
    await worker.pollAllStatus(jobs)
    expect(gets(server)).toBe(60)
  })

  test('is only about the jobs that are waited for, where that is known', async () => {
    const { worker, jobs, server, runtime } = await sent(4)
    await runtime.advance(10_000)
    server.resetCounts()
    await worker.pollAllStatus(jobs.slice(0, 1))
    expect(gets(server)).toBe(1)
  })

  test('is asked by a new process again', async () => {
    const { worker, jobs, server, runtime, names } = await sent(2)
    server.workflows.holdUp(names[0]!, IMAGE)
    await runtime.advance(10_000)
    await worker.pollAllStatus(jobs)
    const fresh = await bench.open({ runtime })
    await fresh.pollAllStatus(jobs)
    await runtime.advance(10_000)
    server.resetCounts()
    const reports = await fresh.pollAllStatus(jobs)
    expect([reports.get('i0')?.pending, reports.get('i1')?.pending]).toEqual([true, false])
    expect(gets(server)).toBe(2)
  })

  test('is not asked where a step of a job is done: something of it has run', async () => {
    const { worker, jobs, server, runtime, names } = await sent(1)
    server.workflows.progress(names[0]!, '1/3')
    await runtime.advance(10_000)
    server.resetCounts()
    expect((await worker.pollAllStatus(jobs)).get('i0')).toMatchObject({ pending: false })
    expect(gets(server)).toBe(0)
  })

  test('that is not answered leaves the poll as it is, and is asked again later', async () => {
    const { worker, jobs, server, runtime, names } = await sent(1)
    server.workflows.holdUp(names[0]!, IMAGE)
    await runtime.advance(10_000)
    server.main.onRequest = ({ operation }) =>
      operation === 'GetWorkflow' ? answerWith('unavailable') : undefined
    const reports = await worker.pollAllStatus(jobs)
    expect(reports.complete).toBeUndefined()
    expect(reports.get('i0')?.pending).toBeUndefined()
    server.main.onRequest = undefined
    await runtime.advance(60_000)
    expect((await worker.pollAllStatus(jobs)).get('i0')).toMatchObject({ pending: true })
  })

  test('keeps no job that ended from being retried in place; what is retried has run', async () => {
    const retryInPlace = { on: ['evicted'], limit: 1 }
    const { worker, jobs, server, runtime, names } = await sent(1, {}, { retryInPlace })
    await worker.pollAllStatus(jobs)
    server.main.replica.listLagMs = 3_600_000
    server.operator.deletePod(names[0]!)
    await runtime.advance(10_000)
    const retried = { stage: 'PROCESSING', pending: false }
    expect((await worker.pollAllStatus(jobs)).get('i0')).toMatchObject(retried)
    expect(server.traffic().RetryWorkflow.requests).toBe(1)
    server.main.replica.listLagMs = 0
    await runtime.advance(60_000)
    server.workflows.holdUp(names[0]!, IMAGE)
    expect((await worker.pollAllStatus(jobs)).get('i0')).toMatchObject(retried)
  })
})
