import type { ItemRecord, JsonValue, Queue, QueueItem } from '@sluice/core'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { eachItem, isSluiceError, SluiceError } from '@sluice/core'
import { MemoryStore, openQueue } from '../src/index.js'

interface Tile {
  url: string
  zoom?: number
  tags: { readonly name: string }[]
}
interface Result {
  bytes: number
}

const tile: Tile = { url: 's3://maps/1.tif', tags: [{ name: 'new' }] }

// @ts-expect-error an option that there is not
const option = () => openQueue({ name: 'a', tablePrefix: 'x' })
// @ts-expect-error the name is missing
const nameless = () => openQueue({})
// @ts-expect-error a Date comes back as a string
const date = () => openQueue<{ at: Date }>({ name: 'a' })
// @ts-expect-error a Map comes back as {}
const map = () => openQueue<{ byId: Map<string, number> }>({ name: 'a' })
// @ts-expect-error a function does not come back
const method = () => openQueue<{ run(): void }>({ name: 'a' })
// @ts-expect-error undefined outside of an optional field does not come back
const field = () => openQueue<{ url: string | undefined }>({ name: 'a' })
// @ts-expect-error unknown may be anything
const anything = () => openQueue<{ more: unknown }>({ name: 'a' })
// @ts-expect-error a bigint is not JSON
const big = () => openQueue<{ size: bigint }>({ name: 'a' })

describe('a typed queue', () => {
  test('an interface is a body, and its fields need no cast', async () => {
    const queue = await openQueue<Tile, Result>({ name: 'tiles' })
    expectTypeOf(queue).toEqualTypeOf<Queue<Tile, Result>>()
    await queue.put('a', tile)
    await queue.putMany([{ id: 'b', body: tile, priority: 5 }])
    await queue.update([{ id: 'b', body: { ...tile, zoom: 2 } }])
    const [item] = await queue.get(1)
    expectTypeOf(item).toEqualTypeOf<QueueItem<Tile> | undefined>()
    expectTypeOf(item?.body.url).toEqualTypeOf<string | undefined>()
    await queue.success('b', { result: { bytes: 12 } })
    expectTypeOf(await queue.lookup('b')).toEqualTypeOf<ItemRecord<Tile, Result> | undefined>()
    for await (const { body, result } of eachItem(queue, 'SUCCESS')) {
      expectTypeOf(body).toEqualTypeOf<Tile>()
      expectTypeOf(result).toEqualTypeOf<Result | undefined>()
    }
    expect(item?.body.url).toBe(tile.url)
  })

  test('wrong bodies, results, changes and options are errors of the compiler', async () => {
    const queue = await openQueue<Tile, Result>({ name: 'tiles' })
    // @ts-expect-error url is missing
    const put = () => queue.put('a', { tags: [] })
    // @ts-expect-error url is a string
    const many = () => queue.putMany([{ id: 'a', body: { url: 5, tags: [] } }])
    // @ts-expect-error bytes is a number
    const success = () => queue.success('a', { result: { bytes: '12' } })
    expect([put, many, success, option, nameless]).toHaveLength(5)
  })

  test('what JSON cannot carry is no body', () => {
    expect([date, map, method, field, anything, big]).toHaveLength(6)
  })

  test('without types, bodies and results are any JSON', async () => {
    const queue = await openQueue({ name: 'tiles' })
    expectTypeOf(queue).toEqualTypeOf<Queue>()
    await queue.put('a', [1, { b: null }])
    expectTypeOf((await queue.get(1))[0]?.body).toEqualTypeOf<JsonValue | undefined>()
    expectTypeOf(new MemoryStore().queue('a')).toEqualTypeOf<Queue>()
    const strings = await openQueue<string>({ name: 'urls' })
    expectTypeOf((await strings.get(1))[0]?.body).toEqualTypeOf<string | undefined>()
    expect(await queue.size('PROCESSING')).toBe(1)
  })

  test('a schema gives the types: put takes its input, get gives its output', async () => {
    const body = z.object({ url: z.string(), at: z.iso.datetime().transform((text) => new Date(text)) })
    const queue = await openQueue({ name: 'tiles', body })
    await queue.put('a', { url: 'x', at: '2026-11-30T12:00:00Z' })
    // @ts-expect-error a Date is what the schema gives, and not what it takes
    await expect(queue.put('b', { url: 'x', at: new Date() })).rejects.toBeInstanceOf(TypeError)
    const [item] = await queue.get(1)
    expectTypeOf(item?.body).toEqualTypeOf<{ url: string; at: Date } | undefined>()
    expectTypeOf((await queue.lookup('a'))?.body).toEqualTypeOf<{ url: string; at: string } | undefined>()
    expect(item?.body.at.getUTCHours()).toBe(12)
  })
})

describe('errors and disposal', () => {
  test('isSluiceError narrows to the code', () => {
    const error: unknown = new SluiceError('SLUICE_ITEM_EXISTS', 'x')
    if (isSluiceError(error, 'SLUICE_ITEM_EXISTS'))
      expectTypeOf(error.code).toEqualTypeOf<'SLUICE_ITEM_EXISTS'>()
    if (isSluiceError(error)) expectTypeOf(error).toEqualTypeOf<SluiceError>()
    // @ts-expect-error there is no such code
    expect(isSluiceError(error, 'SLUICE_EXISTS')).toBe(false)
  })

  test('await using closes a queue and gives back a lease', async () => {
    const store = new MemoryStore()
    const queue = store.queue('tiles')
    {
      await using scoped = await openQueue({ name: 'tiles', store })
      await using lease = await scoped.lease('dispatch', 'me', 10_000)
      expect(lease?.holder).toBe('me')
      expect(await queue.readLease('dispatch')).toMatchObject({ holder: 'me' })
      expect(scoped.name).toBe('tiles')
    }
    expect(await queue.readLease('dispatch')).toBeUndefined()
  })
})
