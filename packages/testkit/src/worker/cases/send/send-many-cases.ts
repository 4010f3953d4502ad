import { refuses, rejects, resolves, same } from '../../../check.js'
import { badIds, posingAs } from '../../../odd-values.js'
import type { WorkerCase } from '../../worker-harness.js'
import { inStage, jobOf, lacksTrouble, polled, send, troubledSends } from '../worker-walk.js'
import {
  batches,
  checkAllSent,
  checkNotStarted,
  checkRefused,
  endsOf,
  lacksSendMany,
  newJob,
  sendAll,
  sendMany,
  sentMany,
  shown,
} from './send-many-walk.js'

/** W-SEND-3. */
export const sendManyCases: readonly WorkerCase[] = [
  {
    id: 'W-SEND-3',
    title: 'one call sends each of its jobs once, and gives an outcome for each; of none it sends nothing',
    needs: lacksSendMany,
    async run(harness) {
      const worker = await harness.open()
      same(await sendMany(worker, harness, []), [], 'of no jobs there are no outcomes')
      same((await worker.pollAllStatus()).size, 0, 'and nothing was started')
      const jobs = [jobOf('c', 2), jobOf('a'), jobOf('b', 7)]
      for (const batch of batches(worker, jobs)) await checkAllSent(worker, harness, batch)
      for (const job of jobs) {
        same(await harness.starts(job), 1, `${job.id} started once`)
        same(await polled(worker, job.id), inStage('PROCESSING', job), 'and runs')
      }
      same((await worker.pollAllStatus()).size, jobs.length, 'nothing else was started')
    },
  },
  {
    id: 'W-SEND-3/a',
    title: 'an item that can never be accepted is SLUICE_JOB_REJECTED at its place, and the others are sent',
    needs: (supports, harness) =>
      lacksSendMany(supports) ??
      (harness.refusedItem === undefined ? 'this worker accepts every item' : undefined),
    async run(harness) {
      const item = harness.refusedItem?.()
      if (item === undefined) return
      const worker = await harness.open()
      const [before, refused, after] = [jobOf('before'), jobOf(item.id), jobOf('after')]
      const bodies = new Map([[item.id, item.body]])
      const outcomes = await sendAll(worker, harness, { jobs: [before, refused, after], bodies })
      same(outcomes.map(shown), ['sent', 'SLUICE_JOB_REJECTED', 'sent'], 'the outcomes, in order')
      same(await harness.starts(refused), 0, 'of the refused item nothing was started')
      for (const job of [before, after])
        same(await polled(worker, job.id), inStage('PROCESSING', job), `${job.id} runs`)
    },
  },
  {
    id: 'W-SEND-3/b',
    title: 'trouble of one item is at its place and says so, and the others are sent beside it',
    needs: async (supports, harness) => lacksSendMany(supports) ?? (await lacksTrouble(harness, 'item')),
    async run(harness) {
      const troubled = await troubledSends(harness, 'item')
      const { worker, troubledId = 'troubled', troubledBody = harness.body() } = troubled
      const [before, job, after] = [jobOf('before'), jobOf(troubledId), jobOf('after')]
      const bodies = new Map([[troubledId, troubledBody]])
      await troubled.obstruct()
      const outcomes = await sendAll(worker, harness, { jobs: [before, job, after], bodies })
      same(outcomes.map(shown), ['sent', 'SLUICE_WORKER_UNAVAILABLE', 'sent'], 'the outcomes, in order')
      same(outcomes[1]?.concerns, 'item', 'the refusal concerns the item')
      await checkNotStarted(worker, harness, job)
      for (const other of [before, after])
        same(await polled(worker, other.id), inStage('PROCESSING', other), `${other.id} runs`)
      await troubled.restore()
      await checkNotStarted(worker, harness, job)
      const again = await sendAll(worker, harness, { jobs: [after, job, before], bodies })
      same(again.map(shown), ['sent', 'sent', 'sent'], 'once its trouble is over all are sent')
      for (const one of [before, job, after]) same(await harness.starts(one), 1, `${one.id} is one job`)
    },
  },
  {
    id: 'W-SEND-3/c',
    title: 'trouble of the worker concerns it for every job, and no refused job is started, then or later',
    needs: async (supports, harness) => lacksSendMany(supports) ?? (await lacksTrouble(harness, 'worker')),
    async run(harness) {
      const { worker, obstruct, restore } = await troubledSends(harness, 'worker')
      const jobs = ['a', 'b', 'c'].map((id) => jobOf(id))
      await obstruct()
      for (const error of await endsOf(worker, harness, jobs)) checkRefused(error, 'worker')
      await restore()
      for (const job of jobs) await checkNotStarted(worker, harness, job)
      for (const batch of batches(worker, jobs)) await checkAllSent(worker, harness, batch)
      for (const job of jobs) same(await harness.starts(job), 1, `${job.id} is one job`)
    },
  },
  {
    id: 'W-SEND-3/d',
    title: 'without capacity a job that was started already is sent, and the others say that there is none',
    needs: async (supports, harness) => {
      if ((supports.sendMany?.maxJobs ?? 0) < 3) return 'this worker takes no three jobs in one call'
      return lacksTrouble(harness, 'capacity')
    },
    async run(harness) {
      const { worker, obstruct, restore } = await troubledSends(harness, 'capacity')
      const [runs, one, other] = [jobOf('runs'), jobOf('one'), jobOf('other')]
      await send(worker, harness, runs)
      await obstruct()
      // One of them is known to be there, so that the call does not reject as a whole.
      const outcomes = await resolves(
        sendMany(worker, harness, [one, runs, other]),
        'a call in which one job was sent resolves',
      )
      same(outcomes[1], undefined, 'a job that was started already needs no capacity')
      for (const error of [outcomes[0], outcomes[2]]) checkRefused(error, 'capacity')
      for (const job of [one, other]) await checkNotStarted(worker, harness, job)
      await restore()
      for (const job of [one, other]) await checkNotStarted(worker, harness, job)
      for (const batch of batches(worker, [one, runs, other])) await checkAllSent(worker, harness, batch)
      for (const job of [one, runs, other]) same(await harness.starts(job), 1, `${job.id} is one job`)
    },
  },
  {
    id: 'W-SEND-3/e',
    title: 'with the other side out of reach no job is started and none is rejected for good',
    needs: (supports, harness) =>
      lacksSendMany(supports) ??
      (harness.openUnreachable === undefined
        ? 'the harness can’t put the other side out of reach'
        : undefined),
    async run(harness) {
      const worker = await harness.openUnreachable?.()
      if (worker === undefined) return
      const jobs = [jobOf('a'), jobOf('b')]
      for (const error of await endsOf(worker, harness, jobs)) checkRefused(error, 'worker')
      await worker.close()
      for (const job of jobs) same(await harness.starts(job), 0, 'nothing was started')
    },
  },
  {
    id: 'W-SEND-3/f',
    title: 'with credentials refused every job ends in SLUICE_WORKER_DENIED',
    needs: (supports, harness) =>
      lacksSendMany(supports) ??
      (harness.openDenied === undefined
        ? 'this worker needs no credentials, or the harness has no wrong ones'
        : undefined),
    async run(harness) {
      const worker = await harness.openDenied?.()
      if (worker === undefined) return
      const ends = await endsOf(worker, harness, [jobOf('a'), jobOf('b')])
      same(ends.map(shown), ['SLUICE_WORKER_DENIED', 'SLUICE_WORKER_DENIED'], 'the end of each job')
      await worker.close()
    },
  },
  {
    id: 'W-SEND-3/g',
    title: 'a wrong argument, and one job too many, is a TypeError, and nothing is started',
    needs: lacksSendMany,
    async run(harness) {
      const worker = await harness.open()
      const good = newJob(worker, jobOf('good'), harness.body())
      for (const [what, id] of badIds) {
        const bad = { ...good, id: posingAs(id) }
        await refuses(() => sentMany(worker, [good, bad]), `sendMany refuses ${what} as an id`)
      }
      const foreign = { ...good, job: { ...good.job, queue: 'another queue' } }
      await refuses(() => sentMany(worker, [good, foreign]), 'sendMany refuses a job of another queue')
      const maxJobs = worker.supports.sendMany?.maxJobs ?? 0
      const tooMany = Array.from({ length: maxJobs + 1 }, (_, index) =>
        newJob(worker, jobOf(`i${index}`), harness.body()),
      )
      await refuses(() => sentMany(worker, tooMany), 'sendMany refuses more than supports.sendMany.maxJobs')
      same((await worker.pollAllStatus()).size, 0, 'nothing was started')
    },
  },
  {
    id: 'W-SEND-3/h',
    title: 'after close sendMany rejects SLUICE_WORKER_CLOSED',
    needs: lacksSendMany,
    async run(harness) {
      const worker = await harness.open()
      await worker.close()
      const end = sendMany(worker, harness, [jobOf('a')])
      await rejects(end, 'SLUICE_WORKER_CLOSED', 'sendMany after close')
      same(await harness.starts(jobOf('a')), 0, 'nothing was started')
    },
  },
]
