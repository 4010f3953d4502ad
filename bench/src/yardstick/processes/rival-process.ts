// A process of its own: another queue, either what puts its jobs or what does them, with the settings that
// its documentation gives for throughput.
import { setTimeout as pause } from 'node:timers/promises'
import { makeWorkerUtils, run } from 'graphile-worker'
import { PgBoss } from 'pg-boss'
import { silent } from '../../adapters/graphile.ts'
import { feedAll, type Fed } from './feeding.ts'
import { answer } from './helper.ts'
import { Tally, usage } from './readings.ts'

export interface RivalSetup {
  readonly rival: 'pg-boss' | 'graphile-worker'
  readonly role: 'feeder' | 'runner'
  readonly url: string
  readonly cap: number
  readonly jobMs: number
}

const QUEUE = 'yard'
const BATCH = 500
const CONNECTIONS = 16

const { rival, role, url, cap, jobMs }: RivalSetup = JSON.parse(process.argv[2] ?? '')
const tally = new Tally()

if (role === 'feeder') feedAll(await (rival === 'pg-boss' ? feedBoss() : feedGraphile()), {})
else {
  const stop = await (rival === 'pg-boss' ? runBoss() : runGraphile())
  answer({ read: () => ({ ...tally.read(), ...usage() }), done: () => tally.done, end: stop })
}

async function openBoss(): Promise<PgBoss> {
  const boss = new PgBoss({ connectionString: url, max: CONNECTIONS, supervise: false, schedule: false })
  boss.on('error', (error) => console.error('pg-boss:', error))
  await boss.start()
  await boss.createQueue(QUEUE)
  return boss
}

async function feedBoss(): Promise<Fed> {
  const boss = await openBoss()
  return {
    put: async (items) => {
      await boss.insert(
        QUEUE,
        items.map(({ body }) => ({ data: body })),
      )
    },
    close: () => boss.stop({ graceful: false }),
  }
}

/** Batches, each fetched as soon as the one before is done while there are more. */
async function runBoss(): Promise<() => Promise<void>> {
  const boss = await openBoss()
  const localConcurrency = Math.max(1, Math.min(4, cap / 64))
  const options = {
    batchSize: Math.ceil(cap / localConcurrency),
    localConcurrency,
    pollingIntervalSeconds: 0.5,
    burstWhenBatchFull: true,
  }
  await boss.work<{ at: number }>(QUEUE, options, async (jobs) => {
    await pause(jobMs)
    for (const { data } of jobs) tally.add(data.at)
  })
  return () => boss.stop({ graceful: true, timeout: 5_000 })
}

async function feedGraphile(): Promise<Fed> {
  const utils = await makeWorkerUtils({ connectionString: url, maxPoolSize: 4, logger: silent })
  await utils.migrate()
  return {
    put: async (items) => {
      await utils.addJobs(items.map(({ body }) => ({ identifier: QUEUE, payload: body })))
    },
    close: async () => {
      await utils.release()
    },
  }
}

/** With both of its batching options: a local queue, and completions that are written together. */
async function runGraphile(): Promise<() => Promise<void>> {
  const batching = { localQueue: { size: BATCH }, completeJobBatchDelay: 0, failJobBatchDelay: 0 }
  const runner = await run({
    logger: silent,
    preset: {
      worker: { connectionString: url, concurrentJobs: cap, maxPoolSize: CONNECTIONS, ...batching },
    },
    noHandleSignals: true,
    taskList: {
      [QUEUE]: async (payload) => {
        await pause(jobMs)
        tally.add(atOf(payload))
      },
    },
  })
  return () => runner.stop()
}

function atOf(payload: unknown): number {
  return typeof payload === 'object' && payload !== null && 'at' in payload ? Number(payload.at) : Number.NaN
}
