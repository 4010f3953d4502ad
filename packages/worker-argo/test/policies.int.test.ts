import type { ItemRecord, Queue } from '@sluice/core'
import type { WorkQueueOptions } from '@sluice/engine'
import { MemoryStore } from '@sluice/queue-memory'
import { ManualRuntime } from '@sluice/testkit'
import type { ArgoServer, ArgoServerOptions } from '@sluice/fake-argo'
import { afterEach, describe, expect, test } from 'vitest'
import type { ArgoWorkerOptions } from '../src/index.js'
import { ArgoBench, eventually } from './argo-bench.js'
import { serviceOn, workflowsPerJob } from './service-bench.js'

let bench: ArgoBench
afterEach(() => bench.close())

const GRACE_MS = 60_000

interface Setup {
  readonly engine?: Partial<Omit<WorkQueueOptions, 'queue'>>
  readonly server?: ArgoServerOptions
  readonly worker?: Partial<ArgoWorkerOptions>
}

/** One item whose workflow runs until the test ends it, and an engine that ticks each second. */
async function oneItem({ engine: options, server: serverOptions, worker: workerOptions }: Setup = {}) {
  const runtime = new ManualRuntime()
  bench = await ArgoBench.start({ runtime, controller: { reconcileDelayMs: 0 }, ...serverOptions })
  const { server } = bench
  const worker = await bench.open({ runtime, ...workerOptions })
  const queue: Queue = new MemoryStore({ runtime }).queue(worker.name)
  const { engine } = await serviceOn(worker, {
    items: 1,
    cap: 1,
    body: { mode: 'hang' },
    queue,
    runtime,
    ...options,
  })
  const seconds = async (count: number): Promise<ItemRecord> => {
    for (let second = 0; second < count; second++) {
      await engine.tick()
      await runtime.advance(1_000)
    }
    const item = await queue.lookup('i0')
    if (item === undefined) throw new Error('the item is gone')
    return item
  }
  await seconds(2)
  return { server, seconds, workflow: () => latest(server) }
}

/** The name of the workflow that was made last. */
function latest(server: ArgoServer): string {
  return server.workflows.all().at(-1)?.metadata.name ?? ''
}

describe('a workflow that is nowhere to be seen', () => {
  test('since an operator deleted it is waited for, and then its item fails, and says why', async () => {
    const { server, seconds, workflow } = await oneItem({ engine: { lost: { graceMs: GRACE_MS } } })
    server.operator.delete(workflow())
    expect(await seconds(50)).toMatchObject({ stage: 'PROCESSING', attempt: 1 })
    expect(await seconds(30)).toMatchObject({
      stage: 'FAIL',
      attempt: 1,
      reason: expect.stringMatching(/lost|gone|no longer/u),
    })
    expect(server.workflows.size).toBe(0)
  })

  test('since an operator deleted it is followed by another attempt if so wished: another workflow', async () => {
    const lost = { policy: 'resend', graceMs: GRACE_MS } as const
    const { server, seconds, workflow } = await oneItem({ engine: { lost } })
    const first = workflow()
    server.operator.delete(first)
    expect(await seconds(50)).toMatchObject({ stage: 'PROCESSING', attempt: 1 })
    expect(await seconds(30)).toMatchObject({ stage: 'PROCESSING', attempt: 2 })
    expect(workflow()).not.toBe(first)
    server.workflows.finish(workflow())
    expect(await seconds(2)).toMatchObject({ stage: 'SUCCESS', attempt: 2 })
  })

  test('since an operator deleted it is held if so wished, for an operator to decide, and keeps its place', async () => {
    const { server, seconds, workflow } = await oneItem({
      engine: { lost: { policy: 'hold', graceMs: GRACE_MS } },
    })
    server.operator.delete(workflow())
    expect(await seconds(300)).toMatchObject({ stage: 'PROCESSING', attempt: 1 })
    expect(server.workflows.size).toBe(0)
  })

  test.each(['fail', 'resend', 'hold'] as const)(
    'is not lost when an archive has it (%s): its outcome is told',
    async (policy) => {
      const { server, seconds, workflow } = await oneItem({
        engine: { lost: { policy, graceMs: 0 } },
        server: { archive: true },
      })
      const name = workflow()
      server.workflows.finish(name, { phase: 'Failed', exitCode: 3 })
      server.workflows.archive(name)
      server.workflows.expire(name)
      expect(await seconds(2)).toMatchObject({
        stage: 'FAIL',
        attempt: 1,
        reason: 'main: Error (exit code 3)',
        details: { archived: true, exitCode: 3 },
      })
    },
  )

  test.each(['restart', 'lag', 'kubernetes'] as const)(
    'is not taken for one whose server knows too little (%s), however long that lasts',
    async (trouble) => {
      const { server, seconds } = await oneItem({ engine: { lost: { policy: 'fail', graceMs: 0 } } })
      if (trouble === 'restart') server.main.restart(3_600_000)
      else if (trouble === 'lag') server.main.replica.listLagMs = 3_600_000
      else server.kubernetes = 'refused'
      expect(await seconds(200)).toMatchObject({ stage: 'PROCESSING', attempt: 1 })
      expect(workflowsPerJob(bench)).toEqual([1])
    },
  )
})

describe('a failure', () => {
  test('is stored with all its evidence, and survives the workflow', async () => {
    const { server, seconds, workflow } = await oneItem({ worker: { uiUrl: 'https://argo.example.org' } })
    const name = workflow()
    const uid = server.workflows.get(name)?.metadata.uid ?? ''
    server.workflows.finish(name, {
      phase: 'Failed',
      exitCode: 7,
      message: 'Error (exit code 7)',
      outputs: { log: 'x' },
    })
    await seconds(2)
    server.operator.delete(name)
    const item = await seconds(100)
    expect(item).toMatchObject({
      stage: 'FAIL',
      reason: 'main: Error (exit code 7)',
      failureClass: 'failed',
      exitCode: 7,
      jobUid: uid,
      details: {
        workflow: name,
        workflowUid: uid,
        phase: 'Failed',
        message: 'Error (exit code 7)',
        exitCode: 7,
        failedNode: { template: 'main', type: 'Pod', host: 'node-1' },
        progress: '0/1',
        outputs: { log: 'x' },
        resourcesDurationS: { cpu: 2, memory: 2 },
        url: `https://argo.example.org/workflows/argo/${name}?uid=${uid}`,
      },
    })
    expect(item.details).toHaveProperty('startedAt')
    expect(item.details).toHaveProperty('finishedAt')
  })

  test('of a class that gets another attempt has another workflow; of any other it ends there', async () => {
    const retry = {
      maxAttempts: 3,
      on: ['evicted', 'oom'],
      backoff: { baseMs: 1_000, jitter: 0 },
    } as const
    const { server, seconds, workflow } = await oneItem({ engine: { retry } })
    const first = workflow()
    server.operator.deletePod(first)
    expect(await seconds(10)).toMatchObject({ stage: 'PROCESSING', attempt: 2 })
    expect(workflow()).not.toBe(first)
    server.workflows.finish(workflow(), {
      phase: 'Failed',
      message: 'OOMKilled (exit code 137)',
      exitCode: 137,
    })
    expect(await seconds(10)).toMatchObject({ stage: 'PROCESSING', attempt: 3 })
    server.workflows.finish(workflow(), { phase: 'Failed' })
    expect(await seconds(10)).toMatchObject({ stage: 'FAIL', attempt: 3 })
    expect(workflowsPerJob(bench)).toEqual([1, 1, 1])
  })
})

test('a success is stored with its outputs, whatever becomes of the workflow', async () => {
  const { server, seconds, workflow } = await oneItem({
    worker: { deleteFinished: 'succeeded', deleteGraceMs: 0 },
  })
  server.workflows.finish(workflow(), { outputs: { result: '{"tiles":4}' } })
  expect(await seconds(3)).toMatchObject({
    stage: 'SUCCESS',
    result: { result: '{"tiles":4}' },
    details: { phase: 'Succeeded', progress: '1/1' },
  })
  await eventually('it is deleted', () => server.workflows.size === 0)
})
