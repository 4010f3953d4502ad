// A process of its own: the engine on a queue, 500 jobs that run on, fifteen ticks. It says the most memory
// that it had, in MB, and the median of a tick, in ms.
import { WorkQueue, processingLimit } from '@sluice/engine'
import { openQueue } from '@sluice/queue-sql'
import { openWorker } from '@sluice/worker-dummy'
import { median } from './result.ts'

const [url = ''] = process.argv.slice(2)
const queue = await openQueue({ name: 'scale', url, timeoutMs: 120_000 })
const worker = await openWorker({ name: 'scale' })
const workQueue = new WorkQueue({ queue, worker, policy: processingLimit(500), canary: 0 })
let peak = 0
const times: number[] = []
for (let tick = 0; tick < 15; tick++) {
  const startedAt = performance.now()
  const { processing } = await workQueue.tick()
  times.push(performance.now() - startedAt)
  if (processing !== 500) throw new Error(`${processing} items in PROCESSING`)
  peak = Math.max(peak, process.memoryUsage.rss())
}
await workQueue.close()
for (const { id } of worker.running()) await queue.release(id, { countAttempt: false })
await queue.close()
console.log(JSON.stringify({ serviceMb: peak / 1e6, tickMs: median(times) }))
