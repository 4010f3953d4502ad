import type {
  ItemRef,
  ItemSummary,
  Page,
  PeekSummariesOptions,
  Queue,
  QueueItem,
  Runtime,
} from '@sluice/core'
import { ManualRuntime } from '@sluice/testkit'
import { answerWith, startS3Server, type S3Endpoint, type S3Operation, type S3Server } from '@sluice/fake-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { parseAttemptKey } from '../../src/format/attempt-key.js'
import { tagOf } from '../../src/format/selection.js'
import { openQueue } from '../../src/index.js'
import { LeapingRuntime } from '../leaping-runtime.js'
import { optionsOn, sweep } from '../s3-harness.js'

const ROOT = 'queues/contract/'
const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

interface World {
  readonly server: S3Server
  readonly runtime: ManualRuntime
  readonly queue: Queue
}

/** No time passes: every two seconds in which something is created cost a GET more. */
async function world(options: object = {}): Promise<World> {
  const server = await startS3Server()
  opened.push(server)
  const runtime = new ManualRuntime()
  return { server, runtime, queue: await open({ server, runtime }, options) }
}

async function open(
  { server, runtime }: { readonly server: S3Server; readonly runtime: Runtime },
  options: object = {},
  endpoint: S3Endpoint = server.main,
): Promise<Queue> {
  const queue = await openQueue({ ...optionsOn(server, endpoint), runtime, ...options })
  opened.push(queue)
  return queue
}

async function requests(
  { server }: World,
  work: () => Promise<unknown>,
): Promise<Partial<Record<S3Operation, number>>> {
  server.resetCounts()
  await work()
  return Object.fromEntries(Object.entries(server.counts()).filter(([, count]) => count > 0))
}

function peek(queue: Queue, maxItems: number, options?: PeekSummariesOptions): Promise<Page<ItemSummary>> {
  if (queue.peekSummaries === undefined) throw new Error('the queue has no peekSummaries')
  return queue.peekSummaries(maxItems, options)
}

function claim(queue: Queue, refs: readonly ItemRef[]): Promise<QueueItem[]> {
  if (queue.getItems === undefined) throw new Error('the queue has no getItems')
  return queue.getItems(refs)
}

const idsOf = (items: readonly { readonly id: string }[]) => items.map(({ id }) => id)
const itemsOf = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ id: `i${index}`, body: index }))
const withKeys = (count: number, keys: number) =>
  itemsOf(count).map((item) => ({ ...item, resources: { gpu: 1 }, limitKey: `user-${item.body % keys}` }))

const isCheck = (operation: string, path: string) =>
  operation === 'ListObjectsV2' && path.startsWith(`${ROOT}PROCESSING/`)

const isRead = (operation: string, path: string) =>
  operation === 'GetObject' && path.startsWith(`${ROOT}ITEMS/`)

/** Before the first request of this kind is answered, the work is done. */
async function during(
  on: World,
  isMeant: (operation: S3Operation, path: string) => boolean,
  work: () => Promise<unknown>,
): Promise<Queue> {
  const endpoint = await on.server.addEndpoint()
  const queue = await open(on, {}, endpoint)
  let begun = false
  endpoint.onRequest = ({ operation, key, query }) => {
    if (begun || !isMeant(operation, key || (query.get('prefix') ?? ''))) return undefined
    begun = true
    return { do: 'hold', until: work() }
  }
  return queue
}

describe('what resources and limit keys cost', () => {
  test('put and get take the requests of an item without them', async () => {
    const on = await world()
    const put = await requests(on, () => on.queue.putMany(withKeys(100, 7)))
    expect(put).toEqual({ PutObject: 200 })
    const got = await requests(on, async () => {
      expect((await on.queue.get(100)).every(({ limitKey }) => limitKey !== undefined)).toBe(true)
    })
    const each = { PutObject: 100, GetObject: 100, HeadObject: 100 }
    expect(got).toEqual({ ...each, ListObjectsV2: 1, DeleteObjects: 1 })
  })

  test('a listing in another process reads one item of each combination, and none at the next tick', async () => {
    const on = await world()
    await on.queue.putMany([...withKeys(100, 7), ...itemsOf(150).slice(100)])
    await on.queue.get(150)
    const other = await open(on)
    const tick = async () => {
      const { items } = await other.listSummaries('PROCESSING', { limit: 1_000 })
      expect(items.filter(({ limitKey }) => limitKey !== undefined)).toHaveLength(100)
      expect(items.find(({ id }) => id === 'i9')).toMatchObject({ resources: { gpu: 1 }, limitKey: 'user-2' })
    }
    expect((await requests(on, tick)).GetObject).toBe(7)
    expect(await requests(on, tick)).toEqual({ ListObjectsV2: 1 })
  })

  test('peekSummaries(1000) takes three LISTs, and getItems what get takes, without a LIST', async () => {
    const on = await world()
    await on.queue.putMany(withKeys(1_000, 3))
    const other = await open(on)
    let shown: readonly ItemSummary[] = []
    const peeked = await requests(on, async () => {
      shown = (await peek(other, 1_000)).items
    })
    expect(idsOf(shown)).toEqual(idsOf(itemsOf(1_000)))
    expect(peeked).toEqual({ ListObjectsV2: 3, GetObject: 3 })
    const refs = [...shown.slice(900), ...shown.slice(0, 100)]
    const claimed = await requests(on, async () => {
      expect(idsOf(await claim(other, refs))).toEqual(idsOf(refs))
    })
    expect(claimed).toEqual({ PutObject: 200, GetObject: 200, HeadObject: 200, DeleteObjects: 1 })
  })

  test('an item that this process was not shown takes a search of four HEADs more', async () => {
    const on = await world()
    await on.queue.putMany(itemsOf(10))
    const { items } = await peek(on.queue, 10)
    const other = await open(on)
    const claimed = await requests(on, async () => {
      expect(await claim(other, items)).toHaveLength(10)
    })
    expect(claimed).toEqual({ PutObject: 10, GetObject: 10, HeadObject: 50, DeleteObjects: 1 })
  })

  test('a claim of an item whose resources were updated takes a GET more for the state, and one for them', async () => {
    const on = await world()
    await on.queue.putMany(withKeys(2, 1))
    const changes = ['i0', 'i1'].map((id) => ({ id, resources: { gpu: 2 } }))
    const updated = await requests(on, () => on.queue.update(changes))
    expect(updated.PutObject).toBe(8)
    const other = await open(on)
    const claimed = await requests(on, async () => {
      const items = await other.get(2)
      expect(items.map(({ resources, limitKey }) => [resources, limitKey])).toEqual(
        [0, 1].map(() => [{ gpu: 2 }, 'user-0']),
      )
    })
    expect(claimed.GetObject).toBe(6)
  })
})

describe('peekSummaries', () => {
  test('goes on in the order of get over several shards', async () => {
    const on = await world({ shards: 4 })
    await on.queue.putMany(itemsOf(30).map((item) => ({ ...item, priority: item.body % 3 })))
    const order = idsOf(await on.queue.peek(30))
    const found: string[] = []
    for (let after: string | undefined; ;) {
      const page = await peek(on.queue, 7, after === undefined ? {} : { after })
      found.push(...idsOf(page.items))
      after = page.cursor
      if (after === undefined) break
    }
    expect(found).toEqual(order)
    expect(found).toHaveLength(30)
  })

  test('an item that is updated between the LISTs of a page is on it, as updated', async () => {
    const on = await world()
    await on.queue.putMany(itemsOf(3))
    const other = await during(on, isCheck, () => on.queue.update([{ id: 'i1', limitKey: 'new' }]))
    const { items } = await peek(other, 5)
    expect(items.map(({ id, limitKey }) => [id, limitKey])).toEqual([
      ['i0', undefined],
      ['i1', 'new'],
      ['i2', undefined],
    ])
  })

  test('leftovers of claims and ends are not on it', async () => {
    const on = await world()
    await on.queue.putMany(itemsOf(4))
    const waiting = on.server.keys().filter((key) => key.includes('/WAITING/'))
    const late = waiting.map((key) => [key, on.server.textOf(key) ?? ''] as const)
    await on.queue.get(2)
    await on.queue.success('i0')
    on.server.seed(late)
    expect(idsOf((await peek(await open(on), 5)).items)).toEqual(['i2', 'i3'])
  })
})

describe('getItems', () => {
  test('finds an item that was released, moved or updated since it was shown', async () => {
    const on = await world()
    await on.queue.putMany(itemsOf(4))
    const other = await open(on)
    const { items: shown } = await peek(other, 4)
    await on.queue.get(1)
    await on.queue.release('i0', { attempt: 1 })
    await on.queue.update([
      { id: 'i1', priority: 3 },
      { id: 'i2', body: 'new' },
      { id: 'i3', notBeforeAt: (await on.queue.now()) + 3_600_000 },
    ])
    const items = await claim(other, shown)
    expect(items.map(({ id, attempt, body }) => [id, attempt, body])).toEqual([
      ['i0', 2, 0],
      ['i1', 1, 1],
      ['i2', 1, 'new'],
    ])
  })

  test('leaves a damaged item, and gives the others', async () => {
    const on = await world()
    await on.queue.putMany(itemsOf(2))
    const { items } = await peek(on.queue, 2)
    on.server.seed([[`${ROOT}ITEMS/i0`, '{']])
    const other = await open({ ...on, runtime: new LeapingRuntime() }, { timeoutMs: 300 })
    expect(idsOf(await claim(other, items))).toEqual(['i1'])
  })
})

describe('the tag in a name', () => {
  test('is the same for the same resources and key, and each name of the item has it', async () => {
    const on = await world()
    const names = (folder: string) =>
      on.server.keys().flatMap((key) => {
        const name = parseAttemptKey(key.slice(`${ROOT}${folder}/`.length))
        return key.startsWith(`${ROOT}${folder}/`) && name !== undefined ? [name] : []
      })
    await on.queue.putMany([
      { id: 'a', body: 1, resources: { gpu: 1, cpu: 2 }, limitKey: 'x' },
      { id: 'b', body: 2, resources: { cpu: 2, gpu: 1 }, limitKey: 'x' },
      { id: 'c', body: 3, limitKey: 'x' },
      { id: 'd', body: 4 },
    ])
    const [a, b, c, d] = names('WAITING').map(tagOf)
    expect(a).toMatch(/^[0-9a-z]{16}$/)
    expect([b, c === a, d]).toEqual([a, false, undefined])
    await on.queue.get(1)
    await on.queue.fail('a')
    expect(names('FAIL').map(tagOf)).toEqual([a])
    await on.queue.requeue(['a'])
    await on.queue.update([{ id: 'a', resources: null, limitKey: null }])
    expect(names('WAITING').map(tagOf)).toEqual([b, c, undefined, undefined])
    await on.queue.update([{ id: 'd', resources: { cpu: 2, gpu: 1 }, limitKey: 'x' }])
    expect(names('WAITING').map(tagOf)).toEqual([b, c, a, undefined])
    expect(await (await open(on)).lookup('d')).toMatchObject({ resources: { cpu: 2, gpu: 1 }, limitKey: 'x' })
  })

  test('whose first item was removed during the listing is read of another item', async () => {
    const on = await world()
    await on.queue.putMany(withKeys(3, 1))
    const other = await during(on, isRead, () => on.queue.remove(['i0', 'i1', 'i2'].slice(0, 2)))
    const { items } = await other.listSummaries('WAITING', { limit: 10 })
    expect(items.at(-1)).toMatchObject({ id: 'i2', limitKey: 'user-0' })
    for (const item of items) expect(item.limitKey).toBe('user-0')
  })

  test('an update whose next name is too long for the store changes nothing; each length is tried once', async () => {
    const on = await world()
    await on.queue.putMany([...itemsOf(2), { id: 'i'.repeat(80), body: 3 }])
    const endpoint = await on.server.addEndpoint()
    // A refusal is believed that comes twice.
    const other = await open({ ...on, runtime: new LeapingRuntime() }, {}, endpoint)
    const longest = Math.max(...on.server.keys().map((key) => key.split('/').at(-1)?.length ?? 0))
    const trials: string[] = []
    endpoint.onRequest = ({ operation, key }) => {
      if (operation !== 'PutObject') return undefined
      if (key.includes('/CHANGES/')) trials.push(key)
      return (key.split('/').at(-1)?.length ?? 0) > longest ? answerWith('KeyTooLongError') : undefined
    }
    const before = on.server.keys().filter((key) => !key.includes('/SELECTIONS/'))
    const change = { id: 'i'.repeat(80), limitKey: 'user' }
    await expect(other.update([change])).rejects.toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
    await expect(other.update([change])).rejects.toThrow(/Cannot update item .* unchanged/)
    expect(on.server.keys().filter((key) => !key.includes('/SELECTIONS/'))).toEqual(before)
    expect(new Set(trials).size).toBe(1)
    for (const id of ['i0', 'i1']) expect((await other.update([{ id, limitKey: 'user' }])).updated).toBe(1)
    expect(trials.filter((key) => !key.includes('iiii'))).toHaveLength(1)
    expect(on.server.keys().filter((key) => key.includes('/CHANGES/'))).toEqual([])
    expect((await other.get(9)).map(({ limitKey }) => limitKey)).toEqual(['user', 'user', undefined])
  })

  test('a sweep leaves what updates stored for others', async () => {
    const on = await world()
    await on.queue.putMany(itemsOf(2))
    await on.queue.update([{ id: 'i0', limitKey: 'x' }])
    await on.queue.remove(['i0'])
    await sweep(on.queue, { retentionMs: 0 })
    const other = await open(on)
    await other.update([{ id: 'i1', limitKey: 'x' }])
    expect(await other.lookup('i1')).toMatchObject({ limitKey: 'x' })
  })
})
