import type { Queue } from '@sluice/core'
import { startS3Server, type S3Endpoint, type S3Rules, type S3Server } from '@sluice/fake-s3'
import { randomUUID } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { shardOf } from '../../src/format/key-encoding.js'
import { Layout } from '../../src/format/layout.js'
import { stateText } from '../../src/format/object-texts.js'
import { attemptKeyText } from '../../src/format/attempt-key.js'
import { optionsOn, sweep } from '../s3-harness.js'
import { LeapingRuntime } from '../leaping-runtime.js'

const layout = new Layout('queues', 'contract')
const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

interface World {
  readonly server: S3Server
  readonly runtime: LeapingRuntime
  readonly queue: Queue
}

async function world(rules: Partial<S3Rules> = {}, options: object = {}): Promise<World> {
  const runtime = new LeapingRuntime(true)
  const server = await startS3Server({ runtime, rules })
  opened.push(server)
  return { server, runtime, queue: await open({ server, runtime }, server.main, options) }
}

async function open(
  on: Pick<World, 'server' | 'runtime'>,
  endpoint?: S3Endpoint,
  options: object = {},
): Promise<Queue> {
  const queue = await openQueue({ ...optionsOn(on.server, endpoint), runtime: on.runtime, ...options })
  opened.push(queue)
  return queue
}

const DONE = { stage: 'SUCCESS' } as const
const itemsOf = (ids: readonly string[]) => ids.map((id) => ({ id, body: { of: id } }))
const keysOf = (server: S3Server, folder: string) =>
  server.keys().filter((key) => key.startsWith(`queues/contract/${folder}/`))

/** A put into SUCCESS that dies after its first object, by a process of its own. */
async function dieHalfway(on: World, id: string): Promise<void> {
  const endpoint = await on.server.addEndpoint()
  const queue = await open(on, endpoint)
  endpoint.onRequest = ({ operation, key }) => {
    if (operation !== 'PutObject' || !key.includes('/SUCCESS/')) return undefined
    void queue.close()
    return { do: 'crash' }
  }
  await expect(queue.putMany(itemsOf([id]), DONE)).rejects.toBeDefined()
  await on.server.settled()
}

test('costs two PUTs for each item, none of them under WAITING or PROCESSING', async () => {
  const { server, queue } = await world()
  server.resetCounts()
  await queue.putMany(itemsOf(Array.from({ length: 50 }, (_, index) => `i${index}`)), DONE)
  const { PutObject, HeadObject, ListObjectsV2 } = server.counts()
  expect({ PutObject, HeadObject, ListObjectsV2 }).toEqual({
    PutObject: 100,
    HeadObject: 0,
    ListObjectsV2: 0,
  })
  expect([...keysOf(server, 'WAITING'), ...keysOf(server, 'PROCESSING')]).toEqual([])
  server.resetCounts()
  const again = await queue.putMany(itemsOf(['i1', 'i2']), DONE)
  expect(again).toMatchObject({ added: 0, skipped: [{ reason: 'exists' }, { reason: 'exists' }] })
  expect(server.counts()).toMatchObject({ PutObject: 2, HeadObject: 6 })
})

describe('cut off between its two objects', () => {
  test('an item is in no stage’s listing, and no claim gives it', async () => {
    const on = await world()
    await dieHalfway(on, 'a')
    expect(await on.queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
    expect(await on.queue.get(5)).toEqual([])
    expect(keysOf(on.server, 'ITEMS')).toHaveLength(1)
  })

  const finishing: readonly (readonly [string, (on: World) => Promise<unknown>])[] = [
    ['the same put', ({ queue }) => queue.putMany(itemsOf(['a']), DONE)],
    ['a put into WAITING', ({ queue }) => queue.putMany(itemsOf(['a']))],
    ['a put that compares', ({ queue }) => queue.putMany(itemsOf(['a']), { ...DONE, compare: true })],
    ['lookup', ({ queue }) => queue.lookup('a')],
    ['lookupStatus', ({ queue }) => queue.lookupStatus('a')],
    ['requeue', ({ queue }) => queue.requeue(['a'])],
    ['update', ({ queue }) => queue.update([{ id: 'a', body: 2 }])],
    ['settle', ({ queue }) => queue.settle([{ id: 'a', attempt: 1, stage: 'FAIL', reason: 'late' }])],
    ['sweep', ({ queue }) => sweep(queue)],
  ]

  test.each(finishing)('it is finished by %s, whole and in SUCCESS', async (_, call) => {
    const on = await world()
    await dieHalfway(on, 'a')
    await call(on)
    expect(keysOf(on.server, 'SUCCESS')).toHaveLength(1)
    expect([...keysOf(on.server, 'WAITING'), ...keysOf(on.server, 'PROCESSING')]).toEqual([])
    expect(await on.queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 1, FAIL: 0 })
    const { putAt = 0, ...found } = (await on.queue.lookup('a')) ?? {}
    expect(found).toMatchObject({ stage: 'SUCCESS', attempt: 0, body: { of: 'a' }, finishedAt: putAt })
    expect(await on.queue.get(5)).toEqual([])
    expect(await sweep(on.queue)).toEqual({ repaired: 0, leftovers: 0, removed: 0 })
  })

  test('it is removed by remove, and its id can be put again', async () => {
    const on = await world()
    await dieHalfway(on, 'a')
    expect(await on.queue.remove(['a'])).toMatchObject({ removed: 1 })
    expect(await on.queue.lookup('a')).toBeUndefined()
    await on.queue.put('a', 'again')
    expect((await on.queue.get(5)).map(({ body }) => body)).toEqual(['again'])
  })
})

test('of puts of the same ids into WAITING and SUCCESS at once exactly one wins for each, wherever that is', async () => {
  const on = await world()
  const ids = Array.from({ length: 24 }, (_, index) => `i${index}`)
  const others = await Promise.all(
    Array.from({ length: 4 }, async () => open(on, await on.server.addEndpoint())),
  )
  const reports = await Promise.all(
    others.map((other, index) =>
      other.putMany(
        itemsOf(index % 2 === 0 ? ids : ids.toReversed()),
        index < 2 ? DONE : { stage: 'WAITING' },
      ),
    ),
  )
  expect(reports.reduce((sum, { added }) => sum + added, 0)).toBe(ids.length)
  const { items } = await on.queue.list('SUCCESS', { limit: 100 })
  const claimed = await on.queue.get(100)
  expect([...items, ...claimed].map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
  expect(new Set(claimed.map(({ attempt }) => attempt))).toEqual(new Set(claimed.length > 0 ? [1] : []))
})

/** Objects under SUCCESS of items that were put there, a minute apart, and of as many that were worked on. */
function* finished(count: number): Generator<readonly [string, string]> {
  for (let index = 0; index < count; index++) {
    const key = `seed-${index}`
    const priority = (index % 3) - 1
    const fixed = {
      priority,
      delayed: false,
      updates: 0,
      uncounted: 0,
      hasRetryState: false,
      additions: '',
      generation: 1,
    }
    const place = { shard: shardOf(key, 2), availableAt: Date.now() - 60_000 * (count - index), turn: index }
    const attemptKey = { ...fixed, ...place, attempt: index % 2, uid: randomUUID(), key }
    yield [layout.at('SUCCESS', attemptKeyText(attemptKey)), stateText(key, attemptKey, { history: [] })]
  }
}

test('is counted and paged among those that were worked on, in any number of shards', async () => {
  const { server, queue } = await world({}, { shards: 2 })
  server.seed(finished(6_000))
  expect(await queue.size('SUCCESS')).toBe(6_000)
  const attempts = new Map<string, number>()
  for (let cursor: string | undefined; ;) {
    const page = await queue.listSummaries('SUCCESS', {
      limit: 900,
      ...(cursor === undefined ? {} : { cursor }),
    })
    for (const { id, attempt } of page.items) attempts.set(id, attempt)
    if (page.cursor === undefined) break
    cursor = page.cursor
  }
  expect(attempts.size).toBe(6_000)
  expect([...attempts.values()].filter((attempt) => attempt === 0)).toHaveLength(3_000)
})

test('a name of such an item is foreign in any other stage: it is left alone, and never claimed', async () => {
  const { server, queue } = await world()
  await queue.putMany(itemsOf(['a']), DONE)
  const [key = ''] = keysOf(server, 'SUCCESS')
  const text = server.textOf(key) ?? ''
  for (const folder of ['WAITING', 'PROCESSING', 'FAIL'])
    server.seed([[key.replace('/SUCCESS/', `/${folder}/`), text]])
  expect(await queue.get(5)).toEqual([])
  expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 1, FAIL: 0 })
  await sweep(queue)
  expect(await queue.lookupStatus('a')).toBe('SUCCESS')
  expect(keysOf(server, 'WAITING')).toHaveLength(1)
})

test('a store that refuses the key under SUCCESS refuses the item, and nothing of it is kept', async () => {
  const { server, queue } = await world({ maxSegmentBytes: 90 })
  const id = 'tiles-of-the-north'
  await expect(queue.putMany(itemsOf(['abc', id]), DONE)).rejects.toMatchObject({
    code: 'SLUICE_CONFIG_INVALID',
    itemId: id,
    stored: { added: 1 },
  })
  expect(server.textOf(`queues/contract/ITEMS/${id}`)).toBe('')
  expect(await queue.lookup(id)).toBeUndefined()
  expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 1, FAIL: 0 })
})
