// A service to be killed: a queue in a file, an engine, and a worker on the server that HOST_WORKER names. It
// runs what was built: twenty starts from the sources take twice as long.
import { WorkQueue, processingLimit } from '@sluice/engine'
import { openQueue } from '@sluice/queue-sql'
import { openWorker } from '../dist/index.js'

const worker = await openWorker(JSON.parse(process.env.HOST_WORKER))
const queue = await openQueue({ name: worker.name, url: `sqlite:${process.env.HOST_FILE}` })
const policy = processingLimit(Number(process.env.HOST_CAP))
const workQueue = new WorkQueue({ queue, worker, policy, leaseTtlMs: 300 })
await workQueue.run({ intervalMs: 100, minDelayMs: 1 })
