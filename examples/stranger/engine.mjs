// The engine on a queue and a worker of one's own: twenty items, at most three at once, one of which fails.
import assert from 'node:assert/strict'
import { WorkQueue, processingLimit } from '@sluice/engine'
import { shelfQueue } from './shelf-queue.mjs'

const jobs = new Map()
let most = 0
const worker = {
  name: 'tiles',
  supports: { durable: false, lookupJob: false, cancelJob: false, watch: false },
  sendJob: async (id, body, { uid, attempt }) => {
    if (!jobs.has(id))
      jobs.set(id, { stage: body.n === 13 ? 'FAIL' : 'SUCCESS', uid, attempt, message: `job ${id}` })
    most = Math.max(most, jobs.size)
  },
  pollAllStatus: async () => new Map(jobs),
  acknowledgeJobs: async (refs) => {
    for (const { id } of refs) jobs.delete(id)
  },
  close: async () => {},
}

const queue = shelfQueue('tiles')
await queue.putMany(Array.from({ length: 20 }, (_, n) => ({ id: `tile-${n}`, body: { n } })))
const done = new AbortController()
await new WorkQueue({ queue, worker, policy: processingLimit(3) }).run({
  intervalMs: 5,
  signal: done.signal,
  onTick: ({ processing }) => processing === 0 && done.abort(),
})
const sizes = await queue.sizes()
console.log(sizes)
assert.deepEqual(sizes, { WAITING: 0, PROCESSING: 0, SUCCESS: 19, FAIL: 1 })
assert.ok(most <= 3, `at most three jobs at once, there were ${most}`)
