import { readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import pMap from 'p-map'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openWorker, type ProcessWorker, type ProcessWorkerOptions } from '../src/index.js'
import { MortalHost } from './mortal-host.js'
import { WorkerBench, detail, followToEnd, newJob, send, type TestJob } from './worker-bench.js'

vi.mock('node:fs/promises', async (original) => {
  const { mortalFs } = await import('./mortal-host.js')
  return mortalFs(await original())
})
vi.mock('node:fs', async (original) => {
  const { mortalSyncFs } = await import('./mortal-host.js')
  return mortalSyncFs(await original())
})
vi.mock('node:child_process', async (original) => {
  const { mortalChildProcess } = await import('./mortal-host.js')
  return mortalChildProcess(await original())
})

let bench: WorkerBench

beforeEach(() => {
  bench = new WorkerBench()
})

afterEach(() => bench.close())

/** What a service does first of all about a job of which it knows nothing. */
const FIRST = {
  poll: (worker: ProcessWorker) => worker.pollAllStatus(),
  lookup: (worker: ProcessWorker, job: TestJob) => worker.lookupJob(job),
  send,
}

type First = keyof typeof FIRST

interface Scenario {
  readonly options: ProcessWorkerOptions
  readonly job: TestJob
}

let serial = 0

/** A queue of its own for one job, whose command ends with exit code 3. */
function newScenario(keepOutputs: 'all' | 'none'): Scenario {
  const name = `q${serial++}`
  const options = { ...bench.scriptOptions('exit 3', { keepOutputs, fsync: true }), name }
  return { options, job: newJob(name, {}, { queue: name }) }
}

/**
 * From before the job is sent until it is acknowledged, as a service does it, beginning with one call or
 * another.
 */
async function live({ options, job }: Scenario, first: First, onOpen?: () => void): Promise<void> {
  const worker = await openWorker(options)
  onOpen?.()
  await FIRST[first](worker, job)
  await followToEnd(worker, job)
  await worker.acknowledgeJobs([job])
  await worker.pollAllStatus()
}

/**
 * Ran once, its exit code is reported as often as asked, and once acknowledged it is polled no more, but
 * known.
 */
async function expectIntact({ options, job }: Scenario): Promise<void> {
  const worker = await bench.open(options)
  const stages = [await followToEnd(worker, job), await followToEnd(worker, job)]
  for (const report of stages) {
    expect(report).toMatchObject({ stage: 'FAIL', uid: job.uid })
    // Of files that were removed there is the stage alone; they are removed when the queue has the rest.
    const acknowledged = options.keepOutputs === 'none' && report.details === undefined
    if (!acknowledged) expect([detail(report, 'exitCode'), report.failureClass]).toEqual([3, 'failed'])
  }
  await worker.acknowledgeJobs([job])
  await send(worker, job)
  await worker.pollAllStatus()
  expect(await worker.pollAllStatus()).toEqual(new Map())
  expect(await worker.lookupJob(job)).toMatchObject({ stage: 'FAIL' })
  const { active, stopping, ended } = bench.layout(job.queue)
  expect(await Promise.all([active, stopping, ended].map((folder) => readdir(folder)))).toEqual([[], [], []])
  expect(await bench.runs(job.id)).toBe(1)
  await worker.close()
}

/** Whether the host died on its way, and what is on the disk then. */
interface Death {
  readonly died: boolean
  readonly disk: string
}

/** Counted from when the worker is open: nothing about a job is changed before. */
async function liveAndDie(scenario: Scenario, first: First, at: number): Promise<Death> {
  const host = new MortalHost(at)
  await host.run(() => live(scenario, first, () => host.count()))
  return { died: host.dead, disk: await diskOf(scenario) }
}

/** Every file and record that belongs to the job, and the text of those that say how it ended. */
async function diskOf({ job }: Scenario): Promise<string> {
  const { root } = bench.layout(job.queue)
  const names = await readdir(root, { recursive: true }).catch(() => [])
  const kept = names.filter((name) => !name.startsWith('preparing/')).toSorted()
  const lines = kept.map(async (name) => {
    const text = /ended|exit|gone/u.test(name) ? await readlink(join(root, name)).catch(() => '') : ''
    return `${name.replaceAll(/[0-9a-f]{32}/gu, 'key').replace(/\/[0-9a-f]{2}(?=\/|$)/u, '')} ${text}`
  })
  return (await Promise.all(lines)).join('\n')
}

/** The moments of death that leave different things behind, and the life that met with none. */
async function distinctDeaths(keepOutputs: 'all' | 'none'): Promise<number[]> {
  const byDisk = new Map<string, number>()
  for (let at = 0, died = true; died; at++) {
    const death = await liveAndDie(newScenario(keepOutputs), 'send', at)
    if (!byDisk.has(death.disk)) byDisk.set(death.disk, at)
    died = death.died
  }
  return [...byDisk.values()]
}

/**
 * Each pair of deaths takes two supervisors, processes of their own: after each first death every fifth
 * second one is tried, beginning with another one for each start, so that all are met with some start. The
 * same pairs in each run; SLUICE_EXPLORE=1 tries all.
 */
const STEP = process.env['SLUICE_EXPLORE'] === undefined ? 5 : 1

const FIRSTS: readonly First[] = ['poll', 'lookup', 'send']
const PARALLEL = { concurrency: 6 }

async function expectIntactAfter(what: string, scenario: Scenario): Promise<void> {
  await expectIntact(scenario).catch((error: unknown) => {
    throw new Error(`after ${what}`, { cause: error })
  })
}

describe.each(['all', 'none'] as const)('keeping %s', (keepOutputs) => {
  test('a host dies at each change, and a second one at each: the job runs once, its exit code is reported', async () => {
    const ones = await distinctDeaths(keepOutputs)
    const checked = new Set<string>()
    const starts = ones.flatMap((one) => FIRSTS.map((first) => ({ one, first })))
    await pMap(
      starts.map((start, index) => ({ ...start, from: index % STEP })),
      async ({ one, first, from }) => {
        for (let two = from, died = true; died; two += STEP) {
          const scenario = newScenario(keepOutputs)
          await liveAndDie(scenario, 'send', one)
          const death = await liveAndDie(scenario, first, two)
          died = death.died
          // What another pair of deaths left in the same way was checked then.
          if (checked.has(death.disk)) continue
          checked.add(death.disk)
          await expectIntactAfter(`death ${one}, then ${first} and death ${two}`, scenario)
        }
      },
      PARALLEL,
    )
    expect(checked.size).toBeGreaterThan(5)
  }, 240_000)

  test('a host dies at each change while others live', async () => {
    const ones = await distinctDeaths(keepOutputs)
    const starts = ones.flatMap((one) => FIRSTS.map((first) => ({ one, first })))
    await pMap(
      starts,
      async ({ one, first }) => {
        const scenario = newScenario(keepOutputs)
        await Promise.all([
          liveAndDie(scenario, 'send', one),
          live(scenario, first),
          live(scenario, 'lookup'),
        ])
        await expectIntactAfter(`death ${one} beside ${first}`, scenario)
      },
      PARALLEL,
    )
    // How many more leave something of their own behind depends on how far the supervisor is by then.
    expect(ones.length).toBeGreaterThan(4)
  }, 240_000)
})
