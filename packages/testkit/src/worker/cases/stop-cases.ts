import type { JobRef, Worker } from '@sluice/core'
import { startTimer, systemRuntime } from '@sluice/core/backend'
import { check, rejects, resolves, same } from '../../check.js'
import type { WorkerCase } from '../worker-harness.js'
import { checkOffered, eventually, inStage, jobOf, polled, seen, send, sendPending } from './worker-walk.js'

const BOUND_MS = 10_000

/** W-STOP-1, W-CLOSE-1 and W-SIGNAL-1. */
export const stopCases: readonly WorkerCase[] = [
  {
    id: 'W-STOP-1',
    title: 'a cancelled job ends and reports an end; the others run on',
    needs: ({ cancelJob }) => (cancelJob ? undefined : 'this worker has no cancelJob'),
    async run(harness) {
      const worker = await harness.open()
      const [job, other] = [jobOf('a'), jobOf('b')]
      await send(worker, harness, job)
      await send(worker, harness, other)
      checkOffered(worker, 'cancelJob')
      await worker.cancelJob?.(job, 'no longer wanted')
      await checkEnds(worker, job, harness.endsWithinMs)
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
    id: 'W-STOP-1/b',
    title: 'a cancelled job that is pending ends and reports an end, and does not begin',
    needs: ({ cancelJob, pending }) => {
      if (!cancelJob) return 'this worker has no cancelJob'
      return pending === true ? undefined : 'this worker does not say which jobs are pending'
    },
    async run(harness) {
      const worker = await harness.open()
      const job = jobOf('a')
      await sendPending(harness, { worker, job, message: 'no place for it' })
      await worker.cancelJob?.(job, 'no longer wanted')
      await checkEnds(worker, job, harness.endsWithinMs)
    },
  },
  {
    id: 'W-CLOSE-1',
    title:
      'after close every call rejects SLUICE_WORKER_CLOSED, and close and `await using` may close it again',
    async run(harness) {
      const worker = await harness.open()
      const job = jobOf('a')
      await send(worker, harness, job)
      await resolves(Promise.all([worker.close(), worker.close()]), 'two closes at once')
      await resolves(worker[Symbol.asyncDispose](), 'and a third one, by `await using`')
      const calls: readonly (readonly [string, Promise<unknown> | undefined])[] = [
        ['sendJob', send(worker, harness, jobOf('b'))],
        ['pollAllStatus', worker.pollAllStatus()],
        ['lookupJob', worker.lookupJob?.(job)],
        ['cancelJob', worker.cancelJob?.(job, 'x')],
        ['acknowledgeJobs', worker.acknowledgeJobs?.([job])],
        ['check', worker.check?.()],
        ['probeSend', worker.probeSend?.({ id: 'b', body: harness.body() })],
        ['readLog', worker.readLog && drain(worker.readLog(job))],
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
      const wakes = drain(worker.watch?.({ signal: stop.signal }))
      await send(worker, harness, jobOf('a'))
      stop.abort()
      check(await within(wakes), 'watch ends once its signal has aborted')
      const late = drain(worker.watch?.({ signal: AbortSignal.abort() }))
      check(await within(late), 'with a signal that had aborted it ends at once')
    },
  },
  {
    id: 'W-SIGNAL-1',
    title: 'an aborted poll or look-up rejects with the signal’s reason, and the next one is as ever',
    async run(harness) {
      const worker = await harness.open()
      const job = jobOf('a')
      await send(worker, harness, job)
      const reason = new Error('enough')
      const { lookupJob } = worker.supports
      const calls: readonly ((signal: AbortSignal) => Promise<unknown>)[] = [
        (signal) => worker.pollAllStatus(undefined, { signal }),
        ...(lookupJob ? [async (signal: AbortSignal) => worker.lookupJob?.(job, { signal })] : []),
      ]
      for (const call of calls) {
        const stop = new AbortController()
        const begun = rejectionOf(call(stop.signal))
        stop.abort(reason)
        check((await begun) === reason, 'it rejects with the reason while it does not end', await begun)
        const late = await rejectionOf(call(stop.signal))
        check(late === reason, 'with a signal that had aborted it rejects so before it begins', late)
        await resolves(
          call(new AbortController().signal),
          'with a signal that does not abort it ends as ever',
        )
      }
      same(await polled(worker, 'a'), inStage('PROCESSING', job), 'the job runs on')
    },
  },
]

/** What the call rejects with. */
async function rejectionOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'it resolves',
    (error: unknown) => error,
  )
}

/** Its end is reported as such: to be gone from the poll is none. */
async function checkEnds(worker: Worker, job: JobRef, boundMs = BOUND_MS): Promise<void> {
  const ended = await eventually(
    async () => (await polled(worker, job.id)) !== inStage('PROCESSING', job),
    boundMs,
  )
  check(ended, 'a cancelled job ends', await polled(worker, job.id))
  const report = (await worker.pollAllStatus()).get(job.id)
  const ends = [inStage('FAIL', job), inStage('SUCCESS', job)]
  check(ends.includes(seen(report)), 'and reports an end', seen(report))
  if (report?.stage === 'SUCCESS')
    check(
      report.details !== undefined,
      'one that ended well all the same says in its details that it was told to end',
    )
}

async function cancel(worker: Worker, job: JobRef): Promise<void> {
  await worker.cancelJob?.(job, 'too late')
}

async function drain(stream: AsyncIterable<unknown> | undefined): Promise<void> {
  if (stream === undefined) return
  for await (const _ of stream) continue
}

async function within(work: Promise<unknown>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>()
  const timer = startTimer(systemRuntime, { ms: BOUND_MS }, () => late.resolve(false))
  try {
    return await Promise.race([work.then(() => true), late.promise])
  } finally {
    timer.cancel()
  }
}
