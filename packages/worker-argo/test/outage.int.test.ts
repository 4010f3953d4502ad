import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Queue } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import type { TickResult, WorkQueue } from '@sluice/engine'
import { MemoryStore } from '@sluice/queue-memory'
import { ManualRuntime } from '@sluice/testkit'
import { answerWith, type ArgoServer } from '@sluice/fake-argo'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ArgoBench } from './argo-bench.js'
import { attemptsIn, serviceOn, workflowsPerJob } from './service-bench.js'

const INTERVAL_MS = 10_000
const HOUR_MS = 3_600_000
const CAP = 10
const ITEMS = 60

/** How it begins and ends, for an hour in between. */
interface Outage {
  begin(server: ArgoServer): void | Promise<void>
  end(server: ArgoServer): void | Promise<void>
  readonly code: 'SLUICE_WORKER_UNAVAILABLE' | 'SLUICE_WORKER_DENIED'
}

function answered(trouble: Parameters<typeof answerWith>[0]): Outage {
  return {
    begin: (server) => void (server.main.onRequest = () => answerWith(trouble)),
    end: (server) => void (server.main.onRequest = undefined),
    code: 'SLUICE_WORKER_UNAVAILABLE',
  }
}

function kubernetes(state: 'refused' | 'timeout' | 'limiter'): Outage {
  return {
    begin: (server) => void (server.kubernetes = state),
    end: (server) => void (server.kubernetes = 'up'),
    code: 'SLUICE_WORKER_UNAVAILABLE',
  }
}

let folder: string
let bench: ArgoBench
const runtime = () => new ManualRuntime()
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-argo-'))
})
afterEach(async () => {
  await bench.close()
  await rm(folder, { recursive: true })
})

const OUTAGES: readonly (readonly [string, Outage])[] = [
  [
    'no port is open',
    {
      begin: (server) => server.main.stop(),
      end: (server) => server.main.start(),
      code: 'SLUICE_WORKER_UNAVAILABLE',
    },
  ],
  [
    'every answer is lost',
    {
      ...answered('internal'),
      begin: (server) => void (server.main.onRequest = () => ({ do: 'drop-reply' })),
    },
  ],
  ['503', answered('unavailable')],
  ['the proxy’s 502', answered('proxy-502')],
  ['another page answers', answered('page')],
  ['the limiter', answered('rate-limited')],
  ['kube-apiserver refuses', kubernetes('refused')],
  ['kube-apiserver is slow', kubernetes('timeout')],
  ['the server’s own limiter', kubernetes('limiter')],
  [
    'the token was replaced, and the new one comes late',
    {
      begin: (server) => server.rotateToken('the next one'),
      end: () => writeFile(join(folder, 'token'), 'the next one'),
      code: 'SLUICE_WORKER_DENIED',
    },
  ],
]

/** A service in the middle of its work, with a token that it reads from a file. */
async function working() {
  const time = runtime()
  bench = await ArgoBench.start({ runtime: time, controller: { reconcileDelayMs: 100 } })
  const { server } = bench
  await writeFile(join(folder, 'token'), server.token)
  const { token: _token, ...options } = bench.options()
  const worker = await bench.open({
    ...options,
    token: undefined,
    tokenFile: join(folder, 'token'),
    runtime: workerClock(time),
  })
  const queue: Queue = new MemoryStore({ runtime: time }).queue(worker.name)
  const { engine } = await serviceOn(worker, {
    items: ITEMS,
    cap: CAP,
    body: { seconds: '25' },
    queue,
    runtime: time,
  })
  const { results, step } = ticking(engine, time)
  for (let tick = 0; tick < 4; tick++) await step()
  const before = await queue.sizes()
  expect(before).toMatchObject({ PROCESSING: CAP, FAIL: 0 })
  expect(before.SUCCESS).toBeGreaterThan(0)
  return { server, queue, results, step }
}

test.each(OUTAGES)(
  'an hour in which %s: no item fails, nothing runs twice, and the work goes on within one interval',
  async (_, outage) => {
    const { server, queue, results, step } = await working()
    await outage.begin(server)
    for (let elapsed = 0; elapsed < HOUR_MS; elapsed += INTERVAL_MS) await step()
    // The outages that begin at an instant may not hit the tick of that very instant.
    expect(new Set(results.slice(-350).map(({ unavailable }) => unavailable?.code))).toEqual(
      new Set([outage.code]),
    )
    expect((await queue.sizes()).FAIL).toBe(0)

    await outage.end(server)
    const during = (await queue.sizes()).SUCCESS
    await step()
    await step()
    expect((await queue.sizes()).SUCCESS).toBeGreaterThan(during)
    for (let tick = 0; tick < 40 && (await queue.size('SUCCESS')) < ITEMS; tick++) await step()
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: ITEMS, FAIL: 0 })
    expect(await attemptsIn(queue, 'SUCCESS')).toEqual(Array.from({ length: ITEMS }, () => 1))
    expect(workflowsPerJob(bench)).toEqual(Array.from({ length: ITEMS }, () => 1))
    expect(server.workflows.maxUnfinished).toBeLessThanOrEqual(CAP)
  },
)

test('an hour in which a restarted server has no list: the work goes on by the name of each job', async () => {
  const { server, queue, results, step } = await working()
  server.main.restart(HOUR_MS)
  for (let elapsed = 0; elapsed < HOUR_MS; elapsed += INTERVAL_MS) await step()
  expect(results.map(({ unavailable }) => unavailable)).toEqual(results.map(() => undefined))
  expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: ITEMS, FAIL: 0 })
  expect(await attemptsIn(queue, 'SUCCESS')).toEqual(Array.from({ length: ITEMS }, () => 1))
  expect(workflowsPerJob(bench)).toEqual(Array.from({ length: ITEMS }, () => 1))
  expect(server.workflows.maxUnfinished).toBeLessThanOrEqual(CAP)
})

/** A tick, and then an interval. */
function ticking(engine: WorkQueue, time: ManualRuntime) {
  const results: TickResult[] = []
  const step = async (): Promise<void> => {
    results.push(await engine.tick())
    await time.advance(INTERVAL_MS)
  }
  return { results, step }
}

/** Its pauses take no time: the clock does not advance while a tick is under way. */
function workerClock(time: ManualRuntime) {
  return {
    ...systemRuntime,
    now: () => time.now(),
    monotonicMs: () => time.monotonicMs(),
    sleep: async () => undefined,
  }
}
