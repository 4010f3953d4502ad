import { silentLogger } from '@sluice/core'
import { ManualRuntime } from '@sluice/testkit'
import { afterEach, describe, expect, test } from 'vitest'
import type { ArgoWorker, ArgoWorkerOptions } from '../../src/index.js'
import { ArgoBench, eventually, fastClock, jobOf, send } from '../argo-bench.js'

let bench: ArgoBench
afterEach(() => bench.close())

const deletions = (): number => bench.server.traffic().DeleteWorkflow.requests

/** Jobs that have ended, by a worker that has gone since. */
async function ended(count: number, phaseOf: (index: number) => 'Succeeded' | 'Failed'): Promise<void> {
  const former = await bench.open()
  for (let index = 0; index < count; index++) {
    const job = jobOf(`i${index}`)
    await send(former, job, { mode: 'hang' })
    bench.server.workflows.finish(bench.nameOf(job), { phase: phaseOf(index) })
  }
  await former.close()
}

/** What an engine does that waits for none of them: it acknowledges what is reported to have ended. */
async function acknowledgeAll(worker: ArgoWorker): Promise<void> {
  const reports = await worker.pollAllStatus([])
  const refs = [...reports].map(([id, { uid, attempt }]) => ({ id, uid, attempt }))
  await worker.acknowledgeJobs(refs)
}

describe('finished workflows are deleted', () => {
  test.each([
    [undefined, 500],
    [4, 250],
  ])('one after the other, %s a second, and never in a burst', async (deletionsPerSecond, gapMs) => {
    const runtime = new ManualRuntime()
    bench = await ArgoBench.start({ runtime, controller: { reconcileDelayMs: 0 } })
    const options: Partial<ArgoWorkerOptions> = { runtime, deleteFinished: 'all', deleteGraceMs: 0 }
    const worker = await bench.open(
      deletionsPerSecond === undefined ? options : { ...options, deletionsPerSecond },
    )
    const jobs = Array.from({ length: 5 }, (_, index) => jobOf(`i${index}`))
    for (const job of jobs) {
      await send(worker, job, { mode: 'hang' })
      bench.server.workflows.finish(bench.nameOf(job))
      await worker.lookupJob(job)
    }
    // However long nothing was deleted, nothing is saved up.
    await runtime.advance(60_000)
    await worker.acknowledgeJobs(jobs)
    for (let count = 1; count <= jobs.length; count++) {
      await eventually(`${count} are deleted`, () => bench.server.workflows.size === jobs.length - count)
      await runtime.advance(gapMs - 1)
      await bench.server.settled()
      expect(deletions()).toBe(count)
      await runtime.advance(1)
    }
  })

  test('though the process ends before: the next one finds all that are left, however many', async () => {
    bench = await ArgoBench.start({ controller: { reconcileDelayMs: 0 } })
    await ended(230, () => 'Succeeded')
    const worker = await bench.open({
      runtime: fastClock,
      deleteFinished: 'all',
      deleteGraceMs: 0,
      deletionsPerSecond: 1_000,
    })
    await eventually('none is left', async () => {
      await acknowledgeAll(worker)
      return bench.server.workflows.size === 0
    })
    expect(deletions()).toBe(230)
  })

  test('where some of them stay, these are not in the way of the others', async () => {
    bench = await ArgoBench.start({ controller: { reconcileDelayMs: 0 } })
    await ended(140, (index) => (index < 20 ? 'Succeeded' : 'Failed'))
    const worker = await bench.open({
      runtime: fastClock,
      deleteFinished: 'succeeded',
      deleteGraceMs: 0,
      deletionsPerSecond: 1_000,
    })
    await eventually('the others are gone', async () => {
      await acknowledgeAll(worker)
      return bench.server.workflows.size === 120
    })
    expect(deletions()).toBe(20)
  })

  test('and the search for them ends', async () => {
    bench = await ArgoBench.start({ controller: { reconcileDelayMs: 0 } })
    await ended(3, () => 'Succeeded')
    const worker = await bench.open({ deleteFinished: 'all', deleteGraceMs: 0, deletionsPerSecond: 1_000 })
    await acknowledgeAll(worker)
    await eventually('they are gone', () => bench.server.workflows.size === 0)
    await worker.pollAllStatus([])
    bench.server.resetCounts()
    await worker.pollAllStatus([])
    expect(bench.server.traffic().ListWorkflows.requests).toBe(1)
  })

  test('no earlier than the grace after their outcomes were stored, ten minutes unless it is set', async () => {
    for (const deleteGraceMs of [undefined, 30_000]) {
      const runtime = new ManualRuntime()
      bench = await ArgoBench.start({ runtime, controller: { reconcileDelayMs: 0 } })
      const options: Partial<ArgoWorkerOptions> = { runtime, deleteFinished: 'all' }
      const worker = await bench.open(deleteGraceMs === undefined ? options : { ...options, deleteGraceMs })
      const [early, late] = [jobOf('early'), jobOf('late')]
      for (const job of [early, late]) {
        await send(worker, job, { mode: 'hang' })
        bench.server.workflows.finish(bench.nameOf(job))
        await worker.lookupJob(job)
      }
      const graceMs = deleteGraceMs ?? 600_000
      await worker.acknowledgeJobs([early])
      await runtime.advance(graceMs / 2)
      await worker.acknowledgeJobs([early, late])
      await runtime.advance(graceMs / 2 - 1)
      await bench.server.settled()
      expect(deletions()).toBe(0)
      // A dispatcher that was stalled all the while finds the name taken, and starts nothing.
      const stalled = await bench.open({ runtime })
      await send(stalled, early)
      expect(bench.server.workflows.get(bench.nameOf(early))?.status.phase).toBe('Succeeded')
      await runtime.advance(1)
      await eventually('the first is deleted', () => bench.server.workflows.size === 1)
      await runtime.advance(graceMs / 2)
      await eventually('the second is deleted', () => bench.server.workflows.size === 0)
      await bench.close()
    }
  })

  test('not at all without the permission: few requests a tick, one warning that names the rule, and deleted once it is there', async () => {
    const runtime = new ManualRuntime()
    bench = await ArgoBench.start({ runtime, controller: { reconcileDelayMs: 0 } })
    await ended(320, () => 'Succeeded')
    bench.server.access.denied.add('delete workflows')
    const warnings: string[] = []
    const logger = { ...silentLogger, warn: (_: object, text: string) => void warnings.push(text) }
    const options = {
      runtime,
      logger,
      deleteFinished: 'all',
      deleteGraceMs: 0,
      deletionsPerSecond: 1_000,
    } as const
    const worker = await bench.open(options)
    const requests: number[] = []
    const told: number[] = []
    for (let tick = 0; tick < 40; tick++) {
      bench.server.resetCounts()
      const reports = await worker.pollAllStatus([])
      told.push(reports.size)
      await worker.acknowledgeJobs([...reports].map(([id, { uid, attempt }]) => ({ id, uid, attempt })))
      await runtime.advance(1_000)
      await bench.server.settled()
      requests.push(bench.server.total().requests)
    }
    expect(Math.max(...requests)).toBeLessThanOrEqual(4)
    // Each is reported once, and no more than a page of them at a time.
    expect(told.reduce((sum, one) => sum + one)).toBe(320)
    expect(Math.max(...told)).toBeLessThanOrEqual(100)
    expect(requests.slice(-20).reduce((sum, one) => sum + one)).toBe(20)
    expect(warnings).toEqual([expect.stringContaining('resources: [workflows], verbs: [delete]')])
    bench.server.access.denied.clear()
    await eventually('they are deleted', async () => {
      await runtime.advance(60_000)
      return bench.server.workflows.size === 0
    })
  })

  test('and none that runs again, though it can’t be read, and the archive says that it has ended', async () => {
    bench = await ArgoBench.start({ archive: true, controller: { reconcileDelayMs: 0 } })
    const worker = await bench.open({ deleteFinished: 'all', deleteGraceMs: 0 })
    const job = jobOf('a')
    const name = bench.nameOf(job)
    await send(worker, job, { mode: 'hang' })
    bench.server.workflows.finish(name, { phase: 'Failed' })
    bench.server.workflows.archive(name)
    await worker.lookupJob(job)
    bench.server.operator.retry(name)
    bench.server.readsFail = true
    bench.server.resetCounts()
    await worker.acknowledgeJobs([job])
    await eventually('it is looked at', () => bench.server.traffic().GetWorkflow.requests > 0)
    await bench.server.settled()
    expect(deletions()).toBe(0)
    expect(bench.server.workflows.get(name)).toBeDefined()
  })

  test('no longer once the worker is closed', async () => {
    const runtime = new ManualRuntime()
    bench = await ArgoBench.start({ runtime, controller: { reconcileDelayMs: 0 } })
    await ended(3, () => 'Succeeded')
    const worker = await bench.open({ runtime, deleteFinished: 'all', deleteGraceMs: 0 })
    await acknowledgeAll(worker)
    await eventually('one is deleted', () => bench.server.workflows.size === 2)
    await worker.close()
    await runtime.advance(60_000)
    await bench.server.settled()
    expect(deletions()).toBe(1)
  })
})
