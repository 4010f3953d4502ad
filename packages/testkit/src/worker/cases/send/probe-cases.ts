import type { TroubleConcerns, Worker, WorkerSupports } from '@sluice/core'
import { rejects, resolves, same } from '../../../check.js'
import type { WorkerCase, WorkerHarness } from '../../worker-harness.js'
import {
  checkOffered,
  concerning,
  inStage,
  jobOf,
  lacksTrouble,
  seen,
  send,
  troubledSends,
} from '../worker-walk.js'

/** W-PROBE-1. */
export const probeCases: readonly WorkerCase[] = [
  {
    id: 'W-PROBE-1',
    title:
      'a probe succeeds where a send would, with a sample and after a send without one, and starts nothing',
    needs: lacksProbe,
    async run(harness) {
      const worker = await harness.open()
      checkOffered(worker, 'probeSend')
      const [sample, sent] = [jobOf('sample'), jobOf('sent')]
      await resolves(probe(worker, { id: sample.id, body: harness.body() }), 'a probe with a sample')
      same((await worker.pollAllStatus()).size, 0, 'it starts nothing')
      await send(worker, harness, sent)
      await resolves(probe(worker, { id: sample.id, body: harness.body() }), 'a probe beside a job')
      await resolves(probe(worker, { id: sent.id, body: harness.body() }), 'a probe with the item that runs')
      await resolves(probe(worker), 'a probe without a sample, since an item was sent well')
      const reports = await worker.pollAllStatus()
      same([...reports.keys()], ['sent'], 'the one job that was sent is the only one')
      same(seen(reports.get('sent')), inStage('PROCESSING', sent), 'and it runs on')
      same([await harness.starts(sent), await harness.starts(sample)], [1, 0], 'nothing else was started')
    },
  },
  {
    id: 'W-PROBE-1/a',
    title: 'a probe of a worker in trouble rejects and says that it is the worker’s',
    needs: (supports, harness) => lacksProbe(supports) ?? lacksTrouble(harness, 'worker'),
    run: (harness) => checkTroubledProbe(harness, 'worker'),
  },
  {
    id: 'W-PROBE-1/b',
    title: 'a probe of a worker that takes no more rejects and says so',
    needs: (supports, harness) => lacksProbe(supports) ?? lacksTrouble(harness, 'capacity'),
    run: (harness) => checkTroubledProbe(harness, 'capacity'),
  },
  {
    id: 'W-PROBE-1/c',
    title: 'during the trouble of one item a probe with another one succeeds',
    needs: (supports, harness) => lacksProbe(supports) ?? lacksTrouble(harness, 'item'),
    async run(harness) {
      const { worker, obstruct } = await troubledSends(harness, 'item')
      checkOffered(worker, 'probeSend')
      await obstruct()
      await resolves(
        probe(worker, { id: 'good', body: harness.body() }),
        'a probe with an item that is taken',
      )
      same((await worker.pollAllStatus()).size, 0, 'it starts nothing')
    },
  },
  {
    id: 'W-PROBE-1/d',
    title: 'after close a probe rejects SLUICE_WORKER_CLOSED',
    needs: lacksProbe,
    async run(harness) {
      const worker = await harness.open()
      await send(worker, harness, jobOf('a'))
      await worker.close()
      for (const sample of [undefined, { id: 'a', body: harness.body() }])
        await rejects(probe(worker, sample), 'SLUICE_WORKER_CLOSED', 'a probe after close')
    },
  },
]

function lacksProbe({ probeSend }: WorkerSupports): string | undefined {
  return probeSend === true ? undefined : 'this worker has no probeSend'
}

async function probe(
  worker: Worker,
  sample?: Parameters<NonNullable<Worker['probeSend']>>[0],
): Promise<void> {
  await worker.probeSend?.(sample)
}

async function checkTroubledProbe(harness: WorkerHarness, concerns: TroubleConcerns): Promise<void> {
  const { worker, obstruct, restore } = await troubledSends(harness, concerns)
  checkOffered(worker, 'probeSend')
  const sample = { id: 'sample', body: harness.body() }
  await send(worker, harness, jobOf('sent'))
  same(await harness.starts(jobOf('sent')), 1, 'an item that is sent starts')
  await resolves(probe(worker, sample), 'before the trouble a probe succeeds')
  await obstruct()
  await concerning(probe(worker, sample), concerns, 'a probe with a sample')
  await concerning(probe(worker), concerns, 'a probe without one')
  await restore()
  await resolves(probe(worker, sample), 'once it is over a probe succeeds')
  same([...(await worker.pollAllStatus()).keys()], ['sent'], 'no probe started anything')
  same(await harness.starts(jobOf('sent')), 1, 'nor anything twice')
}
