import { isSluiceError, type SluiceError, type Queue } from '@sluice/core'
import { answerWith, startS3Server, type S3Endpoint, type S3Rules, type S3Server } from '@sluice/fake-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { optionsOn, sweep } from '../s3-harness.js'
import { LeapingRuntime } from '../leaping-runtime.js'

const HOUR_MS = 3_600_000
const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

interface World {
  readonly server: S3Server
  readonly runtime: LeapingRuntime
  readonly queue: Queue
}

async function world(rules: Partial<S3Rules> = {}): Promise<World> {
  const runtime = new LeapingRuntime(true)
  const server = await startS3Server({ runtime, rules })
  opened.push(server)
  return { server, runtime, queue: await open({ server, runtime }) }
}

async function open(on: Pick<World, 'server' | 'runtime'>, endpoint?: S3Endpoint): Promise<Queue> {
  const queue = await openQueue({ ...optionsOn(on.server, endpoint), runtime: on.runtime })
  opened.push(queue)
  return queue
}

type Call = (on: World) => Promise<unknown>

const keysOf = (server: S3Server, folder: string) =>
  server.keys().filter((key) => key.startsWith(`queues/contract/${folder}/`))

async function errorOf(call: Promise<unknown>): Promise<SluiceError> {
  const error: unknown = await call.then(
    () => 'it resolved',
    (why: unknown) => why,
  )
  if (!isSluiceError(error)) throw new Error(`no error of ours: ${String(error)}`)
  return error
}

/** A put that dies after its first object, by a process of its own. */
async function dieHalfway(on: World, id: string): Promise<void> {
  const endpoint = await on.server.addEndpoint()
  const queue = await open(on, endpoint)
  endpoint.onRequest = ({ operation, key }) => {
    if (operation !== 'PutObject' || !key.includes('/WAITING/')) return undefined
    void queue.close()
    return { do: 'crash' }
  }
  await expect(queue.put(id, { of: id })).rejects.toBeDefined()
  await on.server.settled()
}

/**
 * A store that keeps objects as files with names of limited length: the index object of a short id fits, its
 * names don't.
 */
const NARROW = { maxSegmentBytes: 102 }
const FITS = 'abc'
const HALF = 'tiles-of-the-north'

describe('a put that was cut off between its two objects', () => {
  test('is finished by the next sweep, and comes to WAITING with its body', async () => {
    const on = await world()
    await dieHalfway(on, 'a')
    await on.queue.put('b', 1)
    expect(await on.queue.sizes()).toMatchObject({ WAITING: 1 })
    expect(await sweep(on.queue)).toEqual({ repaired: 1, leftovers: 0, removed: 0 })
    expect(await on.queue.sizes()).toMatchObject({ WAITING: 2 })
    const items = await on.queue.get(5)
    expect(items.map(({ id, body }) => [id, body])).toContainEqual(['a', { of: 'a' }])
    expect(await sweep(on.queue)).toEqual({ repaired: 0, leftovers: 0, removed: 0 })
  })

  const finishing: readonly (readonly [string, Call, string])[] = [
    ['put', ({ queue }) => errorOf(queue.put('a', 2)), 'WAITING'],
    ['lookup', ({ queue }) => queue.lookup('a'), 'WAITING'],
    ['lookupStatus', ({ queue }) => queue.lookupStatus('a'), 'WAITING'],
    ['rm', ({ queue }) => queue.remove(['a']), 'unknown'],
  ]

  test.each(finishing)('is finished by %s', async (_, call, stage) => {
    const on = await world()
    await dieHalfway(on, 'a')
    await call(on)
    expect((await on.queue.lookup('a'))?.stage ?? 'unknown').toBe(stage)
    expect(keysOf(on.server, 'WAITING')).toHaveLength(stage === 'WAITING' ? 1 : 0)
  })

  test('is found by each sweep of a process, between any number of whole ones in any stage', async () => {
    const on = await world()
    const { queue, runtime } = on
    await queue.putMany(Array.from({ length: 40 }, (_, index) => ({ id: `whole-${index}`, body: index })))
    const items = await queue.get(30)
    await queue.settle(
      items.flatMap(({ id, attempt }, index) =>
        index < 10
          ? []
          : [{ id, attempt, stage: (['SUCCESS', 'FAIL', 'WAITING'] as const)[index % 3] ?? 'FAIL' }],
      ),
    )
    const before = await queue.sizes()
    for (let round = 1; round <= 3; round++) {
      await dieHalfway(on, `half-${round}`)
      expect(await sweep(queue)).toMatchObject({ repaired: 1 })
      expect(await queue.sizes()).toEqual({ ...before, WAITING: before.WAITING + round })
      await runtime.advance(3 * HOUR_MS)
    }
    expect(await sweep(queue)).toMatchObject({ repaired: 0 })
  })

  test('is found by the sweep after one that did not end, however old it is', async () => {
    const on = await world()
    await dieHalfway(on, 'a')
    await on.runtime.advance(3 * HOUR_MS)
    const abort = new AbortController()
    const reason = new Error('aborted by the test')
    on.server.main.onRequest = ({ operation, query }) => {
      const isIndex = query.get('prefix')?.includes('/ITEMS/') === true
      if (operation === 'ListObjectsV2' && !isIndex) abort.abort(reason)
      return undefined
    }
    await expect(sweep(on.queue, { signal: abort.signal })).rejects.toBe(reason)
    on.server.main.onRequest = undefined
    expect(await sweep(on.queue)).toMatchObject({ repaired: 1 })
    expect(await on.queue.sizes()).toMatchObject({ WAITING: 1 })
  })

  test('is not made of an index object that is damaged, or under the key of another id', async () => {
    const on = await world()
    await dieHalfway(on, 'a')
    const text = on.server.textOf('queues/contract/ITEMS/a') ?? ''
    on.server.seed([
      ['queues/contract/ITEMS/b', text],
      ['queues/contract/ITEMS/c', text.slice(0, 40)],
    ])
    expect(await sweep(on.queue)).toMatchObject({ repaired: 1 })
    expect(keysOf(on.server, 'WAITING')).toHaveLength(1)
    expect(on.server.textOf('queues/contract/ITEMS/b')).toBe(text)
  })

  test('costs a sweep of whole items a LIST of the index, and no request for any of them', async () => {
    const { server, queue } = await world()
    await queue.putMany(Array.from({ length: 60 }, (_, index) => ({ id: `i${index}`, body: index })))
    const items = await queue.get(40)
    await queue.settle(items.slice(20).map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' as const })))
    await sweep(queue)
    server.resetCounts()
    await sweep(queue)
    const { GetObject, PutObject, HeadObject, ListObjectsV2 } = server.counts()
    expect({ GetObject, PutObject }).toEqual({ GetObject: 0, PutObject: 0 })
    expect(HeadObject).toBeLessThanOrEqual(24)
    expect(ListObjectsV2).toBeLessThanOrEqual(10)
  })
})

describe('a store that refuses the second key of an item', () => {
  test('refuses the put, says why, and keeps nothing of the item; others are put', async () => {
    const { server, queue } = await world(NARROW)
    const error = await errorOf(queue.put(HALF, 1))
    expect(error).toMatchObject({ code: 'SLUICE_CONFIG_INVALID', itemId: HALF, retryable: false })
    expect(error.message).toMatch(/tiles-of-the-north.*between two slashes.*Nothing of it is stored/s)
    expect(await queue.lookup(HALF)).toBeUndefined()
    expect(server.textOf(`queues/contract/ITEMS/${HALF}`)).toBe('')
    await queue.put(FITS, 2)
    expect(await queue.sizes()).toEqual({ WAITING: 1, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
    const [item] = await queue.get(1)
    await queue.success(item?.id ?? '', { attempt: 1 })
    expect(await queue.lookupStatus(FITS)).toBe('SUCCESS')
  })

  test('is asked once: what is as long is refused before anything of it is written', async () => {
    const { server, queue } = await world(NARROW)
    await errorOf(queue.put(HALF, 1))
    server.resetCounts()
    for (const id of [HALF, 'another-one-as-long', 'x'.repeat(1_024)])
      expect((await errorOf(queue.put(id, 1))).code).toBe('SLUICE_CONFIG_INVALID')
    expect(server.counts().PutObject).toBe(0)
  })

  test('whose first key is refused too is left as it is', async () => {
    const { server, queue } = await world(NARROW)
    const long = 'x'.repeat(120)
    expect((await errorOf(queue.put(long, 1))).itemId).toBe(long)
    expect(keysOf(server, 'ITEMS')).toEqual([])
    expect(await queue.lookup(long)).toBeUndefined()
    expect(await queue.remove([long])).toEqual({ removed: 0, skipped: [{ id: long, reason: 'not-found' }] })
  })

  const undoing: readonly (readonly [string, Call])[] = [
    ['put', ({ queue }) => errorOf(queue.put(HALF, 2))],
    ['lookup', ({ queue }) => queue.lookup(HALF)],
    ['lookupStatus', ({ queue }) => errorOf(queue.lookupStatus(HALF))],
    ['rm', ({ queue }) => queue.remove([HALF])],
    ['sweep', ({ queue }) => sweep(queue)],
  ]

  test.each(undoing)('half an item that a dead process left there is taken back by %s', async (_, call) => {
    const on = await world(NARROW)
    await dieHalfway(on, HALF)
    const index = `queues/contract/ITEMS/${HALF}`
    expect(on.server.textOf(index)).toContain(HALF)
    await call(on)
    expect(on.server.textOf(index)).toBe('')
    expect(await on.queue.lookup(HALF)).toBeUndefined()
    expect(await on.queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
    expect(await sweep(on.queue)).toEqual({ repaired: 0, leftovers: 0, removed: 0 })
  })

  test('a batch with one such item stores the others, and says which one it is', async () => {
    const { queue } = await world(NARROW)
    const error = await errorOf(queue.putMany([FITS, HALF, 'xyz'].map((id) => ({ id, body: 1 }))))
    expect(error.itemId).toBe(HALF)
    expect((await queue.get(5)).map(({ id }) => id)).toEqual([FITS, 'xyz'])
  })

  test('expired credentials are reported as such, by a HEAD too, and nothing is taken back for them', async () => {
    const on = await world()
    await dieHalfway(on, 'a')
    on.server.main.onRequest = () => answerWith('ExpiredToken')
    for (const call of [() => on.queue.lookup('a'), () => on.queue.remove(['a']), () => sweep(on.queue)])
      expect(await errorOf(call())).toMatchObject({
        code: 'SLUICE_QUEUE_DENIED',
        message: expect.stringContaining('expired'),
      })
    on.server.main.onRequest = undefined
    expect(await on.queue.lookupStatus('a')).toBe('WAITING')
  })
})
