import type { JobReport } from '@sluice/core'
import { check, same } from '../../check.js'
import type { WorkerCase } from '../worker-harness.js'
import { eventually, inStage, jobOf, polled, seen, send, sendPending } from './worker-walk.js'

/** A worker may ask now and then only what holds a job up. */
const BOUND_MS = 30_000
const MESSAGE = 'nowhere to put it'

/** W-PEND-1. */
export const pendingCases: readonly WorkerCase[] = [
  {
    id: 'W-PEND-1',
    title: 'a job that does not begin is reported as pending, with what holds it up; once it runs, it is not',
    needs: ({ pending }) =>
      pending === true ? undefined : 'this worker does not say which jobs are pending',
    async run(harness) {
      const worker = await harness.open()
      const [held, runs] = [jobOf('held'), jobOf('runs')]
      await send(worker, harness, runs)
      await sendPending(harness, { worker, job: held, message: MESSAGE })
      const report = async () => (await worker.pollAllStatus()).get('held')
      const isReported = await eventually(async () => isPending(await report()), BOUND_MS)
      check(isReported, 'a poll says that it is pending, and what holds it up', await report())
      same(seen(await report()), inStage('PROCESSING', held), 'it counts as unfinished')
      if (worker.lookupJob) {
        const found = await worker.lookupJob(held)
        check(isPending(found), 'lookupJob says the same', found)
      }
      await harness.begin?.(held)
      const begun = await eventually(async () => (await report())?.pending !== true, BOUND_MS)
      check(begun, 'once it runs it is no longer pending', await report())
      same(seen(await report()), inStage('PROCESSING', held), 'and runs')
      await harness.finish(held, 'SUCCESS')
      check((await report())?.pending !== true, 'nor is one that has ended', await report())
      same(await polled(worker, 'held'), inStage('SUCCESS', held), 'whose end is reported')
    },
  },
]

function isPending(report: JobReport | undefined): boolean {
  return report?.pending === true && report.message?.includes(MESSAGE) === true
}
