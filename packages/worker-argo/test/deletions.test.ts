import { ManualClock } from '@sluice/testkit'
import { afterEach, describe, expect, test } from 'vitest'
import type { ArgoWorker, ArgoWorkerOptions } from '../src/index.js'
import { ArgoBench, eventually, fastClock, jobOf, send } from './argo-bench.js'

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

/** What an engine does that waits for none of them: it forgets what is reported to have ended. */
async function forgetAll(worker: ArgoWorker): Promise<void> {
  const reports = await worker.pollAllStatus([])
  const refs = [...reports].map(([id, { uid, attempt }]) => ({ id, uid, attempt }))
  await worker.forgetJobs(refs)
}

describe('finished workflows are deleted', () => {
  test.each([
    [undefined, 500],
    [4, 250],
  ])('one after the other, %s a second, and never in a burst', async (deletionsPerSecond, gapMs) => {
    const clock = new ManualClock()
    bench = await ArgoBench.start({ clock, controller: { reconcileDelayMs: 0 } })
    const options: Partial<ArgoWorkerOptions> = { clock, deleteFinished: 'all', deleteGraceMs: 0 }
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
    await clock.advance(60_000)
    await worker.forgetJobs(jobs)
    for (let count = 1; count <= jobs.length; count++) {
      await eventually(`${count} are deleted`, () => bench.server.workflows.size === jobs.length - count)
      await clock.advance(gapMs - 1)
      await bench.server.settled()
      expect(deletions()).toBe(count)
      await clock.advance(1)
    }
  })

  test('though the process ends before: the next one finds all that are left, however many', async () => {
    bench = await ArgoBench.start({ controller: { reconcileDelayMs: 0 } })
    await ended(230, () => 'Succeeded')
    const worker = await bench.open({
      clock: fastClock,
      deleteFinished: 'all',
      deleteGraceMs: 0,
      deletionsPerSecond: 1_000,
    })
    await eventually('none is left', async () => {
      await forgetAll(worker)
      return bench.server.workflows.size === 0
    })
    expect(deletions()).toBe(230)
  })

  test('where some of them stay, these are not in the way of the others', async () => {
    bench = await ArgoBench.start({ controller: { reconcileDelayMs: 0 } })
    await ended(140, (index) => (index < 20 ? 'Succeeded' : 'Failed'))
    const worker = await bench.open({
      clock: fastClock,
      deleteFinished: 'succeeded',
      deleteGraceMs: 0,
      deletionsPerSecond: 1_000,
    })
    await eventually('the others are gone', async () => {
      await forgetAll(worker)
      return bench.server.workflows.size === 120
    })
    expect(deletions()).toBe(20)
  })

  test('and the search for them ends', async () => {
    bench = await ArgoBench.start({ controller: { reconcileDelayMs: 0 } })
    await ended(3, () => 'Succeeded')
    const worker = await bench.open({ deleteFinished: 'all', deleteGraceMs: 0, deletionsPerSecond: 1_000 })
    await forgetAll(worker)
    await eventually('they are gone', () => bench.server.workflows.size === 0)
    await worker.pollAllStatus([])
    bench.server.resetCounts()
    await worker.pollAllStatus([])
    expect(bench.server.traffic().ListWorkflows.requests).toBe(1)
  })

  test('no longer once the worker is closed', async () => {
    const clock = new ManualClock()
    bench = await ArgoBench.start({ clock, controller: { reconcileDelayMs: 0 } })
    await ended(3, () => 'Succeeded')
    const worker = await bench.open({ clock, deleteFinished: 'all', deleteGraceMs: 0 })
    await forgetAll(worker)
    await eventually('one is deleted', () => bench.server.workflows.size === 2)
    await worker.close()
    await clock.advance(60_000)
    await bench.server.settled()
    expect(deletions()).toBe(1)
  })
})
