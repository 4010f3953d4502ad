import { WorkQueue, processingLimit } from '@sluice/engine'
import { openQueue } from '@sluice/queue-memory'
import { openWorker } from '@sluice/worker-dummy'

const queue = await openQueue({ name: 'tiles' })
const worker = await openWorker({ name: 'tiles', rule: { afterMs: [10, 50], failRate: 0.1, seed: 7 } })
for (let n = 1; n <= 100; n++) await queue.put(`tile-${n}`, { url: `s3://maps/${n}.tif` })

const done = new AbortController()
const workQueue = new WorkQueue({ queue, worker, policy: processingLimit(8) })
await workQueue.run({
  intervalMs: 20,
  signal: done.signal,
  onTick: ({ processing }) => processing === 0 && done.abort(),
})
console.table(await queue.sizes())
