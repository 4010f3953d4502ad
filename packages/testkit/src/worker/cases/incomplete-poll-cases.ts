import type { WorkerSupports } from '@sluice/core'
import { check, same } from '../../check.js'
import type { ObstructedWorker, WorkerCase, WorkerHarness } from '../worker-harness.js'
import { inStage, jobOf, polled, seen, send } from './worker-walk.js'

/** W-POLL-2, of polls that can't ask for everything. */
export const incompletePollCases: readonly WorkerCase[] = [
  {
    id: 'W-POLL-2/b',
    title: 'a poll that cannot ask for everything says so and why, and gives the rest as last known',
    needs,
    async run(harness) {
      const { worker, obstruct, restore } = await opened(harness)
      const [awaited, other] = [jobOf('awaited'), jobOf('other')]
      await send(worker, harness, awaited)
      await send(worker, harness, other)
      const before = await worker.pollAllStatus([awaited])
      check(before.complete !== false, 'a poll that can ask for everything is complete')
      await obstruct()
      // Several: what is known must not get lost from poll to poll.
      for (let poll = 0; poll < 3; poll++) {
        const reports = await worker.pollAllStatus([awaited])
        same(reports.complete, false, 'one that can’t says so')
        check((reports.incompleteReason ?? '') !== '', 'and why', reports.incompleteReason)
        same(seen(reports.get('awaited')), inStage('PROCESSING', awaited), 'the awaited job is in it')
        same(
          seen(reports.get('other')),
          inStage('PROCESSING', other),
          'and so is the one that is not awaited',
        )
        same(reports.size, 2, 'and nothing else')
      }
      await restore()
      check((await worker.pollAllStatus([awaited])).complete !== false, 'afterwards it is complete again')
    },
  },
  {
    id: 'W-POLL-2/c',
    title:
      'a job that ends while polls are incomplete is reported as it was, or as ended; and as ended afterwards',
    needs,
    async run(harness) {
      const { worker, obstruct, restore } = await opened(harness)
      const [ends, runs] = [jobOf('ends'), jobOf('runs')]
      await send(worker, harness, ends)
      await send(worker, harness, runs)
      await worker.pollAllStatus([ends, runs])
      await obstruct()
      await harness.finish(ends, 'SUCCESS')
      const during = seen((await worker.pollAllStatus([ends, runs])).get('ends'))
      const either = [inStage('PROCESSING', ends), inStage('SUCCESS', ends)]
      check(either.includes(during), 'as last known, or as it is', during)
      await restore()
      same(await polled(worker, 'ends'), inStage('SUCCESS', ends), 'its end is reported once it can be')
      same(await polled(worker, 'runs'), inStage('PROCESSING', runs), 'the other runs on')
    },
  },
]

function needs({ incompletePolls }: WorkerSupports): string | undefined {
  return incompletePolls === true ? undefined : 'a poll of this worker asks for everything, or rejects'
}

async function opened(harness: WorkerHarness): Promise<ObstructedWorker> {
  const worker = await harness.openObstructed?.()
  if (worker !== undefined) return worker
  throw new Error('supports says that polls may be incomplete, so the harness must have openObstructed')
}
