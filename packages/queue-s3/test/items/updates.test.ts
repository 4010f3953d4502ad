import type { JsonValue, Queue } from '@sluice/core'
import { startS3Server, type S3Endpoint, type S3Operation, type S3Server } from '@sluice/fake-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { optionsOn, sweep } from '../s3-harness.js'
import { LeapingRuntime } from '../leaping-runtime.js'

const SHORT = { new: 'body' }
/** No metadata have room for it. */
const LONG = { new: 'x'.repeat(3_000) }
const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

interface World {
  readonly server: S3Server
  readonly runtime: LeapingRuntime
  readonly queue: Queue
}

async function world(): Promise<World> {
  const runtime = new LeapingRuntime(true)
  const server = await startS3Server({ runtime })
  opened.push(server)
  return { server, runtime, queue: await open({ server, runtime }) }
}

async function open(on: Pick<World, 'server' | 'runtime'>, endpoint?: S3Endpoint): Promise<Queue> {
  const queue = await openQueue({ ...optionsOn(on.server, endpoint), runtime: on.runtime })
  opened.push(queue)
  return queue
}

const keysOf = (server: S3Server, folder: string) =>
  server.keys().filter((key) => key.startsWith(`queues/contract/${folder}/`))

type IsMeant = (operation: string, path: string) => boolean

/** A call of a process of its own that dies at its first request that is meant. */
async function dieBefore(
  on: World,
  isMeant: IsMeant,
  call: (queue: Queue) => Promise<unknown>,
): Promise<boolean> {
  const endpoint = await on.server.addEndpoint()
  const queue = await open(on, endpoint)
  endpoint.onRequest = ({ operation, key }) => {
    if (!isMeant(operation, key)) return undefined
    void queue.close()
    return { do: 'crash' }
  }
  await call(queue).catch(() => undefined)
  return endpoint.crashed()
}

/** A call of a process of its own that dies at one of its requests; whether it came so far. */
async function dieAt(on: World, point: number, call: (queue: Queue) => Promise<unknown>): Promise<boolean> {
  let seen = 0
  const died = await dieBefore(on, () => seen++ >= point, call)
  await on.server.settled()
  return died
}

async function requests(
  { server }: World,
  work: () => Promise<unknown>,
): Promise<Partial<Record<S3Operation, number>>> {
  server.resetCounts()
  await work()
  return Object.fromEntries(Object.entries(server.counts()).filter(([, count]) => count > 0))
}

describe('the requests of an update', () => {
  const COUNT = 10
  const ids = Array.from({ length: COUNT }, (_, index) => `i${index}`)
  const each = (counts: Partial<Record<S3Operation, number>>) =>
    [counts.PutObject, counts.GetObject, counts.HeadObject, counts.ListObjectsV2].map(
      (count = 0) => count / COUNT,
    )

  test.each<[string, object, puts: number]>([
    ['a body alone', { body: SHORT }, 3],
    ['a priority alone', { priority: 1 }, 3],
    ['a body, a priority and an instant', { body: SHORT, priority: 1, notBeforeAt: 0 }, 3],
    ['a long body', { body: LONG }, 4],
  ])('of %s are few, whatever else waits', async (_, change, puts) => {
    const on = await world()
    await on.queue.putMany(ids.map((id) => ({ id, body: 1 })))
    const changes = ids.map((id) => ({ id, ...change }))
    expect(each(await requests(on, () => on.queue.update(changes)))).toEqual([puts, 1, 5, 0])
    expect(keysOf(on.server, 'CHANGES')).toEqual([])
    expect(keysOf(on.server, 'PROCESSING')).toEqual([])
  })

  test('that changes nothing are no writes: of a repeat after a lost answer', async () => {
    const on = await world()
    await on.queue.putMany(ids.map((id) => ({ id, body: 1 })))
    for (const body of [SHORT, LONG]) {
      const changes = ids.map((id) => ({ id, body, priority: 3 }))
      await on.queue.update(changes)
      const used = await requests(on, async () => {
        expect(await on.queue.update(changes)).toEqual({ updated: COUNT, skipped: [] })
      })
      expect(used.PutObject).toBeUndefined()
    }
  })

  test('do not grow with the number of updates: the search of the item begins at the one noted', async () => {
    const on = await world()
    await on.queue.put('a', 0)
    for (let index = 1; index <= 24; index++) await on.queue.update([{ id: 'a', body: index }])
    const used = await requests(on, async () => {
      expect(await on.queue.lookup('a')).toMatchObject({ body: 24, stage: 'WAITING', attempt: 0 })
    })
    expect((used.HeadObject ?? 0) + (used.GetObject ?? 0)).toBeLessThanOrEqual(26)
    expect((await on.queue.get(2)).map(({ id, body }) => [id, body])).toEqual([['a', 24]])
    await on.queue.success('a')
    await on.queue.remove(['a'])
    expect(keysOf(on.server, 'ATTEMPTS')).toEqual([])
  })
})

describe('a comparison', () => {
  test('costs a GET for each item that is there, and of an item that was updated another', async () => {
    const on = await world()
    const items = Array.from({ length: 5 }, (_, index) => ({ id: `i${index}`, body: { n: index } }))
    await on.queue.putMany(items)
    const plain = await requests(on, () => on.queue.putMany(items))
    const compared = await requests(on, () => on.queue.putMany(items, { compare: true }))
    expect(compared).toEqual({ ...plain, GetObject: 5 })
    await on.queue.update(items.map(({ id }) => ({ id, body: 'new' })))
    const again = await requests(on, async () => {
      const { skipped } = await on.queue.putMany(items, { compare: true })
      expect(skipped.every(({ reason }) => reason === 'exists-changed')).toBe(true)
    })
    expect(again.GetObject).toBe(10)
    const { skipped } = await on.queue.putMany(
      items.map(({ id }) => ({ id, body: 'new' })),
      { compare: true },
    )
    expect(skipped.every(({ reason }) => reason === 'exists-same')).toBe(true)
  })

  test('of an item whose objects are damaged says that it is changed, and holds up no other', async () => {
    const on = await world()
    await on.queue.putMany(['a', 'b'].map((id) => ({ id, body: 1 })))
    on.server.seed([['queues/contract/ITEMS/a', '{"sluice":1,"id":"a"']])
    const report = await on.queue.putMany(
      ['a', 'b', 'c'].map((id) => ({ id, body: 1 })),
      { compare: true },
    )
    expect(report).toEqual({
      added: 1,
      skipped: [
        { id: 'a', reason: 'exists-changed' },
        { id: 'b', reason: 'exists-same' },
      ],
    })
  })

  test('finds the new body in whatever stage the item has come to since', async () => {
    const on = await world()
    await on.queue.putMany(['a', 'b', 'c', 'd'].map((id) => ({ id, body: 1 })))
    await on.queue.update(['a', 'b', 'c', 'd'].map((id) => ({ id, body: LONG })))
    await on.queue.get(4)
    await on.queue.success('b', { result: { body: 1 } })
    await on.queue.fail('c', { details: { body: 1 } })
    await on.queue.release('d')
    const compare = (body: JsonValue) =>
      on.queue.putMany(
        ['a', 'b', 'c', 'd'].map((id) => ({ id, body })),
        { compare: true },
      )
    expect((await compare(LONG)).skipped.map(({ reason }) => reason)).toEqual(Array(4).fill('exists-same'))
    expect((await compare(1)).skipped.map(({ reason }) => reason)).toEqual(Array(4).fill('exists-changed'))
    for (const id of ['a', 'b', 'c', 'd']) expect(await on.queue.lookup(id)).toMatchObject({ body: LONG })
  })
})

describe('an update whose process dies', () => {
  const ways: readonly (readonly [string, { body: JsonValue; priority?: number }])[] = [
    ['of a body', { body: SHORT }],
    ['of a long body', { body: LONG }],
    ['of a body and a higher priority', { body: SHORT, priority: 5 }],
  ]

  test.each(ways)(
    '%s, at any request, is finished by the next get alone: once, as before or as changed',
    async (_, change) => {
      for (let point = 1; ; point++) {
        const on = await world()
        await on.queue.put('a', 'old')
        await on.queue.update([{ id: 'a', body: 'older' }])
        const died = await dieAt(on, point, (queue) => queue.update([{ id: 'a', ...change }]))
        const other = await open(on)
        const given = [...(await other.get(2)), ...(await other.get(2))]
        expect(given).toHaveLength(1)
        const [{ body, priority } = { body: undefined, priority: undefined }] = given
        const { body: newBody, priority: newPriority = 0 } = change
        const is = JSON.stringify([body, priority])
        expect([JSON.stringify(['older', 0]), JSON.stringify([newBody, newPriority])]).toContain(is)
        await other.success('a', { attempt: 1 })
        expect(await other.lookup('a')).toMatchObject({ stage: 'SUCCESS', body, priority })
        await sweep(other)
        expect(await other.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 1, FAIL: 0 })
        expect([
          ...keysOf(on.server, 'CHANGES'),
          ...keysOf(on.server, 'PROCESSING'),
          ...keysOf(on.server, 'WAITING'),
        ]).toEqual([])
        if (!died) return
      }
    },
  )

  test.each(ways)(
    '%s, at any request, is in one stage and page once, and peek gives it',
    async (_, change) => {
      for (let point = 1; ; point++) {
        const on = await world()
        await on.queue.putMany(['a', 'b'].map((id) => ({ id, body: 'old' })))
        const died = await dieAt(on, point, (queue) => queue.update([{ id: 'a', ...change }]))
        const other = await open(on)
        expect((await other.peek(5)).map(({ id }) => id).toSorted()).toEqual(['a', 'b'])
        const { items } = await other.list('WAITING', { limit: 5 })
        expect(items.map(({ id }) => id).toSorted()).toEqual(['a', 'b'])
        expect(await other.size('WAITING')).toBe(2)
        expect(await other.remove(['a'])).toEqual({ removed: 1, skipped: [] })
        await other.put('a', 'again')
        expect(await other.lookup('a')).toMatchObject({ body: 'again', attempt: 0 })
        await sweep(other)
        expect(keysOf(on.server, 'CHANGES')).toEqual([])
        if (!died) return
      }
    },
  )
})

/** Stops a process before the first request that the test is about, until it is let go. */
async function stoppedBefore(on: World, isMeant: IsMeant) {
  const endpoint = await on.server.addEndpoint()
  const queue = await open(on, endpoint)
  const reached = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  endpoint.onRequest = ({ operation, key, query }) => {
    if (!isMeant(operation, query.get('prefix') ?? key)) return undefined
    endpoint.onRequest = undefined
    reached.resolve()
    return { do: 'hold', until: go.promise }
  }
  return { queue, reached: reached.promise, go: () => go.resolve() }
}

const isMaking = (folder: string) => (operation: string, key: string) =>
  operation === 'PutObject' && key.includes(`/${folder}/`)

describe('an update under way', () => {
  test.each(['WAITING', 'SUCCESS'])(
    'is finished by a claim when it stops before it makes %s, and says so when it goes on',
    async (folder) => {
      const on = await world()
      await on.queue.put('a', 'old')
      const slow = await stoppedBefore(on, isMaking(folder))
      const updating = slow.queue.update([{ id: 'a', body: LONG }])
      await slow.reached
      expect((await on.queue.get(1)).map(({ body }) => body)).toEqual([LONG])
      slow.go()
      expect(await updating).toEqual({ updated: 1, skipped: [] })
      await on.queue.success('a')
      expect(await on.queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 1, FAIL: 0 })
      expect(keysOf(on.server, 'CHANGES')).toEqual([])
    },
  )

  test('that a claim comes before is skipped, and its long body deleted', async () => {
    const on = await world()
    await on.queue.put('a', 'old')
    const slow = await stoppedBefore(on, isMaking('PROCESSING'))
    const updating = slow.queue.update([{ id: 'a', body: LONG }])
    await slow.reached
    expect((await on.queue.get(1)).map(({ body }) => body)).toEqual(['old'])
    slow.go()
    expect(await updating).toEqual({ updated: 0, skipped: [{ id: 'a', reason: 'wrong-stage' }] })
    expect(keysOf(on.server, 'CHANGES')).toEqual([])
    expect(await on.queue.lookup('a')).toMatchObject({ stage: 'PROCESSING', body: 'old', attempt: 1 })
  })

  test('that all of an attempt comes before is made for the next one', async () => {
    const on = await world()
    await on.queue.put('a', 'old')
    const slow = await stoppedBefore(on, isMaking('PROCESSING'))
    const updating = slow.queue.update([{ id: 'a', body: SHORT }])
    await slow.reached
    const [item] = await on.queue.get(1)
    await on.queue.release('a', { attempt: 1, reason: 'why' })
    slow.go()
    expect(await updating).toEqual({ updated: 1, skipped: [] })
    expect(item?.body).toBe('old')
    expect(await on.queue.lookup('a')).toMatchObject({ body: SHORT, attempt: 1, reason: 'why' })
    expect(await on.queue.settle([{ id: 'a', attempt: 1, stage: 'WAITING' }])).toEqual({
      settled: 1,
      refused: [],
    })
    await sweep(on.queue)
    expect((await on.queue.get(2)).map(({ body, attempt }) => [body, attempt])).toEqual([[SHORT, 2]])
  })

  test('loses nothing to a sweep that listed before it', async () => {
    const on = await world()
    await on.queue.put('a', 'old')
    await on.queue.update([{ id: 'a', body: 'older' }])
    const sweeping = await stoppedBefore(
      on,
      (operation, key) => operation === 'ListObjectsV2' && key.includes('/WAITING/'),
    )
    const swept = sweep(sweeping.queue)
    await sweeping.reached
    await dieBefore(on, isMaking('WAITING'), (queue) => queue.update([{ id: 'a', priority: 5 }]))
    sweeping.go()
    await swept
    const other = await open(on)
    expect((await other.get(2)).map(({ id, body, priority }) => [id, body, priority])).toEqual([
      ['a', 'older', 5],
    ])
  })

  test('that raises what a get has listed is not lost to that get', async () => {
    const on = await world()
    await on.queue.put('a', 'old')
    const slow = await stoppedBefore(on, isMaking('PROCESSING'))
    const getting = slow.queue.get(1)
    await slow.reached
    await on.queue.update([{ id: 'a', body: 'new', priority: 9 }])
    slow.go()
    expect((await getting).map(({ body, priority }) => [body, priority])).toEqual([['new', 9]])
  })

  test('that delays what a get has listed keeps it from that get', async () => {
    const on = await world()
    await on.queue.put('a', 'old')
    const slow = await stoppedBefore(on, isMaking('PROCESSING'))
    const getting = slow.queue.get(1)
    await slow.reached
    await on.queue.update([{ id: 'a', notBeforeAt: (await on.queue.now()) + 60_000 }])
    slow.go()
    expect(await getting).toEqual([])
    await on.runtime.advance(62_000)
    expect((await on.queue.get(1)).map(({ id, attempt }) => [id, attempt])).toEqual([['a', 1]])
  })
})
