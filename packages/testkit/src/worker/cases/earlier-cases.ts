import type { JobRef, JobReport, Worker } from '@sluice/core'
import { check, same } from '../../check.js'
import type { WorkerCase } from '../worker-harness.js'
import { inStage, jobOf, seen, send } from './worker-walk.js'

/** W-POLL-1, of several jobs of one item id. */
export const earlierCases: readonly WorkerCase[] = [
  {
    id: 'W-POLL-1/g',
    title: 'an earlier attempt that still runs is reported beside the later one, as `earlier`, until it ends',
    async run(harness) {
      const worker = await harness.open()
      const [first, second] = [jobOf('a', 1), jobOf('a', 2)]
      await send(worker, harness, first)
      await checkReport(worker, first, [])
      await send(worker, harness, second)
      await checkReport(worker, second, [first])
      await checkReport(worker, second, [first])
      await harness.finish(first, 'FAIL')
      await checkReport(worker, second, [])
    },
  },
  {
    id: 'W-POLL-1/h',
    title:
      'an earlier attempt that outlives the later one is reported on, also once the later one is acknowledged',
    async run(harness) {
      const worker = await harness.open()
      const [first, second, third] = [jobOf('a', 1), jobOf('a', 2), jobOf('a', 3)]
      for (const job of [first, second, third]) await send(worker, harness, job)
      await checkReport(worker, third, [first, second])
      await harness.finish(third, 'SUCCESS')
      const report = (await worker.pollAllStatus()).get('a')
      same(
        seen(report),
        inStage('SUCCESS', third),
        'the last attempt has ended, and that is what is reported',
      )
      same(earlierOf(report), running([first, second]), 'with those that still run')
      if (worker.acknowledgeJobs === undefined) return
      await worker.acknowledgeJobs([third])
      await checkReport(worker, second, [first])
    },
  },
  {
    id: 'W-POLL-1/i',
    title: 'a job of an item that was removed and put again is reported beside that of the new one',
    async run(harness) {
      const worker = await harness.open()
      const [old, fresh] = [jobOf('a', 2, 'the old uid'), jobOf('a', 1, 'the new uid')]
      const other = jobOf('b')
      for (const job of [other, old, fresh]) await send(worker, harness, job)
      const reports = await worker.pollAllStatus()
      const report = reports.get('a')
      const all = report === undefined ? [] : [seen(report), ...earlierOf(report)]
      same(all.toSorted(), running([old, fresh]), 'both are in one report, whichever comes first')
      same(earlierOf(reports.get('b')), [], 'another item has nothing to do with it')
      await harness.finish(old, 'FAIL')
      await checkReport(worker, fresh, [])
    },
  },
]

async function checkReport(worker: Worker, job: JobRef, earlier: readonly JobRef[]): Promise<void> {
  const report = (await worker.pollAllStatus()).get(job.id)
  same(seen(report), inStage('PROCESSING', job), 'the later job is what is reported')
  same(earlierOf(report), running(earlier), 'its `earlier` has the others that run, and no more')
  check(
    report?.earlier?.every((one) => one.earlier === undefined) ?? true,
    'and they have none of their own',
    report,
  )
}

function earlierOf(report: JobReport | undefined): string[] {
  return (report?.earlier ?? []).map((one) => seen(one)).toSorted()
}

function running(jobs: readonly JobRef[]): string[] {
  return jobs.map((job) => inStage('PROCESSING', job)).toSorted()
}
