import { SluiceError, type Queue } from '@sluice/core'
import { expect, test } from 'vitest'
import { processingLimit, readDispatcher } from '../../src/index.js'
import { DISPATCHER_DOCUMENT } from '../../src/records/document-names.js'
import { LeaseKeeper } from '../../src/tick/lease-keeper.js'
import { DispatcherRecord } from '../../src/records/dispatcher-record.js'
import { parseDispatcher } from '../../src/records/dispatcher-document.js'
import { World, wrapped } from '../world.js'

/** How often each call of the dispatcher's document was made; with a fault for some of them. */
function counted(world: World, fault?: (call: string) => Error | undefined) {
  const calls: string[] = []
  const queue = world.openQueue()
  const open = queue.document.bind(queue)
  const note = (call: string): Promise<void> => {
    calls.push(call)
    const error = fault?.(call)
    return error === undefined ? Promise.resolve() : Promise.reject(error)
  }
  queue.document = (name) => {
    const document = open(name)
    if (name !== DISPATCHER_DOCUMENT) return document
    return {
      name,
      read: () => note('read').then(() => document.read()),
      write: (value, options) => note('write').then(() => document.write(value, options)),
      remove: (options) => document.remove(options),
    }
  }
  return { queue, calls }
}

async function recordOn(world: World, queue: Queue = world.openQueue()) {
  const lease = new LeaseKeeper({ queue, holder: 'a', ttlMs: 15_000, runtime: world.runtime })
  await lease.take()
  const log = (_: object, message: string): void => void messages.push(message)
  const messages: string[] = []
  const logger = { debug: () => undefined, info: () => undefined, warn: log, error: log }
  const record = new DispatcherRecord({ queue, lease, leaseTtlMs: 15_000, runtime: world.runtime, logger })
  return { record, lease, messages }
}

test('who dispatches is in a document, written when it changes and not at each tick', async () => {
  const world = new World()
  await world.put(3)
  expect(await readDispatcher(world.queue)).toBeUndefined()
  const { queue, calls } = counted(world)
  const engine = world.engine({ queue, holder: 'a', policy: processingLimit(1) })
  const sinceAt = world.runtime.now()
  for (let tick = 0; tick < 10; tick++) {
    await engine.tick()
    await world.runtime.advance(1_000)
  }
  const sentFirst = await world.queue.lookup('i0')
  const written = {
    holder: 'a',
    fencingToken: 1,
    is: 'working',
    atMost: 1,
    sinceAt,
    leaseTtlMs: 15_000,
    syncedTo: 0,
    holdups: [],
    policy: { policy: 'processingLimit', maxProcessing: 1 },
    sentWell: { id: 'i0', uid: sentFirst?.uid },
  }
  expect(await readDispatcher(world.queue)).toEqual(written)
  expect(calls).toEqual(['read', 'write', 'read'])
  await engine.close()
  expect(await readDispatcher(world.queue)).toEqual({ ...written, is: 'stopped' })
  const next = world.engine({ holder: 'b' })
  await next.tick()
  expect(await readDispatcher(world.queue)).toMatchObject({ holder: 'b', fencingToken: 2, is: 'working' })
})

test('a sync is answered before the tick sends anything, and only when every send of earlier ticks has ended', async () => {
  const world = new World()
  await world.put(2)
  const order: string[] = []
  const gate = Promise.withResolvers<void>()
  const { worker } = wrapped(world, async (_, name, call) => {
    if (name !== 'sendJob') return call()
    order.push('send begins')
    if (world.started.length === 0) await gate.promise
    await call()
    order.push('send ends')
    return undefined
  })
  const { queue } = counted(world, (call) => {
    if (call === 'write') order.push('write')
    return undefined
  })
  const engine = world.engine({ queue, worker, policy: processingLimit(1) })
  const first = engine.tick()
  const second = engine.tick()
  await world.runtime.advance(0)
  await world.queue.control.sync()
  await world.runtime.advance(0)
  expect((await readDispatcher(world.queue))?.syncedTo).toBeUndefined()
  gate.resolve()
  await first
  await world.queue.control.setLimits({ maxProcessing: 2 })
  await second
  expect((await readDispatcher(world.queue))?.syncedTo).toBe(1)
  expect(order).toEqual(['send begins', 'send ends', 'write', 'write', 'send begins', 'send ends'])
})

test('how long a holdup lasts is no reason to write; what it says is', async () => {
  const world = new World()
  const { queue, calls } = counted(world)
  const { record } = await recordOn(world, queue)
  const holdup = { code: 'backoff', message: 'asked to be left alone' } as const
  for (const forMs of [3_000, 2_000, 1_000]) await record.write({ holdups: [{ ...holdup, forMs }] })
  expect(calls.filter((call) => call === 'write')).toHaveLength(1)
  await record.write({ holdups: [{ ...holdup, message: 'something else' }] })
  await record.write({ holdups: [] })
  expect(calls.filter((call) => call === 'write')).toHaveLength(3)
})

test('an item that was sent is stored for the next dispatcher, and updated every ten minutes at most', async () => {
  const world = new World()
  const { queue, calls } = counted(world)
  const { record, lease } = await recordOn(world, queue)
  for (let second = 0; second < 1_300; second++) {
    record.noteSentWell({ id: `i${second}`, uid: 'u' })
    await record.write({})
    await world.runtime.advance(1_000)
    await lease.take()
  }
  expect(calls.filter((call) => call === 'write').length).toBeLessThanOrEqual(3 + 86)
  await lease.giveBack()
  const next = await recordOn(world)
  expect(next.record.sentWell).toBeUndefined()
  await next.record.write({})
  expect(next.record.sentWell).toEqual({ id: 'i1200', uid: 'u' })
})

test('a document that can’t be read or written stops nothing, and is warned of once', async () => {
  for (const broken of ['read', 'write']) {
    const world = new World()
    await world.put(3)
    const unavailable = new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'no documents today')
    const { queue } = counted(world, (call) => (call === broken ? unavailable : undefined))
    const engine = world.engine({ queue, policy: processingLimit(2) })
    expect(await engine.tick()).toMatchObject({ sent: 2 })
    world.worker.settleJob('i0', { stage: 'SUCCESS' })
    const second = await engine.tick()
    expect(second).toMatchObject({ sent: 1, settled: { success: 1 } })
    expect(second.unavailable).toBeUndefined()
    expect(world.logs.filter(({ level }) => level === 'warn')).toHaveLength(1)
    await engine.close()
  }
})

test('a permission that is missing is not asked for at every tick', async () => {
  const world = new World()
  const denied = new SluiceError('SLUICE_QUEUE_DENIED', '403')
  const { queue, calls } = counted(world, () => denied)
  const { record, messages } = await recordOn(world, queue)
  for (let second = 0; second < 60; second++) {
    await record.write({ syncedTo: second })
    await world.runtime.advance(1_000)
  }
  expect([calls, messages.length]).toEqual([['read'], 1])
})

test('a document that another process wrote, removed or damaged is accepted as it is, and written again', async () => {
  const world = new World()
  const { record, messages } = await recordOn(world)
  const document = world.queue.document(DISPATCHER_DOCUMENT)
  const sentWell = { id: 'i0', uid: 'u' }
  await document.write({ holder: 7, sentWell }, { ifVersion: undefined })
  await record.write({ syncedTo: 1 })
  expect(await readDispatcher(world.queue)).toMatchObject({ holder: 'a', syncedTo: 1, sentWell })
  await document.remove()
  await record.write({ syncedTo: 2 })
  await record.write({ syncedTo: 2 })
  expect(await readDispatcher(world.queue)).toMatchObject({ holder: 'a', syncedTo: 2 })
  await record.write({ syncedTo: 3 })
  expect(await readDispatcher(world.queue)).toMatchObject({ syncedTo: 3 })
  expect(messages).toEqual([])
})

test('under a lost lease nothing is written, and the engine is told', async () => {
  const world = new World()
  const { record, lease } = await recordOn(world)
  await record.write({})
  const stale = lease.current
  await stale?.release()
  await (await world.queue.lease('dispatcher', 'b', 15_000))?.renew()
  await expect(record.write({ syncedTo: 9 })).rejects.toMatchObject({ code: 'SLUICE_LEASE_LOST' })
  expect((await readDispatcher(world.queue))?.syncedTo).toBe(0)
})

test('what is read of a document is what can be understood of it', () => {
  for (const value of [undefined, null, [], 'x', {}, { holder: 'a' }, { fencingToken: 1 }])
    expect(parseDispatcher(value)).toBeUndefined()
  expect(
    parseDispatcher({ holder: 'a', fencingToken: 1, is: 'new word', holdups: 5, sinceAt: 'x', more: 1 }),
  ).toEqual({
    holder: 'a',
    fencingToken: 1,
    is: 'working',
    sinceAt: 0,
    leaseTtlMs: 0,
    syncedTo: 0,
    holdups: [],
  })
  const holdups = [
    { code: 'backpressure', message: 'full', items: 3, forMs: 5 },
    { code: 'of a later version', message: 'x' },
    { code: 'lost' },
  ]
  expect(parseDispatcher({ holder: 'a', fencingToken: 1, is: 'stalled', holdups })).toMatchObject({
    is: 'stalled',
    holdups: [{ code: 'backpressure', message: 'full', items: 3, forMs: 5 }],
  })
})
