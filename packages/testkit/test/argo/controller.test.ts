import { afterEach, describe, expect, test } from 'vitest'
import type { ArgoServer, ArgoServerOptions } from '../../src/argo/index.ts'
import type { ManualClock } from '../../src/manual-clock.ts'
import { startBench } from './bench.ts'
import { at, type Client } from './client.ts'

let server: ArgoServer
let client: Client
let clock: ManualClock
afterEach(() => server.close())

async function start(options: ArgoServerOptions = {}) {
  ;({ server, client, clock } = await startBench(options))
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
    await clock.advance(1)
    expect(await phaseOf('high')).toBe('Pending')
    const order: unknown[] = []
    for (let running = 'first'; running !== '';) {
      server.workflows.finish(running)
      running = server.workflows.all().find(({ status }) => status.phase === 'Running')?.metadata.name ?? ''
      order.push(running)
    }
    expect(order).toEqual(['high', 'low', 'low-too', ''])
  })

  test('never looks at some, and at none while it is paused', async () => {
    await start({
      controller: {
        reconcileDelayMs: ({ metadata }) => (metadata.name === 'never' ? Number.POSITIVE_INFINITY : 1_000),
      },
    })
    await client.submit('never', LASTING)
    await client.submit('one', LASTING)
    server.controller.pause()
    await clock.advance(3_600_000)
    expect([await phaseOf('one'), await phaseOf('never')]).toEqual([undefined, undefined])
    server.controller.resume()
    await clock.advance(0)
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
    await clock.advance(1_000)
    expect(await phaseOf('one')).toBe('Failed')
    server.operator.retry('one')
    await clock.advance(1_000)
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
      await clock.advance(50)
      const { body } = await client.get('one')
      const message = phase === 'Failed' ? "Stopped with strategy 'Terminate'" : undefined
      expect([at(body, 'status', 'phase'), at(body, 'status', 'message')]).toEqual([phase, message])
      expect(at(body, 'status', 'nodes')).toBeUndefined()
      await client.submit('two', LASTING)
      await clock.advance(50)
      expect(() => server.workflows.waitForLock('two', 'Waiting')).toThrow('it has started')
    },
  )
})

describe('an operator', () => {
  test('is refused as everybody is, and changes nothing then', async () => {
    await start()
    await client.submit('one', LASTING)
    await clock.advance(1)
    expect(server.operator.attempt('retry', 'one')).toBe(false)
    expect(server.operator.attempt('stop', 'nobody')).toBe(false)
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

  test('resubmits a copy with the labels of the original, which counts as nobody’s', async () => {
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
    await clock.advance(1)
    server.operator.deletePod('one')
    const { body } = await client.get('one')
    expect([at(body, 'status', 'phase'), at(body, 'status', 'message')]).toEqual(['Error', 'pod deleted'])
  })

  test('suspends before it began: it runs and does nothing until it is resumed', async () => {
    await start({ controller: { reconcileDelayMs: 100 } })
    await client.submit('one', ['item=1', 'seconds=1'])
    server.operator.suspend('one')
    await clock.advance(60_000)
    expect(await phaseOf('one')).toBe('Running')
    server.operator.resume('one')
    await clock.advance(1_100)
    expect(await phaseOf('one')).toBe('Succeeded')
  })
})
