import { once } from 'node:events'
import { Worker as BullWorker } from 'bullmq'
import { run } from 'graphile-worker'
import { WorkQueue, processingLimit } from '@sluice/engine'
import { openQueue } from '@sluice/queue-sql'
import { makeItems, type Adapter } from '../adapter.ts'
import { bullmq } from '../adapters/bullmq.ts'
import { graphile, silent } from '../adapters/graphile.ts'
import { sluice } from '../adapters/sluice.ts'
import { rotated, sized, type Bench, type BenchCase } from '../bench-case.ts'
import { measure, processMeter } from '../meter.ts'
import { NoopWorker } from '../noop-worker.ts'
import { tidy } from '../grounds.ts'

/**
 * From the backlog through the contender's own loop to a handler that does nothing, and back to what says
 * that it is done.
 */
interface Runner {
  readonly name: string
  readonly adapter: Adapter
  /** How many items it gets: a slow one would take the whole evening. */
  readonly items: number
  run(place: { url: string; redisPort: number | undefined }, items: number): Promise<Leave>
}

/**
 * What is left to do when the last item is done. Not measured: the CPU of a connection that was closed would
 * count as the vacuum's.
 */
type Leave = () => Promise<void>

const CONCURRENCY = 16
const BATCH = 500
const ITEMS = 100_000

const RUNNERS: readonly Runner[] = [
  { name: 'sluice', adapter: sluice, items: ITEMS, run: ({ url }, items) => runSluice(url, items) },
  {
    name: 'graphile-worker, batched',
    adapter: graphile,
    items: ITEMS,
    run: ({ url }, items) => runGraphile(url, items, true),
  },
  {
    name: 'graphile-worker, plain',
    adapter: graphile,
    items: 3_000,
    run: ({ url }, items) => runGraphile(url, items, false),
  },
  {
    name: 'BullMQ',
    adapter: bullmq,
    items: 30_000,
    run: ({ redisPort }, items) => runBull(redisPort, items),
  },
]

/** End to end: a long backlog through a loop to a handler that does nothing. */
export const dispatch: BenchCase = {
  name: 'dispatch',
  title: 'Dispatch, end to end, to a handler that does nothing',
  run: async (bench) => {
    const runners = RUNNERS.filter(({ name }) => name !== 'BullMQ' || bench.redis !== undefined)
    for (let repeat = 0; repeat < bench.repeats; repeat++) {
      for (const runner of rotated(runners, repeat)) await runOne(bench, runner, repeat)
    }
  },
}

async function runOne(bench: Bench, runner: Runner, repeat: number): Promise<void> {
  const opened = await bench.grounds.open(runner.adapter, CONCURRENCY)
  const items = sized(bench, runner.items)
  for (let left = items; left > 0; left -= 1_000) await opened.store.put(makeItems(Math.min(left, 1_000)), 0)
  await tidy(opened.url)
  const meter = runner.adapter === bullmq && bench.redis ? processMeter(bench.redis.pid) : bench.postgres
  const place = { url: opened.url, redisPort: bench.redis?.port }
  let leave: Leave | undefined
  const cost = await measure(meter, async () => {
    leave = await runner.run(place, items)
    return items
  })
  await leave?.()
  bench.note({ case: 'dispatch', cell: 'no-op handler', adapter: runner.name, repeat, ...cost })
  await opened.leave()
}

/** The engine as the service runs it: woken by the worker. */
async function runSluice(url: string, items: number): Promise<Leave> {
  const queue = await openQueue({ name: 'bench', url, timeoutMs: 120_000 })
  const worker = new NoopWorker('bench')
  // A batch that is sent and one that is claimed meanwhile, as graphile-worker fills its local queue again
  // while jobs are completed.
  const policy = processingLimit(2 * BATCH)
  const workQueue = new WorkQueue({
    queue,
    worker,
    policy,
    maxBatchItems: BATCH,
    sendConcurrency: CONCURRENCY,
  })
  const stopping = new AbortController()
  let settled = 0
  await workQueue.run({
    intervalMs: 1_000,
    minDelayMs: 1,
    signal: stopping.signal,
    onTick: (result) => {
      settled += result.settled.success
      if (settled >= items) stopping.abort()
    },
  })
  const left = items - (await queue.size('SUCCESS'))
  if (left !== 0) throw new Error(`${left} items are not in SUCCESS`)
  return () => queue.close()
}

async function runGraphile(url: string, items: number, isBatched: boolean): Promise<Leave> {
  let done = 0
  const end = Promise.withResolvers<void>()
  const batching = { localQueue: { size: BATCH }, completeJobBatchDelay: 0, failJobBatchDelay: 0 }
  const runner = await run({
    logger: silent,
    preset: {
      worker: {
        connectionString: url,
        concurrentJobs: CONCURRENCY,
        maxPoolSize: CONCURRENCY,
        ...(isBatched ? batching : {}),
      },
    },
    noHandleSignals: true,
    taskList: {
      bench: () => {
        done += 1
        if (done === items) end.resolve()
      },
    },
  })
  await end.promise
  // It also waits for the last completions to be written.
  await runner.stop()
  return async () => {}
}

async function runBull(port: number | undefined, items: number): Promise<Leave> {
  if (port === undefined) throw new TypeError('BullMQ needs a redis-server')
  const connection = { host: '127.0.0.1', port }
  const worker = new BullWorker('bench', async () => 'done', { connection, concurrency: CONCURRENCY })
  let done = 0
  const end = Promise.withResolvers<void>()
  worker.on('completed', () => {
    done += 1
    if (done === items) end.resolve()
  })
  worker.on('error', (error) => end.reject(error))
  if (!worker.isRunning()) await once(worker, 'ready')
  await end.promise
  return () => worker.close()
}
