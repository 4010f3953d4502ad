import { afterEach, describe, expect, test } from 'vitest'
import { endings, type ArgoServer, type ArgoServerOptions, type Ending } from '../../src/index.ts'
import type { ManualRuntime } from '@sluice/testkit'
import { startBench } from '../bench.ts'
import { at, type Client } from '../client.ts'

let server: ArgoServer
let client: Client
let runtime: ManualRuntime
afterEach(() => server.close())

async function start(options: ArgoServerOptions = {}) {
  ;({ server, client, runtime } = await startBench(options))
}

async function phaseOf(name: string): Promise<unknown> {
  return at((await client.get(name)).body, 'status', 'phase')
}

const LASTING = ['item=1', 'mode=hang']

describe('the controller', () => {
  test('gives free slots by priority, and of the same priority in order', async () => {
    await start({ controller: { reconcileDelayMs: 0, parallelism: 1 } })
    await client.submit('first', LASTING)
    await client.submit('low', LASTING)
    await client.submit('low-too', LASTING)
    await client.submit('high', LASTING, { priority: 5 })
    await runtime.advance(1)
    expect(await phaseOf('high')).toBe('Pending')
    const order: unknown[] = []
    for (let running = 'first'; running !== '';) {
      server.workflows.finish(running)
      running = server.workflows.all().find(({ status }) => status.phase === 'Running')?.metadata.name ?? ''
      order.push(running)
    }
    expect(order).toEqual(['high', 'low', 'low-too', ''])
  })

  test('never reconciles some, and none while it is paused', async () => {
    await start({
      controller: {
        reconcileDelayMs: ({ metadata }) => (metadata.name === 'never' ? Number.POSITIVE_INFINITY : 1_000),
      },
    })
    await client.submit('never', LASTING)
    await client.submit('one', LASTING)
    server.controller.pause()
    await runtime.advance(3_600_000)
    expect([await phaseOf('one'), await phaseOf('never')]).toEqual([undefined, undefined])
    server.controller.resume()
    await runtime.advance(0)
    expect([await phaseOf('one'), await phaseOf('never')]).toEqual(['Running', undefined])
  })

  test('ends each as the rule says, by its parameters and its retries', async () => {
    await start({
      controller: {
        reconcileDelayMs: 0,
        outcome: (_, { parameters, retries }) => ({
          afterMs: 1_000,
          phase: retries === 0 ? 'Failed' : 'Succeeded',
          outputs: { answer: `${parameters['item'] ?? ''} ${retries}` },
        }),
      },
    })
    await client.submit('one', ['item=tile'])
    await runtime.advance(1_000)
    expect(await phaseOf('one')).toBe('Failed')
    server.operator.retry('one')
    await runtime.advance(1_000)
    const { body } = await client.get('one')
    expect(at(body, 'status', 'phase')).toBe('Succeeded')
    expect(at(body, 'status', 'outputs', 'parameters', '0', 'value')).toBe('tile 1')
  })

  test.each([
    ['3.5.15', 'Succeeded'],
    ['3.7.18', 'Succeeded'],
    ['4.0.10', 'Failed'],
    ['4.1.2', 'Failed'],
  ] as const)(
    'of %s: terminated as it waits for a lock, a workflow ends %s (bug 16776)',
    async (version, phase) => {
      await start({ version, controller: { reconcileDelayMs: 50 } })
      await client.submit('one', LASTING)
      server.workflows.waitForLock('one', 'Waiting for argo/Mutex/one lock. Lock status: 0/1')
      expect(await phaseOf('one')).toBe('Pending')
      await client.act('one', 'terminate')
      await runtime.advance(50)
      const { body } = await client.get('one')
      const message = phase === 'Failed' ? "Stopped with strategy 'Terminate'" : undefined
      expect([at(body, 'status', 'phase'), at(body, 'status', 'message')]).toEqual([phase, message])
      expect(at(body, 'status', 'nodes')).toBeUndefined()
      await client.submit('two', LASTING)
      await runtime.advance(50)
      expect(() => server.workflows.waitForLock('two', 'Waiting')).toThrow('it has started')
    },
  )
})

const WAITING = 'Waiting for argo/Mutex/one lock. Lock status: 0/1'

describe('what waits', () => {
  test.each(['stop', 'terminate'] as const)(
    'for a lock, shut down by %s where it ends only with the lock: it waits on, begins with the lock, and fails',
    async (verb) => {
      await start({ controller: { reconcileDelayMs: 50, terminatedWaiter: 'with-lock' } })
      await client.submit('one', LASTING)
      server.workflows.waitForLock('one', WAITING)
      await client.act('one', verb)
      await runtime.advance(60_000)
      const { body } = await client.get('one')
      expect([at(body, 'status', 'phase'), at(body, 'status', 'message')]).toEqual(['Pending', WAITING])
      const { status } = server.workflows.freeLock('one')
      expect(status).toMatchObject({
        phase: 'Failed',
        message: expect.stringContaining('Stopped with strategy'),
        nodes: {
          one: { phase: 'Failed', message: expect.stringContaining('workflow shutdown with strategy') },
        },
      })
    },
  )

  test('for a lock, stopped with the default settings: it waits on; with the signal lost, it runs with the lock', async () => {
    await start({ controller: { reconcileDelayMs: 50 } })
    for (const name of ['one', 'two']) {
      await client.submit(name, LASTING)
      server.workflows.waitForLock(name, WAITING)
    }
    await client.act('one', 'stop')
    await runtime.advance(60_000)
    expect(await phaseOf('one')).toBe('Pending')
    expect(server.workflows.freeLock('two').status.phase).toBe('Running')
  })

  test.each(['stop', 'terminate'] as const)('for a slot, hears of %s at its turn', async (verb) => {
    await start({ controller: { reconcileDelayMs: 0, parallelism: 1 } })
    for (const name of ['one', 'two']) await client.submit(name, LASTING)
    await runtime.advance(1)
    await client.act('two', verb)
    await runtime.advance(60_000)
    expect(server.workflows.get('two')?.status).toMatchObject({
      phase: 'Pending',
      message: expect.stringContaining('too many workflows'),
    })
    server.workflows.finish('one')
    expect(await phaseOf('two')).toBe('Failed')
  })

  test('for its pod has a message at its node only, until the pod begins, or is shut down', async () => {
    const message = 'ImagePullBackOff: Back-off pulling image "nope:1"'
    await start({
      controller: {
        reconcileDelayMs: 0,
        outcome: () => ({ afterMs: 1_000, heldUp: { message, forMs: 60_000 } }),
      },
    })
    for (const name of ['one', 'two']) await client.submit(name)
    await runtime.advance(59_000)
    const { status } = server.workflows.get('one')!
    expect(status).toMatchObject({ phase: 'Running', nodes: { one: { phase: 'Pending', message } } })
    expect(status.message).toBeUndefined()
    await client.act('two', 'stop')
    await runtime.advance(1_000)
    expect(server.workflows.get('one')?.status.nodes?.['one']).not.toHaveProperty('message')
    await runtime.advance(1_000)
    expect([await phaseOf('one'), await phaseOf('two')]).toEqual(['Succeeded', 'Failed'])
    await client.submit('three')
    server.workflows.holdUp('three', 'Unschedulable: 0/1 nodes are available')
    expect(server.workflows.get('three')?.status.nodes?.['three']).toMatchObject({ phase: 'Pending' })
    await runtime.advance(3_600_000)
    expect(await phaseOf('three')).toBe('Running')
    server.workflows.begin('three')
    await runtime.advance(1_000)
    expect(await phaseOf('three')).toBe('Succeeded')
  })
})

describe('a program that takes SIGTERM and exits 0', () => {
  const trapping = {
    reconcileDelayMs: 0,
    outcome: () => ({ afterMs: 60_000, atSigterm: 'exits-0' as const }),
  }

  test.each([
    ['3.7.18', 'stop', 'Failed', 'workflow shutdown with strategy: Stop'],
    ['3.7.18', 'terminate', 'Failed', 'workflow shutdown with strategy: Terminate'],
    ['4.1.2', 'stop', 'Succeeded', undefined],
    ['4.1.2', 'terminate', 'Succeeded', undefined],
  ] as const)('on %s, after %s: %s', async (version, verb, phase, message) => {
    await start({ version, controller: trapping })
    await client.submit('one')
    await runtime.advance(1)
    await client.act('one', verb)
    await runtime.advance(1)
    const { status, spec } = server.workflows.get('one')!
    expect([status.phase, status.message]).toEqual([phase, message])
    expect(spec['shutdown']).toBe(verb === 'stop' ? 'Stop' : 'Terminate')
  })

  test.each([
    [false, 'dies', 'Error', 'pod deleted'],
    [false, 'exits-0', 'Error', 'pod deleted'],
    [true, 'dies', 'Failed', 'main: Error (exit code 143)'],
    [true, 'exits-0', 'Succeeded', undefined],
  ] as const)(
    'or not, whose pod is taken (status captured: %s, at SIGTERM it %s): %s',
    async (captured, atSigterm, phase, message) => {
      await start({
        controller: {
          reconcileDelayMs: 0,
          capturesPodStatus: captured,
          outcome: () => ({ afterMs: 60_000, atSigterm }),
        },
      })
      for (const name of ['one', 'two']) await client.submit(name)
      await runtime.advance(1)
      server.operator.takePod('one')
      const { status, spec } = server.workflows.get('one')!
      expect([status.phase, status.message, spec['shutdown']]).toEqual([phase, message, undefined])
      server.operator.takePod('two', !captured)
      expect(server.workflows.get('two')?.status.message === 'pod deleted').toBe(captured)
    },
  )
})

test('a controller that may not exec into pods: a workflow that is shut down runs on and succeeds, with a message at its node', async () => {
  await start({ controller: { reconcileDelayMs: 0, mayExec: false } })
  await client.submit('one', ['item=1', 'seconds=60'])
  await runtime.advance(1)
  await client.act('one', 'terminate')
  await runtime.advance(30_000)
  expect(await phaseOf('one')).toBe('Running')
  await runtime.advance(30_000)
  expect(server.workflows.get('one')?.status).toMatchObject({
    phase: 'Succeeded',
    nodes: { one: { phase: 'Succeeded', message: 'workflow shutdown with strategy:  Terminate' } },
  })
})

test.each<[string, Ending, unknown[], Record<string, unknown>]>([
  ['an exit code', endings.exit(3), ['Failed', 'main: Error (exit code 3)'], { one: ['Failed', '3'] }],
  [
    'no memory',
    endings.outOfMemory(),
    ['Failed', 'main: OOMKilled (exit code 137)'],
    { one: ['Failed', '137'] },
  ],
  ['no output', endings.outputMissing(), ['Error', expect.stringContaining('64')], { one: ['Error', '0'] }],
  [
    'a pod’s deadline',
    endings.podDeadline(),
    ['Failed', expect.stringContaining('deadline')],
    { one: ['Failed', '143'] },
  ],
  [
    'a step’s deadline',
    endings.stepDeadline(),
    ['Failed', 'Step exceeded its deadline'],
    { one: ['Failed', '1'] },
  ],
  [
    'an error of the whole',
    endings.workflowErred('too large'),
    ['Error', 'too large'],
    { one: ['Error', undefined] },
  ],
  [
    'an exit handler',
    endings.exitHandlerFailed(4),
    ['Failed', 'main: Error (exit code 4)'],
    { one: ['Succeeded', '0'], 'one-onExit': ['Failed', '4'] },
  ],
  [
    'a dag',
    endings.toleratedFailure(5),
    ['Failed', undefined],
    {
      one: ['Failed', undefined],
      'one-optional': ['Failed', '9'],
      'one-after': ['Succeeded', '0'],
      'one-needed': ['Failed', '5'],
    },
  ],
  [
    'retries',
    endings.retriesUsedUp([1, 2]),
    ['Failed', 'No more retries left'],
    { one: ['Failed', undefined], 'one-0': ['Failed', '1'], 'one-1': ['Failed', '2'] },
  ],
])('ends by %s: the workflow says so, and each of its nodes', async (_, ending, said, nodes) => {
  await start()
  await client.submit('one', LASTING)
  server.workflows.finish('one', ending)
  const { status } = server.workflows.get('one')!
  expect([status.phase, status.message]).toEqual(said)
  const shown = Object.entries(status.nodes ?? {}).map(([id, node]) => [
    id,
    [node['phase'], at(node, 'outputs', 'exitCode')],
  ])
  expect(Object.fromEntries(shown)).toEqual(nodes)
})

describe('an operator', () => {
  test('is refused as every client is, and changes nothing then', async () => {
    await start()
    await client.submit('one', LASTING)
    await runtime.advance(1)
    expect(server.operator.attempt('retry', 'one')).toBe(false)
    expect(server.operator.attempt('stop', 'missing')).toBe(false)
    expect(() => server.operator.retry('one')).toThrow('Cannot retry a workflow in phase Running')
    expect(await phaseOf('one')).toBe('Running')
  })

  test('retries under the same name and uid, recreates under the same name and another uid', async () => {
    await start()
    const uidOf = async () => at((await client.get('one')).body, 'metadata', 'uid')
    await client.submit('one', LASTING)
    const uid = await uidOf()
    server.workflows.finish('one', { phase: 'Failed' })
    server.operator.retry('one')
    expect(await uidOf()).toBe(uid)
    server.operator.recreate('one')
    expect(await uidOf()).not.toBe(uid)
  })

  test('resubmits a copy with the labels of the original, which is not counted', async () => {
    await start()
    await client.submit('one', LASTING, { labels: 'example.com/item=1' })
    const copy = server.operator.resubmit('one')
    expect(copy).not.toBe('one')
    expect(server.workflows.get(copy)?.metadata.labels['example.com/item']).toBe('1')
    expect([server.workflows.size, server.workflows.unfinished]).toEqual([2, 1])
  })

  test('deletes a pod: the workflow ends in Error', async () => {
    await start()
    await client.submit('one', LASTING)
    await runtime.advance(1)
    server.operator.deletePod('one')
    const { body } = await client.get('one')
    expect([at(body, 'status', 'phase'), at(body, 'status', 'message')]).toEqual(['Error', 'pod deleted'])
  })

  test('suspends before the start: the workflow runs and does nothing until it is resumed', async () => {
    await start({ controller: { reconcileDelayMs: 100 } })
    await client.submit('one', ['item=1', 'seconds=1'])
    server.operator.suspend('one')
    await runtime.advance(60_000)
    expect(await phaseOf('one')).toBe('Running')
    server.operator.resume('one')
    await runtime.advance(1_100)
    expect(await phaseOf('one')).toBe('Succeeded')
  })
})
