import { isSluiceError, type Queue, type SchemaResult, type StandardSchema } from '@sluice/core'
import { ManualRuntime, crashAtCalls, wrapQueue } from '@sluice/testkit'
import { createQueue } from '@sluice/core/backend'
import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { MemoryStore, openQueue } from '../src/index.js'
import { posingAs } from './posing-as.js'

const TILE = z.object({ url: z.string(), zoom: z.coerce.number().default(3) })

/** A queue with the schema, and one on the same store that stores anything. */
async function world<Schema extends StandardSchema>(body: Schema) {
  const runtime = new ManualRuntime()
  const store = new MemoryStore({ runtime })
  return {
    runtime,
    store,
    plain: store.queue('tiles'),
    queue: await openQueue({ name: 'tiles', store, body }),
  }
}

function schemaOf(validate: (value: unknown) => SchemaResult<unknown> | Promise<SchemaResult<unknown>>) {
  return { '~standard': { version: 1, vendor: 'test', validate } } satisfies StandardSchema
}

async function errorOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('put', () => {
  test('stores the input, and get gives the output of the schema', async () => {
    const { queue, plain } = await world(TILE)
    await queue.put('a', { url: 'x', zoom: '7' })
    await queue.putMany([{ id: 'b', body: { url: 'y' } }])
    expect((await plain.lookup('a'))?.body).toEqual({ url: 'x', zoom: '7' })
    expect((await queue.peek(2)).map(({ body }) => body)).toEqual([{ url: 'x', zoom: '7' }, { url: 'y' }])
    expect((await queue.list('WAITING', { limit: 2 })).items.map(({ body }) => body)).toEqual([
      { url: 'x', zoom: '7' },
      { url: 'y' },
    ])
    expect((await queue.get(2)).map(({ body }) => body)).toEqual([
      { url: 'x', zoom: 7 },
      { url: 'y', zoom: 3 },
    ])
  })

  test('a body that does not fit is a TypeError that names the path, and nothing is stored', async () => {
    const { queue } = await world(TILE)
    const wrong = posingAs({ url: 5 })
    expect(String(await errorOf(queue.put('a', wrong)))).toMatch(
      /^TypeError: body does not fit the schema: \$\.url: /u,
    )
    const many = queue.putMany([
      { id: 'a', body: { url: 'x' } },
      { id: 'b', body: wrong },
    ])
    expect(String(await errorOf(many))).toMatch(
      /^TypeError: items\[1\]: body does not fit the schema: \$\.url: /u,
    )
    await queue.put('c', { url: 'x' })
    const changes = [
      { id: 'c', priority: 1 },
      { id: 'c', body: wrong },
    ]
    expect(String(await errorOf(queue.update(changes)))).toMatch(/changes\[1\]: body .*\$\.url: /u)
    expect(await queue.sizes()).toEqual({ WAITING: 1, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
    expect((await queue.lookup('c'))?.priority).toBe(0)
  })

  test('what a schema changes in its input is neither stored nor the caller’s', async () => {
    const { queue, plain } = await world(
      schemaOf((value) => {
        if (typeof value === 'object' && value !== null) Reflect.set(value, 'changed', true)
        return { value }
      }),
    )
    const body = { url: 'x' }
    await queue.put('a', body)
    expect(body).toEqual({ url: 'x' })
    expect((await plain.lookup('a'))?.body).toEqual({ url: 'x' })
    expect((await queue.get(1))[0]?.body).toEqual({ url: 'x', changed: true })
    expect((await plain.lookup('a'))?.body).toEqual({ url: 'x' })
  })

  test('a schema that throws or rejects is a TypeError with the cause, and nothing is stored', async () => {
    const cause = new Error('no network')
    for (const validate of [
      () => {
        throw cause
      },
      () => Promise.reject(cause),
    ]) {
      const { queue } = await world(schemaOf(validate))
      expect(await errorOf(queue.put('a', 1))).toMatchObject({ name: 'TypeError', cause })
      expect(await queue.size('WAITING')).toBe(0)
    }
  })
})

/** Every body fits after five seconds. */
async function slowWorld() {
  const runtime = new ManualRuntime()
  const slow = schemaOf(async (value) => {
    await runtime.sleep(5_000)
    return { value }
  })
  return { ...(await world(slow)), runtime }
}

describe('a schema that is slow', () => {
  test.each(['put', 'putMany', 'update'] as const)(
    '%s stores nothing where the queue is closed meanwhile',
    async (call) => {
      const { queue, plain, runtime } = await slowWorld()
      await plain.put('w', 'old')
      const calls = {
        put: () => queue.put('a', 1),
        putMany: () => queue.putMany([{ id: 'a', body: 1 }]),
        update: () => queue.update([{ id: 'w', body: 'new' }]),
      }
      const calling = errorOf(calls[call]())
      await queue.close()
      await runtime.advance(5_000)
      expect(await calling).toMatchObject({ code: 'SLUICE_QUEUE_CLOSED' })
      expect(await plain.size('WAITING')).toBe(1)
      expect((await plain.lookup('w'))?.body).toBe('old')
    },
  )

  test.each(['putMany', 'update'] as const)(
    '%s stores nothing where it is aborted meanwhile',
    async (call) => {
      const { queue, plain, runtime } = await slowWorld()
      await plain.put('w', 'old')
      const stop = new AbortController()
      const options = { signal: stop.signal }
      const calling = errorOf(
        call === 'putMany'
          ? queue.putMany([{ id: 'a', body: 1 }], options)
          : queue.update([{ id: 'w', body: 'new' }], options),
      )
      const reason = new Error('enough')
      stop.abort(reason)
      // At once, and not when the schema has ended.
      expect(await calling).toBe(reason)
      await runtime.advance(5_000)
      expect(await plain.size('WAITING')).toBe(1)
      expect((await plain.lookup('w'))?.body).toBe('old')
    },
  )
})

describe('get', () => {
  test('an item that does not fit becomes FAIL of class invalid-body with the path, and get goes on until it has enough', async () => {
    const { queue, plain } = await world(TILE)
    const bodies = [{ url: 'a' }, { url: 1 }, 'no object', { url: 'b' }, { url: 'c' }]
    await plain.putMany(bodies.map((body, index) => ({ id: `i${index}`, body })))
    expect((await queue.get(2)).map(({ id }) => id)).toEqual(['i0', 'i3'])
    expect(await queue.sizes()).toEqual({ WAITING: 1, PROCESSING: 2, SUCCESS: 0, FAIL: 2 })
    const failed = await queue.lookup('i1')
    expect(failed).toMatchObject({ stage: 'FAIL', failureClass: 'invalid-body', attempt: 1 })
    expect(failed?.reason).toMatch(/^the body does not fit the schema: \$\.url: /u)
    expect(failed?.history).toHaveLength(1)
    expect((await queue.get(10)).map(({ id }) => id)).toEqual(['i4'])
    expect(await queue.get(10)).toEqual([])
  })

  test('nothing but unfit items: all of them fail, and get is empty', async () => {
    const { queue, plain } = await world(TILE)
    await plain.putMany(Array.from({ length: 25 }, (_, index) => ({ id: `i${index}`, body: index })))
    expect(await queue.get(10)).toEqual([])
    expect(await queue.size('FAIL')).toBe(25)
  })

  test('a schema that rejects after five seconds gives the item back to its place, uncounted; the others are given out', async () => {
    const runtime = new ManualRuntime()
    const cause = new Error('no network')
    let isDown = true
    const slow = schemaOf(async (value) => {
      if (value !== 'poison' || !isDown) return { value }
      await runtime.sleep(5_000)
      throw cause
    })
    const { queue } = await world(slow)
    isDown = false
    await queue.putMany([
      { id: 'a', body: 'poison' },
      { id: 'b', body: 1 },
      { id: 'c', body: 2 },
    ])
    isDown = true
    const getting = queue.get(2)
    await runtime.advance(5_000)
    expect((await getting).map(({ id }) => id)).toEqual(['b'])
    expect(await queue.lookup('a')).toMatchObject({ stage: 'WAITING', attempt: 1, uncounted: 1 })
    const alone = errorOf(queue.get(1))
    await runtime.advance(5_000)
    expect(await alone).toMatchObject({ name: 'TypeError', cause })
    isDown = false
    expect((await queue.get(1)).map(({ id, attempt }) => [id, attempt])).toEqual([['a', 3]])
  })

  test('killed at each operation, no item is lost: each is WAITING, PROCESSING without a job, or FAIL with its reason', async () => {
    let crashes = 0
    for (let point = 0; ; point++) {
      const store = new MemoryStore()
      const plain = store.queue('tiles')
      await plain.putMany(
        [1, { url: 'x' }, 2, { url: 'y' }].map((body, index) => ({ id: `i${index}`, body })),
      )
      const dying = crashAtCalls(plain, point)
      const queue = frontOf(dying.queue)
      await errorOf(queue.get(4))
      const sizes = await plain.sizes()
      expect(sizes.WAITING + sizes.PROCESSING + sizes.FAIL).toBe(4)
      for (const { reason } of (await plain.list('FAIL', { limit: 9 })).items)
        expect(reason).toMatch(/does not fit/u)
      if (!dying.crashed()) break
      crashes += 1
    }
    expect(crashes).toBeGreaterThan(2)
  })

  test('a settle of unfit items that fails: what fits reaches the caller, and the others are in PROCESSING', async () => {
    const store = new MemoryStore()
    const plain = store.queue('tiles')
    await plain.putMany([
      { id: 'bad', body: 1 },
      { id: 'good', body: { url: 'x' } },
    ])
    const outage = new Error('out of reach')
    const queue = frontOf(wrapQueue(plain, { settle: () => Promise.reject(outage) }))
    expect((await queue.get(2)).map(({ id }) => id)).toEqual(['good'])
    expect(await plain.lookupStatus('bad')).toBe('PROCESSING')
    expect(await errorOf(frontOf(wrapQueue(plain, { get: () => Promise.reject(outage) })).get(1))).toBe(
      outage,
    )
  })
})

const never = () => Promise.reject(new Error('not part of the test'))

/** The front with the schema over the claims and moves of another queue. */
function frontOf(inner: Queue): Queue {
  const { supports } = inner
  return createQueue(
    { name: inner.name, body: TILE },
    {
      supports,
      checkItem: (item) => item,
      put: never,
      update: never,
      claim: (maxItems) => inner.get(maxItems),
      peek: never,
      settle: async (moves) => {
        const settlements = moves.map(({ id, attempt = 0, to, reason, failureClass }) => ({
          id,
          attempt,
          stage: to,
          ...(reason !== undefined && { reason }),
          ...(failureClass !== undefined && { failureClass }),
        }))
        const { refused } = await inner.settle(settlements)
        return moves.map(({ id }) => refused.find((one) => one.id === id))
      },
      requeue: never,
      remove: never,
      size: never,
      sizes: never,
      lookupStage: never,
      lookup: never,
      list: never,
      listSummaries: never,
      now: never,
      leases: { take: never, read: never },
      documents: { read: never, write: never, remove: never, names: never },
      control: { read: never, pause: never, resume: never, setLimits: never, sync: never },
      close: () => {},
    },
  )
}

describe('parseBody', () => {
  test('is there with a schema only, and gives the output, the reason, or the error of the schema', async () => {
    const { queue, plain } = await world(TILE)
    expect(plain).toHaveProperty('parseBody', undefined)
    expect(await queue.parseBody?.({ url: 'x' })).toEqual({ body: { url: 'x', zoom: 3 } })
    expect(await queue.parseBody?.(posingAs({}))).toEqual({ reason: expect.stringMatching(/^\$\.url: /u) })
    const failing = await world(schemaOf(() => Promise.reject(new Error('x'))))
    await expect(failing.queue.parseBody?.(1)).rejects.toBeInstanceOf(TypeError)
  })

  test('a reason names three issues at most, each with its path', async () => {
    const issues = ['a', 'b', 'c', 'd'].map((key) => ({
      message: 'is wrong',
      path: [{ key: 'list' }, 0, key],
    }))
    const { queue } = await world(schemaOf(() => ({ issues })))
    expect(await queue.parseBody?.(1)).toEqual({
      reason: '$.list[0].a: is wrong; $.list[0].b: is wrong; $.list[0].c: is wrong; 1 more',
    })
  })
})

describe('the option', () => {
  test('what is no Standard Schema is SLUICE_CONFIG_INVALID', async () => {
    for (const body of [5, {}, { '~standard': {} }, null]) {
      const error = await errorOf(openQueue(posingAs({ name: 'a', body })))
      expect(isSluiceError(error, 'SLUICE_CONFIG_INVALID')).toBe(true)
      expect(String(error)).toContain('body: must be a Standard Schema')
    }
    await expect(openQueue(posingAs({ name: 'a', body: undefined }))).resolves.toMatchObject({ name: 'a' })
  })

  test('the schema is asked once for each body that is claimed', async () => {
    const validate = vi.fn<(value: unknown) => SchemaResult<unknown>>((value) => ({ value }))
    const { queue, plain } = await world(schemaOf(validate))
    await plain.putMany([
      { id: 'a', body: 1 },
      { id: 'b', body: 2 },
    ])
    await queue.get(1)
    expect(validate.mock.calls).toEqual([[1]])
  })
})
