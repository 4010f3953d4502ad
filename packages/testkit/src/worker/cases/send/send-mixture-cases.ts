import { check, resolves, same } from '../../../check.js'
import type { WorkerCase } from '../../worker-harness.js'
import { inStage, jobOf, polled, send } from '../worker-walk.js'
import { batches, checkAllSent, lacksSendMany, sendMany } from './send-many-walk.js'

const MOST_POINTS = 500

/** W-SEND-1, over calls of `sendMany` and mixtures of them with `sendJob`. */
export const sendMixtureCases: readonly WorkerCase[] = [
  {
    id: 'W-SEND-1/f',
    title: 'sent twice in one call, in two calls, and by sendJob before and after, it is one job',
    needs: lacksSendMany,
    async run(harness) {
      const worker = await harness.open()
      const [a, b, c] = [jobOf('a'), jobOf('b'), jobOf('c')]
      await send(worker, harness, a)
      for (const batch of batches(worker, [a, b, b, c])) await checkAllSent(worker, harness, batch)
      for (const batch of batches(worker, [c, b, a])) await checkAllSent(worker, harness, batch)
      for (const job of [a, b, c])
        await resolves(send(worker, harness, job), 'sent alone again it is no error')
      for (const job of [a, b, c]) same(await harness.starts(job), 1, `${job.id} started once`)
    },
  },
  {
    id: 'W-SEND-1/g',
    title: 'sent at once by many calls of both kinds, it is one job',
    needs: lacksSendMany,
    async run(harness) {
      const worker = await harness.open()
      const jobs = ['a', 'b', 'c'].map((id) => jobOf(id))
      const calls = [jobs, jobs.toReversed(), jobs].flatMap((order) => [
        ...batches(worker, order).map((batch) => checkAllSent(worker, harness, batch)),
        ...order.map((job) => send(worker, harness, job)),
      ])
      await resolves(Promise.all(calls), 'every one of these sends succeeds')
      for (const job of jobs) same(await harness.starts(job), 1, `${job.id} started once`)
    },
  },
  {
    id: 'W-SEND-1/h',
    title: 'sent at once by two Worker objects in calls of both kinds, it is one job',
    needs: (supports) =>
      lacksSendMany(supports) ??
      (supports.durable ? undefined : 'jobs are not shared between Worker objects'),
    async run(harness) {
      const [one, other] = [await harness.open(), await harness.open()]
      const jobs = ['a', 'b', 'c'].map((id) => jobOf(id))
      const calls = [
        ...batches(one, jobs).map((batch) => checkAllSent(one, harness, batch)),
        ...batches(other, jobs.toReversed()).map((batch) => checkAllSent(other, harness, batch)),
        ...jobs.map((job) => send(other, harness, job)),
      ]
      await resolves(Promise.all(calls), 'every one of these sends succeeds')
      for (const job of jobs) same(await harness.starts(job), 1, `${job.id} started once`)
    },
  },
  {
    id: 'W-SEND-1/i',
    title: 'sent in a call of many after it has ended, it is not started again, and its outcome stands',
    needs: lacksSendMany,
    async run(harness) {
      const worker = await harness.open()
      for (const how of ['SUCCESS', 'FAIL'] as const) {
        const [job, fresh] = [jobOf(how), jobOf(`beside ${how}`)]
        await send(worker, harness, job)
        await harness.finish(job, how)
        for (const batch of batches(worker, [job, fresh])) await checkAllSent(worker, harness, batch)
        same(await harness.starts(job), 1, 'it did not start a second time')
        same(await polled(worker, how), inStage(how, job), 'its outcome stands')
        same(await polled(worker, fresh.id), inStage('PROCESSING', fresh), 'the job beside it runs')
      }
    },
  },
  {
    id: 'W-SEND-1/j',
    title: 'a process that dies at any point of sendMany, the jobs then sent again: each is one job',
    needs: (supports, harness) =>
      lacksSendMany(supports) ??
      (harness.openCrashing === undefined
        ? 'the harness can’t let a process die at a given point'
        : undefined),
    async run(harness) {
      const healthy = await harness.open()
      for (let point = 0; point < MOST_POINTS; point++) {
        const crash = await harness.openCrashing?.(point)
        if (crash === undefined) return
        const jobs = ['a', 'b', 'c'].map((id) => jobOf(`${id}${point}`))
        for (const batch of batches(crash.worker, jobs))
          // The process dies in it, or it succeeds: the jobs that were started say which.
          await sendMany(crash.worker, harness, batch).catch(() => undefined)
        const when = `after a crash at operation ${point}`
        for (const job of jobs) check((await harness.starts(job)) <= 1, `${when} it started at most once`)
        // One job alone, the others in one call.
        const [alone, ...rest] = jobs
        if (alone !== undefined) await resolves(send(healthy, harness, alone), `${when} it can be sent alone`)
        for (const batch of batches(healthy, rest)) await checkAllSent(healthy, harness, batch)
        for (const job of jobs) {
          same(await harness.starts(job), 1, `${when} and a second send it started once`)
          same(await polled(healthy, job.id), inStage('PROCESSING', job), 'and is polled as running')
        }
        if (!crash.crashed()) return
      }
      check(false, `sendMany did not end within ${MOST_POINTS} operations: does crashed() ever say false?`)
    },
  },
]
