import type { Queue } from '@sluice/core'
import { MemoryStore } from '@sluice/queue-memory'
import { ManualRuntime } from '@sluice/testkit'
import { answerWithStatus, testTemplates, type ArgoServerOptions, type ArgoTemplate } from '@sluice/fake-argo'
import { afterEach, describe, expect, test } from 'vitest'
import type { ArgoWorkerOptions } from '../src/index.js'
import { ArgoBench, jobOf, send } from './argo-bench.js'
import { drain, serviceOn, workflowsPerJob } from './service-bench.js'

let bench: ArgoBench
afterEach(() => bench.close())

const RIGHT = rightTemplate()

function rightTemplate(): ArgoTemplate {
  const [template] = testTemplates
  if (template === undefined) throw new Error('the fake has no template')
  return template
}

function withParameters(parameters: readonly object[]): ArgoTemplate {
  const { kind, metadata, spec } = RIGHT
  return {
    kind,
    metadata,
    spec: { ...spec, arguments: { parameters: JSON.parse(JSON.stringify(parameters)) } },
  }
}

/** `item` is renamed: what is sent lacks one parameter, and has one that is unknown. */
const RENAMED = withParameters([
  { name: 'tile' },
  { name: 'mode', value: 'succeed', enum: ['succeed', 'fail', 'error', 'hang'] },
  { name: 'seconds', value: '1' },
])
/** A new parameter that no item gives. */
const GROWN = withParameters([
  { name: 'item' },
  { name: 'mode', value: 'x' },
  { name: 'seconds', value: '1' },
  { name: 'zoom' },
])
/** The values of an enum are others. */
const NARROWED = withParameters([
  { name: 'item' },
  { name: 'mode', value: 'run', enum: ['run', 'stop'] },
  { name: 'seconds', value: '1' },
])

interface Setup {
  readonly server?: ArgoServerOptions
  readonly worker?: Partial<ArgoWorkerOptions>
  readonly items: number
  readonly cap: number
  readonly body?: (index: number) => object
}

/** A service, all by one clock. */
async function service({ server: options, worker: more, items, cap, body }: Setup) {
  const runtime = new ManualRuntime()
  bench = await ArgoBench.start({ runtime, controller: { reconcileDelayMs: 0 }, ...options })
  const worker = await bench.open({ runtime, ...more })
  const queue: Queue = new MemoryStore({ runtime }).queue(worker.name)
  const made = body ?? (() => ({ mode: 'succeed', seconds: 1 }))
  const { engine } = await serviceOn(worker, { items, cap, body: made, queue, runtime })
  let passed = 0
  /** One second; the template is wrong for ten of them. */
  const second = (wrong: ArgoTemplate, fromSecond: number) => async (): Promise<void> => {
    if (passed === fromSecond) bench.server.templates.put(wrong)
    if (passed === fromSecond + 10) bench.server.templates.put(RIGHT)
    passed += 1
    await runtime.advance(1_000)
  }
  return { queue, engine, runtime, worker, second }
}

const MAPPED = { parameters: { item: '$.item', mode: '$.mode', seconds: '$.seconds' } } as const
const UNREADABLE = { server: { denied: ['get workflowtemplates'] } } as const

describe('a template that is wrong for ten seconds fails no item', () => {
  test.each([
    ['renamed, by fields', RENAMED, {}],
    ['renamed, by a mapping', RENAMED, { worker: MAPPED }],
    ['renamed, unknown fields ignored', RENAMED, { worker: { unknownFields: 'ignore' } }],
    ['renamed, via create', RENAMED, { worker: { via: 'create' } }],
    ['renamed, and it can’t be read', RENAMED, UNREADABLE],
    ['a parameter more', GROWN, {}],
    ['a parameter more, and it can’t be read', GROWN, { ...UNREADABLE, worker: MAPPED }],
    ['other values of an enum', NARROWED, {}],
    ['other values of an enum, and it can’t be read', NARROWED, UNREADABLE],
  ] as const)('60 items at cap 3: %s', async (_, wrong, setup) => {
    const { queue, engine, second } = await service({ items: 60, cap: 3, ...setup })
    await drain(queue, engine, second(wrong, 5))
    expect(await queue.sizes()).toMatchObject({ SUCCESS: 60, FAIL: 0 })
    expect(new Set(workflowsPerJob(bench))).toEqual(new Set([1]))
  })

  test.each([
    ['it can be read', {}],
    ['it can’t be read', UNREADABLE],
  ] as const)('3,000 items at cap 50, and %s', { timeout: 180_000 }, async (_, setup) => {
    const { queue, engine, second } = await service({ items: 3_000, cap: 50, ...setup })
    await drain(queue, engine, second(RENAMED, 5))
    expect(await queue.sizes()).toMatchObject({ SUCCESS: 3_000, FAIL: 0 })
    // One read and one try for all that are refused at once.
    const { GetWorkflowTemplate, SubmitWorkflow } = bench.server.traffic()
    expect(GetWorkflowTemplate.requests).toBeLessThan(100)
    expect(SubmitWorkflow.requests).toBeLessThan(3_000 + 12 * 51)
  })

  test('nor where the process begins while it is wrong: the workflows of the one before tell what it took', async () => {
    const { queue, engine, second, runtime } = await service({ items: 40, cap: 3 })
    for (let tick = 0; tick < 4; tick++) {
      await engine.tick()
      await second(RENAMED, 99)()
    }
    bench.server.templates.put(RENAMED)
    const next = await bench.open({ runtime })
    const { engine: another } = await serviceOn(next, { items: 0, cap: 3, body: {}, queue, runtime })
    let seconds = 0
    await drain(queue, another, async () => {
      seconds += 1
      if (seconds === 10) bench.server.templates.put(RIGHT)
      await runtime.advance(1_000)
    })
    expect(await queue.sizes()).toMatchObject({ SUCCESS: 40, FAIL: 0 })
  })

  test('nor where it declares what it did, and Argo alone finds out that it is wrong', async () => {
    const { queue, engine, runtime } = await service({ items: 30, cap: 3 })
    const message = 'templates.main failed to resolve {{inputs.parameters.nosuch}}'
    const broken = answerWithStatus(400, JSON.stringify({ code: 3, message }))
    let seconds = 0
    bench.server.main.onRequest = ({ operation }) =>
      operation === 'SubmitWorkflow' && seconds >= 3 && seconds < 13 ? broken : undefined
    await drain(queue, engine, async () => {
      seconds += 1
      await runtime.advance(1_000)
    })
    expect(await queue.sizes()).toMatchObject({ SUCCESS: 30, FAIL: 0 })
  })
})

const oneBad = (index: number): object => (index === 20 ? { colour: 'red' } : { seconds: 1 })
const badMode = (index: number): object => (index === 20 ? { mode: 'dance' } : { seconds: 1 })

describe('an item that is wrong is refused', () => {
  test.each([
    ['by the worker: a field that is unknown', oneBad, {}],
    ['by the worker: a value outside of an enum', badMode, {}],
    ['by Argo: a value outside of an enum', badMode, UNREADABLE],
    [
      'by Argo: a value that it can’t put into a template',
      (index: number) => (index === 20 ? { seconds: '\u0001' } : {}),
      {},
    ],
  ] as const)('%s, among others, and while the template changes', async (_, body, setup) => {
    const { queue, engine, second } = await service({ items: 40, cap: 3, body, ...setup })
    await drain(queue, engine, second(RENAMED, 4))
    expect(await queue.sizes()).toMatchObject({ SUCCESS: 39, FAIL: 1 })
    expect((await queue.lookup('i20'))?.stage).toBe('FAIL')
  })

  test('at once, when nothing was ever taken', async () => {
    bench = await ArgoBench.start()
    const worker = await bench.open()
    await expect(send(worker, jobOf('a'), { colour: 'red' })).rejects.toMatchObject({
      code: 'SLUICE_JOB_REJECTED',
    })
  })

  test('once the template has changed for good: the next job that it takes decides', async () => {
    bench = await ArgoBench.start()
    const worker = await bench.open()
    await send(worker, jobOf('a'))
    bench.server.templates.put(RENAMED)
    const sendTile = (id: string): Promise<void> =>
      worker.sendJob(id, { tile: id }, { uid: `uid-of-${id}`, attempt: 1, queue: 'tiles' })
    await expect(send(worker, jobOf('old'))).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
    await sendTile('new')
    await expect(send(worker, jobOf('old'))).rejects.toMatchObject({
      code: 'SLUICE_JOB_REJECTED',
      message: expect.stringContaining('the template requires tile'),
    })
  })

  test('where the change leaves what was taken last as good as it was', async () => {
    bench = await ArgoBench.start()
    const worker = await bench.open()
    await send(worker, jobOf('a'))
    const { spec } = RIGHT
    bench.server.templates.put({ ...RIGHT, spec: { ...spec, activeDeadlineSeconds: 60 } })
    await expect(send(worker, jobOf('b'), { colour: 'red' })).rejects.toMatchObject({
      code: 'SLUICE_JOB_REJECTED',
    })
    expect(bench.server.workflows.size).toBe(1)
  })

  test('fifty at once read the template twice at the most, and send nothing', async () => {
    bench = await ArgoBench.start({ latencyMs: 5 })
    const worker = await bench.open()
    await send(worker, jobOf('a'))
    bench.server.resetCounts()
    const all = Array.from({ length: 50 }, (_, index) => send(worker, jobOf(`b${index}`), { colour: 'red' }))
    const ends = await Promise.allSettled(all)
    expect(ends.every(({ status }) => status === 'rejected')).toBe(true)
    // The first of them begins one, and all the others share the next one.
    expect(bench.server.traffic().GetWorkflowTemplate.requests).toBeLessThanOrEqual(2)
    expect(bench.server.traffic().SubmitWorkflow.requests).toBe(0)
  })
})

describe('what is said of a template that doesn’t fit', () => {
  test.each([
    ['by fields', {}, {}, /requires tile, .* the template has no parameter item/u],
    ['by a mapping', { parameters: { item: '$.item' } }, {}, /requires tile, and nothing is mapped to it/u],
    ['where it can’t be read', {}, UNREADABLE.server, /spec\.arguments\.tile\.value or .* is required/u],
  ] as const)('%s', async (_, options, server, words) => {
    bench = await ArgoBench.start(server)
    const worker = await bench.open(options)
    await send(worker, jobOf('a'))
    bench.server.templates.put(RENAMED)
    const end = send(worker, jobOf('b'))
    await expect(end).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE', itemId: 'b' })
    await expect(end).rejects.toThrow(words)
    await expect(send(worker, jobOf('b'))).rejects.toThrow(
      /WorkflowTemplate test-workflow-template in namespace argo changed, or doesn't fit the configuration/u,
    )
    expect(bench.server.workflows.size).toBe(1)
  })

  test('an outage while that is found out is an outage', async () => {
    bench = await ArgoBench.start({ denied: ['get workflowtemplates'] })
    const worker = await bench.open()
    await send(worker, jobOf('a'))
    bench.server.templates.put(RENAMED)
    bench.server.main.onRequest = ({ body }) =>
      body.includes('"dryRun":true') ? { do: 'drop-request' } : undefined
    await expect(send(worker, jobOf('b'))).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
  })
})
