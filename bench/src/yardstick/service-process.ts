// A process of its own: the engine of a build on a queue, with a worker whose jobs take 1 ms.
import type { Queue } from '@sluice/core'
import { engineOf, openQueueOf, type QueueSetup } from './build.ts'
import { answer, setupOf } from './helper.ts'
import type { Histogram } from './latency.ts'
import { TimedWorker } from './timed-worker.ts'

export interface ServiceSetup {
  readonly queue: QueueSetup
  readonly name: string
  /** How many jobs may run at once. */
  readonly cap: number
  readonly jobMs: number
}

/** All since the process started. */
export interface ServiceReading {
  readonly done: number
  readonly cpuUs: number
  readonly rssBytes: number
  readonly latencies: Histogram
  readonly failed: number
}

const { queue: queueSetup, name, cap, jobMs } = setupOf<ServiceSetup>()
const { WorkQueue, processingLimit } = await engineOf(queueSetup.build)
const queue: Queue = await openQueueOf(queueSetup)
const worker = new TimedWorker(name, jobMs)
const workQueue = new WorkQueue({
  queue,
  worker,
  policy: processingLimit(cap),
  maxBatchItems: Math.max(cap, 500),
})
const stop = new AbortController()
let failed = 0
const running = workQueue.run({
  minDelayMs: 1,
  signal: stop.signal,
  onTick: ({ settled }) => (failed += settled.fail + settled.waiting),
})
running.catch((error: unknown) => {
  console.error('the engine ended:', error)
  process.exit(1)
})
answer({
  read: (): ServiceReading => {
    const { user, system } = process.cpuUsage()
    const rssBytes = process.memoryUsage.rss()
    return { done: worker.done, cpuUs: user + system, rssBytes, latencies: worker.latencies.read(), failed }
  },
  end: async () => {
    stop.abort()
    await running
    await workQueue.close()
    await queue.close()
  },
})
