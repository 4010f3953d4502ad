// A process of its own: the engine of a build on a queue, with a worker whose jobs take 1 ms.
import { setTimeout as pause } from 'node:timers/promises'
import { isSluiceError, type Queue } from '@sluice/core'
import { engineOf, openQueueOf, type QueueSetup } from './build.ts'
import { answer } from './helper.ts'
import { usage, type RunnerReading } from './readings.ts'
import { SocketWorker } from './socket-worker.ts'
import { TimedWorker } from './timed-worker.ts'

export interface ServiceSetup {
  readonly queue: QueueSetup
  readonly name: string
  /** How many jobs may run at once. */
  readonly cap: number
  readonly jobMs: number
  /** Of the server of the jobs. Absent: they are in this process. */
  readonly socket?: string | undefined
  readonly leaseTtlMs?: number | undefined
}

const {
  queue: queueSetup,
  name,
  cap,
  jobMs,
  socket,
  leaseTtlMs,
}: ServiceSetup = JSON.parse(process.argv[2] ?? '')
const { WorkQueue, processingLimit } = await engineOf(queueSetup.build)
const queue = await opened()
const timed = new TimedWorker(name, jobMs)
const worker = socket === undefined ? timed : new SocketWorker(name, socket)
const workQueue = new WorkQueue({
  queue,
  worker,
  policy: processingLimit(cap),
  maxBatchItems: Math.max(cap, 500),
  ...(leaseTtlMs === undefined ? {} : { leaseTtlMs }),
})
const stop = new AbortController()
let isDispatcher = false
const running = workQueue.run({
  minDelayMs: 1,
  signal: stop.signal,
  onTick: ({ role }) => {
    isDispatcher = role === 'dispatcher'
  },
})
running.catch((error: unknown) => {
  console.error('the engine ended:', error)
  process.exit(1)
})
answer({
  read: (): RunnerReading => ({ ...timed.tally.read(), ...usage(), isDispatcher }),
  done: () => timed.tally.done,
  end: async () => {
    stop.abort()
    await running
    await workQueue.close()
    await worker.close()
    await queue.close()
  },
})

/** A service that starts in an outage is started again and again until it is up, as by an init system. */
async function opened(): Promise<Queue> {
  for (;;) {
    try {
      return await openQueueOf(queueSetup)
    } catch (error) {
      if (!isSluiceError(error) || !error.retryable) throw error
      await pause(200)
    }
  }
}
