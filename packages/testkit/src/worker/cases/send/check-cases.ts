import { isSluiceError, type JsonValue, type Worker, type WorkerSupports } from '@sluice/core'
import { check, rejects, resolves, same } from '../../../check.js'
import type { WorkerCase, WorkerHarness } from '../../worker-harness.js'
import { checkOffered, inStage, jobOf, polled, send } from '../worker-walk.js'

/** W-CHECK-1. */
export const checkCases: readonly WorkerCase[] = [
  {
    id: 'W-CHECK-1',
    title:
      'checkItem resolves for an item that can become a job, starts nothing, and leaves a job that runs alone',
    needs: lacksCheck,
    async run(harness) {
      const worker = await harness.open()
      checkOffered(worker, 'checkItem')
      const job = jobOf('a')
      await resolves(checkItem(worker, 'a', harness.body()), 'a check of an item that can become a job')
      same((await worker.pollAllStatus()).size, 0, 'it starts nothing')
      await send(worker, harness, job)
      await resolves(checkItem(worker, 'a', harness.body()), 'a check of an item whose job runs')
      same(await polled(worker, 'a'), inStage('PROCESSING', job), 'the job runs on')
      same(await harness.starts(job), 1, 'and was started once')
    },
  },
  {
    id: 'W-CHECK-1/a',
    title: 'checkItem rejects SLUICE_JOB_REJECTED for an item that can never be accepted',
    needs: (supports, harness) =>
      lacksCheck(supports) ??
      (harness.refusedItem === undefined ? 'this worker accepts every item' : undefined),
    async run(harness) {
      const item = harness.refusedItem?.()
      if (item === undefined) return
      const worker = await harness.open()
      const end = checkItem(worker, item.id, item.body)
      await rejects(end, 'SLUICE_JOB_REJECTED', 'a check of an item that can never be accepted')
      same(await polled(worker, item.id), 'absent', 'it starts nothing')
      await resolves(checkItem(worker, 'good', harness.body()), 'the next item is checked as ever')
    },
  },
  {
    id: 'W-CHECK-1/b',
    title: 'with the other side out of reach checkItem rejects no item',
    needs: (supports, harness) =>
      lacksCheck(supports) ??
      (harness.openUnreachable === undefined
        ? 'the harness can’t put the other side out of reach'
        : undefined),
    run: (harness) => checkBlameless(harness, harness.openUnreachable?.()),
  },
  {
    id: 'W-CHECK-1/c',
    title: 'with credentials that are refused checkItem rejects no item',
    needs: (supports, harness) =>
      lacksCheck(supports) ??
      (harness.openDenied === undefined ? 'the harness can’t have the credentials refused' : undefined),
    run: (harness) => checkBlameless(harness, harness.openDenied?.()),
  },
  {
    id: 'W-CHECK-1/d',
    title: 'after close checkItem rejects SLUICE_WORKER_CLOSED',
    needs: lacksCheck,
    async run(harness) {
      const worker = await harness.open()
      await worker.close()
      await rejects(checkItem(worker, 'a', harness.body()), 'SLUICE_WORKER_CLOSED', 'a check after close')
    },
  },
]

function lacksCheck({ checkItem: isThere }: WorkerSupports): string | undefined {
  return isThere === true ? undefined : 'this worker has no checkItem'
}

async function checkItem(worker: Worker, id: string, body: JsonValue): Promise<void> {
  await worker.checkItem?.(id, body)
}

/** It may find out that the item is fine without the other side, or say that it can't be asked. */
async function checkBlameless(harness: WorkerHarness, opening: Promise<Worker> | undefined): Promise<void> {
  const worker = await opening
  if (worker === undefined) return
  const error = await checkItem(worker, 'a', harness.body()).catch((reason: unknown) => reason)
  const isBlameless = error === undefined || (isSluiceError(error) && error.code !== 'SLUICE_JOB_REJECTED')
  check(isBlameless, 'trouble of the worker is none of the item', error)
}
