// The engine on the queue beside it: twenty items, at most three at once, one of which fails.
import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JobReport } from '@sluice/core'
import { createWorker } from '@sluice/core/backend'
import { WorkQueue, processingLimit } from '@sluice/engine'
import { openQueue } from './json-queue.ts'

/** Jobs that have ended once they were sent, until their outcomes are stored. */
const jobs = new Map<string, JobReport>()
let most = 0
const worker = createWorker('tiles', {
  supports: { durable: false },
  sendJob: async ({ id, uid, attempt }) => {
    jobs.set(id, { stage: id === 'tile-13' ? 'FAIL' : 'SUCCESS', uid, attempt, message: `the job of ${id}` })
    most = Math.max(most, jobs.size)
  },
  pollAllStatus: async () => new Map(jobs),
  acknowledgeJobs: async (refs) => {
    for (const { id } of refs) jobs.delete(id)
  },
})

const dir = await mkdtemp(join(tmpdir(), 'tiles-'))
const queue = await openQueue({ name: 'tiles', dir })
await queue.putMany(Array.from({ length: 20 }, (_, n) => ({ id: `tile-${n}`, body: { n } })))
const workQueue = new WorkQueue({ queue, worker, policy: processingLimit(3) })
while ((await workQueue.tick()).processing > 0);

// As the next process finds it.
const sizes = await (await openQueue({ name: 'tiles', dir })).sizes()
console.log(`${join(dir, 'tiles.json')}:`, sizes)
assert.deepEqual(sizes, { WAITING: 0, PROCESSING: 0, SUCCESS: 19, FAIL: 1 })
assert.ok(most <= 3, `at most three jobs at once, not ${most}`)
