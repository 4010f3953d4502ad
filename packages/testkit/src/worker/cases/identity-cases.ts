import type { Worker, WorkerSupports } from '@sluice/core'
import { check, same } from '../../check.js'
import type { WorkerCase, WorkerHarness } from '../worker-harness.js'
import { jobOf, send } from './worker-walk.js'

/** W-ID-1. */
export const identityCases: readonly WorkerCase[] = [
  {
    id: 'W-ID-1',
    title: 'all objects on one place have one identity, whatever was sent and ended there meanwhile',
    needs: lacksIdentity,
    async run(harness) {
      const first = await harness.open()
      const identity = await identityOf(first)
      const job = jobOf('a')
      await send(first, harness, job)
      same(await identityOf(first), identity, 'the identity while a job runs')
      same(await identityOf(await harness.open()), identity, 'the identity of a second object')
      await harness.finish(job, 'SUCCESS')
      await first.acknowledgeJobs?.([job])
      await first.close()
      same(await identityOf(await harness.open()), identity, 'the identity of one that is opened afterwards')
    },
  },
  {
    id: 'W-ID-1/a',
    title: 'a worker on another place has another identity',
    needs: lacksIdentity,
    async run(harness) {
      const here = await identityOf(await harness.open())
      const there = await identityOf(await elsewhere(harness))
      check(here !== there, 'the worker of another place has another identity', { here, there })
    },
  },
]

function lacksIdentity({ identity }: WorkerSupports): string | undefined {
  return identity === true ? undefined : 'this worker has no identity'
}

/** Known from the first poll on. */
async function identityOf(worker: Worker): Promise<string> {
  await worker.pollAllStatus()
  const { identity } = worker
  check(
    typeof identity === 'string' && identity !== '',
    'supports says that there is an identity, so it is text after a poll',
    identity,
  )
  return identity ?? ''
}

async function elsewhere(harness: WorkerHarness): Promise<Worker> {
  const worker = await harness.openElsewhere?.()
  if (worker === undefined)
    throw new Error('supports.identity is true, so the harness must have openElsewhere')
  return worker
}
