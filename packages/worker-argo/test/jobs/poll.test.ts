import type { JobRef } from '@sluice/core'
import { ManualRuntime } from '@sluice/testkit'
import { answerWith, type ArgoServerOptions, type ArgoVersion } from '@sluice/fake-argo'
import { afterEach, describe, expect, test } from 'vitest'
import type { ArgoWorker } from '../../src/index.js'
import { annotationsOfJob, labelsOfJob, nameJob } from '../../src/jobs/job-name.js'
import { nextCursor, unfinishedWorkflows } from '../../src/workflow/workflow-pages.js'
import { ArgoBench, eventually, jobOf, send } from '../argo-bench.js'

let bench: ArgoBench
afterEach(() => bench.close())

/** A worker with `count` jobs that run until the test ends them, on a clock that stands still. */
async function running(count: number, options: ArgoServerOptions = {}) {
  const runtime = new ManualRuntime()
  bench = await ArgoBench.start({ runtime, controller: { reconcileDelayMs: 0 }, ...options })
  const worker = await bench.open({ runtime })
  const jobs = Array.from({ length: count }, (_, index) => jobOf(`i${index}`))
  for (const job of jobs) await send(worker, job, { mode: 'hang' })
  return { worker, jobs, runtime, server: bench.server, names: jobs.map((job) => bench.nameOf(job)) }
}

/** Polls until each of these is known to run: from then on no poll asks for it again. */
async function untilKnown(
  worker: ArgoWorker,
  jobs: readonly JobRef[],
  runtime: ManualRuntime,
): Promise<void> {
  await worker.pollAllStatus(jobs)
  await eventually('each job is known to run', async () => {
    await runtime.advance(10_000)
    return [...(await worker.pollAllStatus(jobs)).values()].every(({ pending }) => pending === false)
  })
}

async function stages(worker: ArgoWorker, awaited?: readonly JobRef[]): Promise<Record<string, string>> {
  const reports = await worker.pollAllStatus(awaited)
  return Object.fromEntries([...reports].map(([id, { stage }]) => [id, stage]))
}

/** Finished workflows of the queue, long settled, as they are kept. */
function kept(count: number, at: number, prefix = 'old') {
  return Array.from({ length: count }, (_, index) => {
    const job = nameJob('tiles', jobOf(`${prefix}${index}`))
    const labels = labelsOfJob('tiles', job)
    return {
      name: job.workflow,
      labels,
      annotations: annotationsOfJob('tiles', job),
      at: at - 3_600_000 + index,
    }
  })
}

describe('what a poll costs', () => {
  test.each([0, 50_000])(
    'with 200 running and %i finished ones kept: 10 requests and 500 KB at most',
    async (retained) => {
      const { worker, jobs, server, runtime } = await running(200)
      server.workflows.seed(kept(retained, runtime.now()))
      const fresh = await bench.open({ runtime })
      for (const each of [worker, fresh]) await untilKnown(each, jobs, runtime)
      for (const each of [worker, fresh, worker]) {
        await runtime.advance(10_000)
        server.resetCounts()
        expect((await each.pollAllStatus(jobs)).size).toBe(200)
        const { requests, answerBytes } = server.total()
        expect(requests).toBeLessThanOrEqual(2)
        expect(answerBytes).toBeLessThan(300_000)
      }
      server.resetCounts()
      expect((await worker.pollAllStatus()).size).toBe(200 + Math.min(retained, 100))
      expect(server.total().requests).toBeLessThanOrEqual(10)
      expect(server.total().answerBytes).toBeLessThan(500_000)
    },
  )

  test('each that ends costs one question more, once', async () => {
    const { worker, jobs, server, names } = await running(20)
    await worker.pollAllStatus(jobs)
    for (const name of names.slice(0, 2)) server.workflows.finish(name)
    server.resetCounts()
    const found = await stages(worker, jobs)
    expect(Object.values(found).filter((stage) => stage === 'SUCCESS')).toHaveLength(2)
    expect(server.traffic()).toMatchObject({ ListWorkflows: { requests: 1 }, GetWorkflow: { requests: 2 } })
    server.resetCounts()
    expect(await stages(worker, jobs)).toEqual(found)
    expect(server.total().requests).toBe(1)
  })
})

describe('a page', () => {
  test.each<[string, { continue?: string | null }, number, number, string | undefined]>([
    ['with a cursor', { continue: '200' }, 200, 200, '200'],
    ['with an opaque cursor, not full', { continue: 'eyJ2' }, 3, 3, 'eyJ2'],
    ['that is full, without a cursor', {}, 200, 400, '400'],
    ['that is not full', {}, 199, 199, undefined],
    ['that is empty, though it has a cursor', { continue: '200' }, 0, 200, undefined],
  ])('%s', (_, metadata, rows, offset, next) => {
    const items = Array.from({ length: rows }, () => ({ metadata: { name: 'a', uid: 'u' } }))
    expect(nextCursor({ metadata, items }, offset)).toBe(next)
  })

  test.each<[ArgoVersion, boolean, boolean]>([
    ['3.5.15', false, false],
    ['3.6.19', false, true],
    ['3.7.18', false, false],
    ['4.0.10', true, false],
    ['4.1.2', true, true],
    ['4.1.2', false, false],
  ])(
    'after the other all are found, on %s (continue bug: %s, archive: %s)',
    async (version, continueBug, archive) => {
      const { worker, jobs, server, runtime, names } = await running(450, {
        version,
        rules: { continueBug },
        archive,
      })
      server.workflows.seed(kept(30, runtime.now()))
      for (const name of names.slice(0, 40)) server.workflows.finish(name)
      const fresh = await bench.open({ runtime })
      const reports = await fresh.pollAllStatus(jobs)
      expect([...reports.values()].filter(({ stage }) => stage === 'PROCESSING')).toHaveLength(410)
      expect(Object.values(await stages(worker, jobs)).filter((stage) => stage === 'SUCCESS')).toHaveLength(
        40,
      )
    },
  )
})

describe('a list that lies', () => {
  test('one of a server that was just started is no list: each is asked for by name, and the poll says so', async () => {
    const { worker, jobs, server, runtime, names } = await running(5)
    await worker.pollAllStatus(jobs)
    server.main.restart(10_000)
    server.workflows.finish(names[3]!)
    for (const awaited of [jobs, undefined]) {
      const reports = await worker.pollAllStatus(awaited)
      expect(reports).toMatchObject({
        complete: false,
        incompleteReason: expect.stringContaining('has not read its workflows yet'),
      })
      expect([...reports.values()].filter(({ stage }) => stage === 'PROCESSING')).toHaveLength(4)
      expect(reports.get('i3')).toMatchObject({ stage: 'SUCCESS' })
    }
    const fresh = await bench.open({ runtime })
    await expect(fresh.pollAllStatus()).rejects.toThrow(/has not read its workflows yet/u)
    await runtime.advance(10_000)
    const reports = await worker.pollAllStatus(jobs)
    expect([reports.size, reports.complete]).toEqual([5, undefined])
  })

  test('one that lags behind: what isn’t in it yet is asked for, seldom; what is over in it no longer runs', async () => {
    const { worker, jobs, server, runtime, names } = await running(3, { listLagMs: 30_000 })
    expect(Object.values(await stages(worker, jobs))).toEqual(['PROCESSING', 'PROCESSING', 'PROCESSING'])
    server.resetCounts()
    for (let tick = 0; tick < 60; tick++) {
      await runtime.advance(500)
      await worker.pollAllStatus(jobs)
    }
    // In thirty seconds: after 2, 6, 14, 30.
    expect(server.traffic().GetWorkflow.requests).toBeLessThanOrEqual(3 * 4)
    expect((await worker.pollAllStatus(jobs)).size).toBe(3)
    server.workflows.finish(names[0]!)
    await worker.lookupJob(jobs[0]!)
    expect(await stages(worker, jobs)).toMatchObject({ i0: 'SUCCESS', i1: 'PROCESSING' })
    await worker.acknowledgeJobs([jobs[0]!])
    for (let tick = 0; tick < 40; tick++) {
      expect(await stages(worker, jobs)).toEqual({ i1: 'PROCESSING', i2: 'PROCESSING' })
      await runtime.advance(1_000)
    }
  })

  test('one that is short changes nothing: each that is missing is asked for', async () => {
    const { worker, jobs, server } = await running(5)
    await worker.pollAllStatus(jobs)
    server.main.onRequest = ({ operation }) =>
      operation === 'ListWorkflows'
        ? {
            do: 'answer',
            answer: {
              status: 200,
              headers: { 'content-type': 'application/json' },
              body: '{"metadata":{"resourceVersion":"9"},"items":null}',
            },
          }
        : undefined
    expect(Object.values(await stages(worker, jobs))).toEqual(Array.from({ length: 5 }, () => 'PROCESSING'))
  })

  test('one that shows an old end of what was retried since is not believed', async () => {
    const { worker, jobs, server, runtime, names } = await running(1)
    await worker.pollAllStatus(jobs)
    server.workflows.finish(names[0]!, { phase: 'Failed' })
    // From here on the lists are behind by more than the test lasts.
    server.main.replica.listLagMs = 3_600_000
    server.operator.retry(names[0]!)
    await runtime.advance(0)
    expect(await stages(worker, jobs)).toEqual({ i0: 'PROCESSING' })
  })

  test('rows of one workflow twice, live and archived, are one', async () => {
    const { worker, jobs, server, runtime, names } = await running(2, {
      archive: true,
      controller: { reconcileDelayMs: 0, archiveOverlapMs: 60_000 },
    })
    server.workflows.finish(names[0]!)
    await runtime.advance(1)
    const fresh = await bench.open({ runtime })
    expect(await stages(fresh)).toEqual({ i0: 'SUCCESS', i1: 'PROCESSING' })
    expect(await stages(worker, jobs)).toEqual({ i0: 'SUCCESS', i1: 'PROCESSING' })
  })
})

describe('what is absent', () => {
  test('from live and archive is said of no list, but by lookupJob', async () => {
    const { worker, jobs, server, names } = await running(2)
    await worker.pollAllStatus(jobs)
    server.operator.delete(names[0]!)
    expect(await stages(worker, jobs)).toEqual({ i1: 'PROCESSING' })
    expect(await worker.lookupJob(jobs[0]!)).toBeUndefined()
  })

  test('from live is found in the archive, with its evidence', async () => {
    const { worker, jobs, server, runtime, names } = await running(1, { archive: true })
    server.workflows.finish(names[0]!, { phase: 'Failed', exitCode: 3 })
    await runtime.advance(1)
    server.workflows.expire(names[0]!)
    expect(server.workflows.size).toBe(0)
    expect(await worker.lookupJob(jobs[0]!)).toMatchObject({
      stage: 'FAIL',
      message: 'main: Error (exit code 3)',
      details: { exitCode: 3, archived: true },
    })
  })

  test('from GET, and found in the archive by its label, as on older servers', async () => {
    const { worker, jobs, server, runtime, names } = await running(1, { archive: true })
    server.workflows.finish(names[0]!, { phase: 'Failed', exitCode: 3 })
    await runtime.advance(1)
    server.workflows.expire(names[0]!)
    server.main.onRequest = ({ operation }) =>
      operation === 'GetWorkflow' ? answerWith('not-found') : undefined
    expect(await worker.lookupJob(jobs[0]!)).toMatchObject({ stage: 'FAIL', details: { exitCode: 3 } })
  })

  test('where there is no archive to ask is absent', async () => {
    const { worker, server } = await running(1)
    server.main.onRequest = ({ operation }) =>
      operation === 'ListArchivedWorkflows' ? answerWith('not-implemented') : undefined
    expect(await worker.lookupJob(jobOf('never'))).toBeUndefined()
  })

  test('is not known while the archive may not be asked', async () => {
    const { worker, server } = await running(1)
    server.main.onRequest = ({ operation }) =>
      operation === 'ListArchivedWorkflows' ? answerWith('forbidden') : undefined
    await expect(worker.lookupJob(jobOf('never'))).rejects.toMatchObject({ code: 'SLUICE_WORKER_DENIED' })
  })

  test.each(['unavailable', 'internal', 'proxy-502'] as const)(
    'is not known while the archive does not answer (%s)',
    async (trouble) => {
      const { worker, server } = await running(1)
      server.main.onRequest = ({ operation }) =>
        operation === 'ListArchivedWorkflows' ? answerWith(trouble) : undefined
      await expect(worker.lookupJob(jobOf('never'))).rejects.toMatchObject({
        code: 'SLUICE_WORKER_UNAVAILABLE',
      })
    },
  )
})

test('one workflow that can’t be read hides no other one', async () => {
  const { worker, jobs, server, names } = await running(2)
  await worker.pollAllStatus(jobs)
  for (const name of names) server.workflows.finish(name)
  server.main.onRequest = ({ operation, name }) =>
    operation === 'GetWorkflow' && name === names[1] ? answerWith('internal') : undefined
  expect(await stages(worker, jobs)).toEqual({ i0: 'SUCCESS', i1: 'PROCESSING' })
})

test('nodes that can’t be read are left out, and the outcome is told', async () => {
  const { worker, jobs, server, names } = await running(1)
  await worker.pollAllStatus(jobs)
  server.workflows.finish(names[0]!, { phase: 'Failed', message: 'child failed' })
  server.main.onRequest = ({ operation, query }) =>
    operation === 'GetWorkflow' && query.get('fields')?.includes('status.nodes')
      ? answerWith('internal')
      : undefined
  expect((await worker.pollAllStatus(jobs)).get('i0')).toMatchObject({
    stage: 'FAIL',
    message: 'child failed',
  })
})

test('a workflow that the controller has not looked at yet, and one that waits for a slot, are running', async () => {
  const { worker, jobs, server, runtime } = await running(2, {
    controller: { reconcileDelayMs: 5_000, parallelism: 1 },
  })
  expect(await stages(worker, jobs)).toEqual({ i0: 'PROCESSING', i1: 'PROCESSING' })
  await runtime.advance(6_000)
  expect(server.workflows.all('workflows.argoproj.io/phase=Pending')).toHaveLength(1)
  const reports = await worker.pollAllStatus(jobs)
  expect([...reports.values()].map(({ message }) => message ?? '')).toContainEqual(
    expect.stringContaining('too many workflows are already running'),
  )
})

test('more than the pages that a list may have are not asked for', async () => {
  bench = await ArgoBench.start()
  let asked = 0
  const api = {
    get: async () => {
      asked += 1
      const items = [{ metadata: { name: `w${asked}`, uid: `u${asked}` } }]
      return {
        kind: 'answer' as const,
        status: 200,
        json: { metadata: { resourceVersion: '1', continue: 'more' }, items },
      }
    },
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one method that is called
  const rows = await unfinishedWorkflows({ api: api as never, settings: { name: 'q', namespace: 'argo' } })
  expect(rows).toHaveLength(asked)
  expect(asked).toBeLessThan(1_000)
})
