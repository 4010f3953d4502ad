import type { Queue } from '@sluice/core'
import { startS3Server, type S3Server } from '@sluice/fake-s3'
import { afterEach, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { optionsOn, sweep } from '../s3-harness.js'
import { LeapingRuntime } from '../leaping-runtime.js'

const HOUR_MS = 3_600_000
const WEEK_MS = 168 * HOUR_MS
const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function world(): Promise<{ runtime: LeapingRuntime; server: S3Server; queue: Queue }> {
  const runtime = new LeapingRuntime()
  const server = await startS3Server({ runtime })
  opened.push(server)
  const queue = await openQueue({ ...optionsOn(server), runtime })
  opened.push(queue)
  return { runtime, server, queue }
}

function keysOf(server: S3Server, folder: string): string[] {
  return server.keys().filter((key) => key.startsWith(`queues/contract/${folder}/`))
}

/** A process that dies where it would delete what its move has superseded, be that after its answer. */
async function dieDeleting(server: S3Server, call: (queue: Queue) => Promise<unknown>) {
  const endpoint = await server.addEndpoint()
  const queue = await openQueue(optionsOn(server, endpoint))
  opened.push(queue)
  const died = Promise.withResolvers<void>()
  endpoint.onRequest = ({ operation }) => {
    if (operation !== 'DeleteObjects') return undefined
    void queue.close()
    died.resolve()
    return { do: 'crash' }
  }
  await Promise.allSettled([call(queue), died.promise])
}

test('a move that a dead process had decided is finished, and what a dead claimer left is deleted', async () => {
  const { server, queue } = await world()
  await queue.putMany([
    { id: 'ended', body: 1 },
    { id: 'claimed', body: 1 },
  ])
  const items = await queue.get(1)
  expect(items.map(({ id }) => id)).toEqual(['ended'])
  await dieDeleting(server, (other) => other.settle([{ id: 'ended', attempt: 1, stage: 'SUCCESS' }]))
  expect(keysOf(server, 'PROCESSING')).toHaveLength(1)
  await dieDeleting(server, (other) => other.get(1))
  expect(keysOf(server, 'WAITING')).toHaveLength(1)
  expect(await sweep(queue)).toEqual({ repaired: 1, leftovers: 1, removed: 0 })
  expect(keysOf(server, 'WAITING')).toEqual([])
  expect(await queue.lookupStatus('ended')).toBe('SUCCESS')
  expect(await queue.lookupStatus('claimed')).toBe('PROCESSING')
  expect(await sweep(queue)).toEqual({ repaired: 0, leftovers: 0, removed: 0 })
})

test('a removed item leaves tombstones, which go after a week, and the emptied index object, which stays', async () => {
  const { runtime, server, queue } = await world()
  await queue.putMany([
    { id: 'a', body: 1 },
    { id: 'kept', body: 1 },
  ])
  for (const { id } of await queue.get(2)) await queue.fail(id)
  await queue.requeue(['a'])
  await queue.get(1)
  await queue.fail('a')
  expect(await queue.remove(['a'])).toMatchObject({ removed: 1 })
  const before = server.keys()
  await runtime.advance(WEEK_MS - HOUR_MS)
  expect(await sweep(queue)).toMatchObject({ leftovers: 0 })
  expect(server.keys()).toEqual(before)
  await runtime.advance(25 * HOUR_MS)
  // Two ends, the object under FAIL, and the requeue under LEFT.
  expect(await sweep(queue)).toMatchObject({ leftovers: 4 })
  expect(server.keys().filter((key) => key.endsWith('.a'))).toEqual([])
  expect(keysOf(server, 'ITEMS')).toHaveLength(2)
  expect(await queue.lookup('a')).toBeUndefined()
  expect(await queue.lookup('kept')).toMatchObject({ stage: 'FAIL', attempt: 1 })
  await queue.put('a', 2)
  expect(await queue.lookup('a')).toMatchObject({ stage: 'WAITING', body: 2 })
})

test('an item that was requeued since it was listed is not removed for its age', async () => {
  const { runtime, server, queue } = await world()
  await queue.put('a', 1)
  await queue.get(1)
  await queue.fail('a')
  await runtime.advance(2 * HOUR_MS)
  const endpoint = await server.addEndpoint()
  const sweeping = await openQueue({ ...optionsOn(server, endpoint), runtime })
  opened.push(sweeping)
  const listed = Promise.withResolvers<void>()
  const requeued = Promise.withResolvers<void>()
  endpoint.onRequest = ({ operation, key }) => {
    if (operation !== 'PutObject' || !key.includes('/LEFT/')) return undefined
    listed.resolve()
    return { do: 'hold', until: requeued.promise, reply: 'kept' }
  }
  const sweepEnd = sweep(sweeping, { retentionMs: HOUR_MS })
  await listed.promise
  await queue.requeue(['a'])
  await queue.get(1)
  await queue.fail('a', { reason: 'again' })
  requeued.resolve()
  expect(await sweepEnd).toMatchObject({ removed: 0 })
  expect(await queue.lookup('a')).toMatchObject({ stage: 'FAIL', attempt: 2, reason: 'again' })
})

/**
 * Another process that stops where it would write its claim of a name that it read long ago: when it goes on
 * is up to the test.
 */
async function claimLate({ runtime, server, queue }: Awaited<ReturnType<typeof world>>) {
  await queue.put('a', 1)
  const [name = ''] = keysOf(server, 'WAITING')
  await queue.get(1)
  await queue.release('a')
  // As if its deletion had failed.
  server.seed([[name, server.textOf(keysOf(server, 'WAITING')[0] ?? '') ?? '']])
  const endpoint = await server.addEndpoint()
  const late = await openQueue({ ...optionsOn(server, endpoint), runtime })
  opened.push(late)
  const stopped = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  endpoint.onRequest = ({ operation, key }) => {
    if (operation !== 'PutObject' || !key.includes('/PROCESSING/')) return undefined
    stopped.resolve()
    return { do: 'hold', until: goOn.promise, reply: 'kept' }
  }
  return { late, stopped: stopped.promise, goOn: goOn.resolve }
}

test('an old tombstone of an item removed just now does not go before a call that may still need it ends', async () => {
  const made = await world()
  const { late, stopped, goOn } = await claimLate(made)
  await made.runtime.advance(2 * WEEK_MS)
  const claim = late.get(1)
  await stopped
  await made.queue.remove(['a'])
  expect(await sweep(made.queue)).toMatchObject({ leftovers: 1 })
  goOn()
  expect(await claim).toEqual([])
  expect(keysOf(made.server, 'PROCESSING')).toEqual([])
})

test('a claim by a process that was suspended while the tombstones went is void', async () => {
  const made = await world()
  const { late, stopped, goOn } = await claimLate(made)
  const claim = late.get(1)
  await stopped
  await made.queue.remove(['a'])
  await made.runtime.advance(2 * HOUR_MS)
  const sweeping = await openQueue({
    ...optionsOn(made.server),
    runtime: made.runtime,
    purgeAfterMs: HOUR_MS,
  })
  opened.push(sweeping)
  expect(await sweep(sweeping)).toMatchObject({ leftovers: 3 })
  goOn()
  expect(await claim).toEqual([])
  expect(keysOf(made.server, 'PROCESSING')).toEqual([])
})

test('a holder of an item for longer than its tombstones live learns that it is gone', async () => {
  const { runtime, server, queue } = await world()
  await queue.put('a', 1)
  await queue.get(1)
  const other = await openQueue({ ...optionsOn(server), runtime })
  opened.push(other)
  await other.release('a')
  await other.remove(['a'])
  await runtime.advance(2 * WEEK_MS)
  await sweep(other)
  await expect(queue.success('a', { attempt: 1 })).rejects.toMatchObject({ code: 'SLUICE_ITEM_NOT_FOUND' })
  expect(keysOf(server, 'SUCCESS')).toEqual([])
})

test('a sweep whose queue is closed says so, and not that the store is gone', async () => {
  const { server, queue } = await world()
  server.main.onRequest = () => ({ do: 'hold', until: queue.close(), reply: 'dropped' })
  await expect(sweep(queue)).rejects.toMatchObject({ code: 'SLUICE_QUEUE_CLOSED' })
})

test('tombstones are never purged within an hour', async () => {
  const { server } = await world()
  for (const purgeAfterMs of [HOUR_MS - 1, 0, Number.NaN]) {
    await expect(openQueue({ ...optionsOn(server), purgeAfterMs })).rejects.toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
      message: expect.stringContaining('purgeAfterMs'),
    })
  }
})
