import { ManualRuntime } from '@sluice/testkit'
import { answerWith, argoVersions } from '@sluice/fake-argo'
import { afterEach, describe, expect, test } from 'vitest'
import { ArgoBench, eventually, fastClock, jobOf, send } from '../argo-bench.js'

let bench: ArgoBench
afterEach(() => bench.close())

/** What a loaded cluster was seen to answer, and what must not come of it. */
describe('a loaded cluster', () => {
  test('whose lists lack the last submits: each job is reported all the same, and asked for by its name', async () => {
    const runtime = new ManualRuntime()
    bench = await ArgoBench.start({ runtime, controller: { reconcileDelayMs: 0 }, listsWithoutNew: 4 })
    const worker = await bench.open({ runtime })
    const jobs = Array.from({ length: 12 }, (_, index) => jobOf(`i${index}`))
    for (const job of jobs) await send(worker, job, { mode: 'hang' })
    for (let list = 0; list < 6; list++) {
      const reports = await worker.pollAllStatus(jobs)
      expect([...reports.values()].map(({ stage }) => stage)).toEqual(jobs.map(() => 'PROCESSING'))
      await runtime.advance(2_000)
    }
    expect(bench.server.workflows.size).toBe(12)
  })

  test('that closes a watch as it is opened: check passes, and the watch is up soon after', async () => {
    bench = await ArgoBench.start({ runtime: fastClock, controller: { reconcileDelayMs: 0 } })
    let refusals = 2
    bench.server.main.onRequest = ({ operation }) =>
      operation === 'WatchWorkflows' && refusals-- > 0 ? answerWith('watch-not-opened') : undefined
    const worker = await bench.open({ runtime: fastClock })
    await worker.check()
    const stop = new AbortController()
    let wakes = 0
    const listening = (async () => {
      for await (const _ of worker.watch({ signal: stop.signal })) wakes += 1
    })()
    await eventually('it wakes', () => wakes > 0)
    expect(refusals).toBeLessThan(0)
    stop.abort()
    await listening
  })

  test('whose policy or webhook denies a workflow, dressed as a 400: the item waits, and nothing is stored', async () => {
    bench = await ArgoBench.start({ runtime: fastClock, controller: { reconcileDelayMs: 0 } })
    const worker = await bench.open({ runtime: fastClock })
    bench.server.admission = () => ({ policy: 'no-latest', message: 'no' })
    await expect(send(worker, jobOf('a'))).rejects.toMatchObject({
      code: 'SLUICE_WORKER_UNAVAILABLE',
      message: expect.stringContaining("ValidatingAdmissionPolicy 'no-latest'"),
    })
    bench.server.admission = () => ({ webhook: 'x.example.com', message: 'no' })
    await expect(send(worker, jobOf('a'))).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
    expect(bench.server.workflows.size).toBe(0)
    bench.server.admission = undefined
    await send(worker, jobOf('a'))
    expect(bench.countOf(jobOf('a'))).toBe(1)
  })
})

test.each(argoVersions)(
  '%s: a control character fails the one item that has it, in Argo’s words',
  async (version) => {
    bench = await ArgoBench.start({ version, controller: { reconcileDelayMs: 0 } })
    const worker = await bench.open()
    await expect(
      worker.sendJob('a', { item: 'a\u0001b' }, { uid: 'u', attempt: 1, queue: worker.name }),
    ).rejects.toMatchObject({
      code: 'SLUICE_JOB_REJECTED',
      message: expect.stringContaining('the result was invalid JSON'),
    })
    await send(worker, jobOf('b'))
  },
)
