import type { JobRef, Worker } from '@sluice/core'
import { rejects, resolves, same } from '../../../check.js'
import type { WorkerCase, WorkerHarness } from '../../worker-harness.js'
import {
  concerning,
  inStage,
  jobOf,
  lacksTrouble,
  polled,
  seen,
  send,
  specOf,
  troubledSends,
} from '../worker-walk.js'

/** W-SEND-2, of whose trouble a refused send is. */
export const concernsCases: readonly WorkerCase[] = [
  {
    id: 'W-SEND-2/e',
    title: 'trouble of one item says so: others are sent meanwhile, and it makes no job before it is over',
    needs: (_, harness) => lacksTrouble(harness, 'item'),
    async run(harness) {
      const troubled = await troubledSends(harness, 'item')
      const { worker, troubledId = 'troubled', troubledBody = harness.body() } = troubled
      const job = jobOf(troubledId)
      const sendIt = () => worker.sendJob(job.id, troubledBody, specOf(worker, job))
      await troubled.obstruct()
      for (const other of [jobOf('one'), jobOf('two')]) {
        const refused = sendIt()
        await rejects(
          refused,
          'SLUICE_WORKER_UNAVAILABLE',
          'the troubled item is refused, and may be tried again',
        )
        await concerning(refused, 'item', 'its refusal')
        await resolves(send(worker, harness, other), 'another item is sent meanwhile')
      }
      await checkNoJob(worker, harness, job)
      same(await polled(worker, 'one'), inStage('PROCESSING', jobOf('one')), 'polls go well meanwhile')
      await troubled.restore()
      await checkNoJob(worker, harness, job)
      await resolves(sendIt(), 'once its trouble is over it is sent')
      same(await harness.starts(job), 1, 'and is one job')
    },
  },
  {
    id: 'W-SEND-2/f',
    title: 'trouble of the worker says so for every item, and no refused send makes a job, then or later',
    needs: (_, harness) => lacksTrouble(harness, 'worker'),
    async run(harness) {
      const { worker, obstruct, restore } = await troubledSends(harness, 'worker')
      const jobs = ['a', 'b', 'c'].map((id) => jobOf(id))
      await resolves(send(worker, harness, jobOf('before')), 'before the trouble items are sent')
      await obstruct()
      for (const job of jobs)
        await concerning(send(worker, harness, job), 'worker', `the refusal of ${job.id}`)
      await restore()
      for (const job of jobs) await checkNoJob(worker, harness, job)
      for (const job of jobs) await resolves(send(worker, harness, job), 'once it is over they are sent')
      for (const job of jobs) same(await harness.starts(job), 1, 'each is one job')
    },
  },
  {
    id: 'W-SEND-2/g',
    title:
      'a worker that takes no more says so, its polls and look-ups go well, and what it refused is sent once there is room',
    needs: (_, harness) => lacksTrouble(harness, 'capacity'),
    async run(harness) {
      const { worker, obstruct, restore } = await troubledSends(harness, 'capacity')
      const [runs, refused] = [jobOf('runs'), jobOf('refused')]
      await resolves(send(worker, harness, runs), 'while there is room an item is sent')
      await obstruct()
      for (let tries = 0; tries < 2; tries++) {
        const end = send(worker, harness, refused)
        await rejects(end, 'SLUICE_WORKER_UNAVAILABLE', 'it takes no more for now')
        await concerning(end, 'capacity', 'the refusal')
        await resolves(worker.pollAllStatus(), 'a poll goes well all the same')
      }
      const sentAgain = send(worker, harness, runs)
      await resolves(sentAgain, 'a job that was started already needs no room: sent again it is no error')
      same(await polled(worker, 'runs'), inStage('PROCESSING', runs), 'and runs on')
      await checkNoJob(worker, harness, refused)
      await restore()
      await checkNoJob(worker, harness, refused)
      await resolves(send(worker, harness, refused), 'once there is room it is sent')
      same(await harness.starts(refused), 1, 'and is one job')
      same(await polled(worker, 'refused'), inStage('PROCESSING', refused), 'which runs')
    },
  },
]

async function checkNoJob(worker: Worker, harness: WorkerHarness, job: JobRef): Promise<void> {
  same(await polled(worker, job.id), 'absent', 'no poll knows a job of the refused item')
  if (worker.lookupJob)
    same(seen(await worker.lookupJob(job)), 'absent', 'lookupJob is sure that there is none')
  same(await harness.starts(job), 0, 'nothing was started')
}
