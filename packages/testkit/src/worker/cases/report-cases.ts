import type { JobReport } from '@sluice/core'
import { check, same } from '../../check.js'
import type { WorkerCase } from '../worker-harness.js'
import { inStage, jobOf, seen, send } from './worker-walk.js'

/** W-POLL-1, of what a report has beside a stage. */
export const reportCases: readonly WorkerCase[] = [
  {
    id: 'W-POLL-1/j',
    title:
      'a job’s own uid stays, from poll to poll, in look-ups, and once it has ended; no two jobs have one',
    needs: (_, { hasJobUids }) => (hasJobUids === true ? undefined : 'its reports have no jobUid'),
    async run(harness) {
      const worker = await harness.open()
      const [job, other] = [jobOf('a'), jobOf('b')]
      for (const one of [job, other]) await send(worker, harness, one)
      const poll = async () => (await worker.pollAllStatus()).get('a')
      const jobUid = uidOf(await poll())
      check(uidOf((await worker.pollAllStatus()).get('b')) !== jobUid, 'another job has another one')
      same(uidOf(await poll()), jobUid, 'the next poll says the same')
      if (worker.lookupJob) same(uidOf(await worker.lookupJob(job)), jobUid, 'lookupJob too')
      await harness.finish(job, 'SUCCESS')
      same(uidOf(await poll()), jobUid, 'and a poll once it has ended')
      if (worker.lookupJob) same(uidOf(await worker.lookupJob(job)), jobUid, 'and lookupJob')
    },
  },
  {
    id: 'W-POLL-1/k',
    title: 'a job that was deleted and made again under its name has another uid of its own',
    needs: (_, harness) => {
      if (harness.hasJobUids !== true) return 'its reports have no jobUid'
      return harness.loseJob === undefined ? 'the harness can’t take a job away without a trace' : undefined
    },
    async run(harness) {
      const worker = await harness.open()
      const job = jobOf('a')
      await send(worker, harness, job)
      const before = uidOf((await worker.pollAllStatus()).get('a'))
      await harness.loseJob?.(job)
      same((await worker.pollAllStatus()).has('a'), false, 'the job is gone')
      await send(worker, harness, job)
      const report = (await worker.pollAllStatus()).get('a')
      same(seen(report), inStage('PROCESSING', job), 'it was made again')
      check(uidOf(report) !== before, 'and is another job', report)
      if (worker.lookupJob) same(uidOf(await worker.lookupJob(job)), uidOf(report), 'lookupJob says the same')
    },
  },
  {
    id: 'W-POLL-1/l',
    title: 'the exit code of a job that has ended is a field of its report; one that runs has none',
    needs: (_, { exitCodes }) => (exitCodes === undefined ? 'its reports have no exit codes' : undefined),
    async run(harness) {
      const worker = await harness.open()
      for (const how of ['SUCCESS', 'FAIL'] as const) {
        const job = jobOf(how)
        await send(worker, harness, job)
        same((await worker.pollAllStatus()).get(how)?.exitCode, undefined, 'while it runs there is none')
        await harness.finish(job, how)
        const expected = harness.exitCodes?.[how]
        same((await worker.pollAllStatus()).get(how)?.exitCode, expected, `the exit code of a ${how}`)
        if (worker.lookupJob)
          same((await worker.lookupJob(job))?.exitCode, expected, 'lookupJob says the same')
      }
    },
  },
]

function uidOf(report: JobReport | undefined): string {
  const jobUid = report?.jobUid ?? ''
  check(jobUid !== '', 'the report has a jobUid', report)
  return jobUid
}
