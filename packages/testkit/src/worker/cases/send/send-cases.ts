import { isSluiceError } from '@sluice/core'
import { check, refuses, rejects, resolves, same } from '../../../check.js'
import { badIds, oddIds, posingAs } from '../../../odd-values.js'
import type { WorkerCase } from '../../worker-harness.js'
import { concerning, inStage, jobOf, polled, send, specOf } from '../worker-walk.js'

const MOST_POINTS = 500

/** W-SEND-1 and W-SEND-2. */
export const sendCases: readonly WorkerCase[] = [
  {
    id: 'W-SEND-1',
    title: 'sent twice, one after the other, it is one job',
    async run(harness) {
      const worker = await harness.open()
      const job = jobOf('a')
      await send(worker, harness, job)
      same(await harness.starts(job), 1, 'sent once, it started once')
      await resolves(
        send(worker, harness, job),
        'sent again it is no error: the first answer may have been lost',
      )
      same(await harness.starts(job), 1, 'it did not start a second time')
      same(await polled(worker, 'a'), inStage('PROCESSING', job), 'it is running')
    },
  },
  {
    id: 'W-SEND-1/a',
    title: 'sent ten times at once, it is one job',
    async run(harness) {
      const worker = await harness.open()
      const job = jobOf('a')
      await resolves(
        Promise.all(Array.from({ length: 10 }, () => send(worker, harness, job))),
        'every one of ten equal sends succeeds',
      )
      same(await harness.starts(job), 1, 'it started once')
    },
  },
  {
    id: 'W-SEND-1/b',
    title: 'sent at once by two Worker objects, it is one job',
    needs: ({ durable }) => (durable ? undefined : 'jobs are not shared between Worker objects'),
    async run(harness) {
      const workers = [await harness.open(), await harness.open()]
      const job = jobOf('a')
      await resolves(
        Promise.all([...workers, ...workers].map((worker) => send(worker, harness, job))),
        'every one of four equal sends succeeds',
      )
      same(await harness.starts(job), 1, 'it started once')
    },
  },
  {
    id: 'W-SEND-1/c',
    title: 'sent again after it has ended, it is not started again, and its outcome stands',
    async run(harness) {
      const worker = await harness.open()
      for (const how of ['SUCCESS', 'FAIL'] as const) {
        const job = jobOf(how)
        await send(worker, harness, job)
        await harness.finish(job, how)
        await resolves(send(worker, harness, job), 'sent again it is no error')
        same(await harness.starts(job), 1, 'it did not start a second time')
        same(await polled(worker, how), inStage(how, job), 'its outcome stands')
      }
    },
  },
  {
    id: 'W-SEND-1/d',
    title: 'another attempt, and another uid, are jobs of their own',
    async run(harness) {
      const worker = await harness.open()
      const [first, second, other] = [jobOf('a', 1), jobOf('a', 2), jobOf('a', 1, 'another uid')]
      for (const job of [first, second, other]) {
        await send(worker, harness, job)
        same(await harness.starts(job), 1, `attempt ${job.attempt} of uid ${job.uid} started`)
        await harness.finish(job, 'FAIL')
      }
      same(await harness.starts(first), 1, 'each of them once')
    },
  },
  {
    id: 'W-SEND-1/e',
    title: 'a process that dies at any point of sendJob, the job then sent again: it is one job',
    needs: (_, harness) =>
      harness.openCrashing === undefined ? 'the harness can’t let a process die at a given point' : undefined,
    async run(harness) {
      const healthy = await harness.open()
      for (let point = 0; point < MOST_POINTS; point++) {
        const crash = await harness.openCrashing?.(point)
        if (crash === undefined) return
        const job = jobOf(`p${point}`)
        // The process dies in it, or it went through: the jobs that were started say which.
        await send(crash.worker, harness, job).catch(() => undefined)
        check((await harness.starts(job)) <= 1, `after a crash at operation ${point} it started at most once`)
        await resolves(
          send(healthy, harness, job),
          `after a crash at operation ${point} it can be sent again`,
        )
        same(await harness.starts(job), 1, `and then it started once, crash at operation ${point} or not`)
        same(await polled(healthy, job.id), inStage('PROCESSING', job), 'and is polled as running')
        if (!crash.crashed()) return
      }
      check(false, `sendJob did not end within ${MOST_POINTS} operations: does crashed() ever say false?`)
    },
  },
  {
    id: 'W-SEND-2',
    title: 'any legal id is accepted, and reported as it was given',
    async run(harness) {
      const worker = await harness.open()
      const jobs = oddIds.slice(0, 30).map((id, index) => jobOf(id, 1, `uid${index}`))
      for (const job of jobs) await send(worker, harness, job)
      const reports = await worker.pollAllStatus()
      for (const job of jobs) {
        same(
          reports.get(job.id)?.uid,
          job.uid,
          `the job of ${JSON.stringify(job.id).slice(0, 80)} is reported`,
        )
      }
      same(reports.size, jobs.length, 'ids that look alike are jobs of their own')
    },
  },
  {
    id: 'W-SEND-2/a',
    title: 'an item that can never be accepted rejects SLUICE_JOB_REJECTED, and starts nothing',
    needs: (_, harness) => (harness.refusedItem === undefined ? 'this worker accepts every item' : undefined),
    async run(harness) {
      const item = harness.refusedItem?.()
      if (item === undefined) return
      const worker = await harness.open()
      const job = jobOf(item.id)
      const end = worker.sendJob(item.id, item.body, specOf(worker, job))
      await rejects(end, 'SLUICE_JOB_REJECTED', 'an item that can never be accepted')
      same(await harness.starts(job), 0, 'nothing was started')
      same(await polled(worker, item.id), 'absent', 'and nothing is reported')
      await resolves(send(worker, harness, jobOf('good')), 'the next item is sent as ever')
    },
  },
  {
    id: 'W-SEND-2/b',
    title: 'with the other side out of reach, sendJob rejects SLUICE_WORKER_UNAVAILABLE, which is retryable',
    needs: (_, harness) =>
      harness.openUnreachable === undefined ? 'the harness can’t put the other side out of reach' : undefined,
    async run(harness) {
      const worker = await harness.openUnreachable?.()
      if (worker === undefined) return
      const end = send(worker, harness, jobOf('a'))
      await rejects(end, 'SLUICE_WORKER_UNAVAILABLE', 'no item fails for an outage')
      await end.catch((error: unknown) =>
        same(isSluiceError(error) && error.retryable, true, 'it can be retried'),
      )
      await concerning(end, 'worker', 'it is the worker’s trouble, whatever else is sent meanwhile')
      await worker.close()
      same(await harness.starts(jobOf('a')), 0, 'nothing was started')
    },
  },
  {
    id: 'W-SEND-2/c',
    title: 'with credentials refused, sendJob and pollAllStatus reject SLUICE_WORKER_DENIED, not retryable',
    needs: (_, harness) =>
      harness.openDenied === undefined
        ? 'this worker needs no credentials, or the harness has no wrong ones'
        : undefined,
    async run(harness) {
      const worker = await harness.openDenied?.()
      if (worker === undefined) return
      await rejects(
        send(worker, harness, jobOf('a')),
        'SLUICE_WORKER_DENIED',
        'sendJob with refused credentials',
      )
      await rejects(worker.pollAllStatus(), 'SLUICE_WORKER_DENIED', 'pollAllStatus with refused credentials')
      if (worker.check)
        await rejects(worker.check(), 'SLUICE_WORKER_DENIED', 'check with refused credentials')
      await worker.close()
    },
  },
  {
    id: 'W-SEND-2/d',
    title: 'an id that is none is a TypeError, and starts nothing',
    async run(harness) {
      const worker = await harness.open()
      for (const [what, id] of badIds) {
        await refuses(
          () => worker.sendJob(posingAs(id), harness.body(), { attempt: 1, uid: 'u', queue: worker.name }),
          `sendJob refuses ${what} as an id`,
        )
      }
      same((await worker.pollAllStatus()).size, 0, 'nothing was started')
    },
  },
]
