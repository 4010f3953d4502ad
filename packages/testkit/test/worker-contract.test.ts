import { expect, test } from 'vitest'
import { workerContract, wrapWorker, type WorkerHarness } from '../src/index.js'
import { testWorker } from '../src/vitest.js'
import { tinyHarness } from './tiny-worker.js'

testWorker('a tiny worker', tinyHarness)

/**
 * A harness whose worker's cancelled jobs are reported to have ended after so many polls, each of which takes
 * its time.
 */
async function slowToEnd(polls: number, endsWithinMs: number): Promise<WorkerHarness> {
  const harness = await tinyHarness()
  const inner = await harness.open()
  let left = Number.POSITIVE_INFINITY
  const worker = wrapWorker(inner, {
    cancelJob: async (job, reason) => {
      left = polls
      await inner.cancelJob?.(job, reason)
    },
    pollAllStatus: async () => {
      const reports = new Map(await inner.pollAllStatus())
      const job = reports.get('a')
      if (job !== undefined && left-- > 0) reports.set('a', { ...job, stage: 'PROCESSING' })
      return reports
    },
  })
  return { ...harness, endsWithinMs, open: async () => worker }
}

test('a harness may say how long a cancelled job takes to end', async () => {
  const stop = workerContract.find(({ id }) => id === 'W-STOP-1')
  await expect(stop?.run(await slowToEnd(10, 10_000))).resolves.toBeUndefined()
  await expect(stop?.run(await slowToEnd(1_000_000, 50))).rejects.toThrow('a cancelled job ends')
})
