import type { JobRef, Worker } from '@sluice/core'
import { check, rejects, resolves, same } from '../check.js'
import type { WorkerCase } from '../worker-harness.js'
import { checkOffered, inStage, jobOf, polled, send } from './worker-walk.js'

const BOUND_MS = 10_000

/** W-STOP-1 and W-CLOSE-1. */
export const stopCases: readonly WorkerCase[] = [
  {
    id: 'W-STOP-1',
    title: 'a cancelled job reports FAIL, with a message; the others run on',
    needs: ({ cancelJob }) => (cancelJob ? undefined : 'this worker has no cancelJob'),
    async run(harness) {
      const worker = await harness.open()
      const [job, other] = [jobOf('a'), jobOf('b')]
      await send(worker, harness, job)
      await send(worker, harness, other)
      checkOffered(worker, 'cancelJob')
      await worker.cancelJob?.(job, 'no longer wanted')
      const hasEnded = async () => (await polled(worker, 'a')) !== inStage('PROCESSING', job)
      const stage = await eventually(hasEnded, harness.endsWithinMs)
      check(stage, 'a cancelled job ends', await polled(worker, 'a'))
      same(await polled(worker, 'a'), inStage('FAIL', job), 'and reports FAIL')
      same(await polled(worker, 'b'), inStage('PROCESSING', other), 'the other job runs on')
      await resolves(cancel(worker, job), 'cancelling it again is no error')
    },
  },
  {
    id: 'W-STOP-1/a',
    title: 'cancelling a job that has ended, or is of another attempt or uid, changes nothing',
    needs: ({ cancelJob }) => (cancelJob ? undefined : 'this worker has no cancelJob'),
    async run(harness) {
      const worker = await harness.open()
      const [done, runs] = [jobOf('done'), jobOf('runs', 2)]
      await send(worker, harness, done)
      await send(worker, harness, runs)
      await harness.finish(done, 'SUCCESS')
      checkOffered(worker, 'cancelJob')
      for (const job of [done, jobOf('never'), jobOf('runs', 1), jobOf('runs', 2, 'another uid')]) {
        await resolves(cancel(worker, job), 'cancelling what does not run is no error')
      }
      same(await polled(worker, 'done'), inStage('SUCCESS', done), 'an outcome is not overwritten')
      same(await polled(worker, 'runs'), inStage('PROCESSING', runs), 'another attempt is not hit')
    },
  },
  {
    id: 'W-CLOSE-1',
    title: 'after close every call rejects SLUICE_WORKER_CLOSED, and close may be called again',
    async run(harness) {
      const worker = await harness.open()
      const job = jobOf('a')
      await send(worker, harness, job)
      await resolves(Promise.all([worker.close(), worker.close()]), 'two closes at once')
      await resolves(worker.close(), 'and a third one')
      const calls: readonly (readonly [string, Promise<unknown> | undefined])[] = [
        ['sendJob', send(worker, harness, jobOf('b'))],
        ['pollAllStatus', worker.pollAllStatus()],
        ['lookupJob', worker.lookupJob?.(job)],
        ['cancelJob', worker.cancelJob?.(job, 'x')],
        ['forgetJobs', worker.forgetJobs?.([job])],
        ['check', worker.check?.()],
      ]
      const ends = calls.map(async ([name, call]) => {
        if (call !== undefined) await rejects(call, 'SLUICE_WORKER_CLOSED', `${name} after close`)
      })
      await Promise.all(ends)
      same(await harness.starts(jobOf('b')), 0, 'nothing was started')
    },
  },
  {
    id: 'W-CLOSE-1/a',
    title: 'watch ends when its signal aborts, before and during it',
    needs: ({ watch }) => (watch ? undefined : 'this worker has no watch'),
    async run(harness) {
      const worker = await harness.open()
      const stop = new AbortController()
      checkOffered(worker, 'watch')
      const rings = drain(worker.watch?.(stop.signal))
      await send(worker, harness, jobOf('a'))
      stop.abort()
      check(await within(rings), 'watch ends once its signal has aborted')
      const late = drain(worker.watch?.(AbortSignal.abort()))
      check(await within(late), 'with a signal that had aborted it ends at once')
    },
  },
]

async function cancel(worker: Worker, job: JobRef): Promise<void> {
  await worker.cancelJob?.(job, 'too late')
}

async function drain(bell: AsyncIterable<unknown> | undefined): Promise<void> {
  if (bell === undefined) return
  for await (const _ of bell) continue
}

async function within(work: Promise<unknown>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => late.resolve(false), BOUND_MS)
  try {
    return await Promise.race([work.then(() => true), late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** Asks until it is so or the bound is over: a job that is being ended takes what it takes, and nothing tells when. */
async function eventually(holds: () => Promise<boolean>, boundMs = BOUND_MS): Promise<boolean> {
  const endMs = performance.now() + boundMs
  while (performance.now() < endMs) {
    if (await holds()) return true
    const { promise, resolve } = Promise.withResolvers<void>()
    setTimeout(resolve, 20)
    await promise
  }
  return false
}
