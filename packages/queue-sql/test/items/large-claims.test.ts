import type { NewItem, Queue } from '@sluice/core'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { ClaimSizes } from '../../src/postgres/claim-sizes.js'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { optionsSchema } from '../../src/sql-options.js'
import { wrapStatements } from '../support/crashing-dialect.js'
import { freshPrefix } from '../support/postgres-harness.js'

const LARGE = 1_000_000
/** What one call gives of bodies of 1 MB: not more than one statement. */
const MOST = 8

function items(prefix: string, count: number, bytes = LARGE): NewItem[] {
  return Array.from({ length: count }, (_, index) => {
    const id = `${prefix}-${String(index).padStart(3, '0')}`
    return { id, body: id.padEnd(bytes - 2, '.') }
  })
}

const idsOf = (some: readonly { readonly id: string }[]): string[] => some.map(({ id }) => id)

describe('claims of large bodies on PostgreSQL', () => {
  const opened: Queue[] = []
  let tablePrefix: string
  /** Of each object that was opened since, in turn. */
  let claims: number

  beforeEach(() => {
    tablePrefix = freshPrefix()
    claims = 0
  })
  afterEach(async () => {
    for (const queue of opened.splice(0)) await queue.close()
  })

  async function open(): Promise<Queue> {
    const settings = optionsSchema.parse({ name: 'large', url: inject('postgresUrl'), tablePrefix })
    const queue = await openSqlQueue(settings, {
      wrap: (dialect) =>
        wrapStatements(dialect, (query, execute) => {
          if (query.sql.includes('skip locked')) claims += 1
          return execute(query)
        }),
    })
    opened.push(queue)
    return queue
  }

  test('get(300) is cut by bytes, in order, and only an empty answer means that none is left', async () => {
    const queue = await open()
    const all = items('a', 30)
    await queue.putMany(all)
    const other = await open()
    const given: string[] = []
    for (let left = all.length; left > 0;) {
      const more = await other.get(300)
      expect(more.length).toBeGreaterThan(0)
      expect(more.length).toBeLessThanOrEqual(MOST)
      given.push(...idsOf(more))
      left -= more.length
    }
    expect(given).toEqual(idsOf(all))
    expect(await other.get(300)).toEqual([])
    expect(await other.sizes()).toEqual({ WAITING: 0, PROCESSING: 30, SUCCESS: 0, FAIL: 0 })
  })

  test('the same holds for a process whose items were all small until then, and no claim is lost', async () => {
    const queue = await open()
    await queue.putMany(items('small', 400, 20))
    expect(await queue.get(200)).toHaveLength(200)
    expect(await queue.get(200)).toHaveLength(200)
    await queue.putMany(items('a', 20))
    const given: string[] = []
    while (given.length < 20) {
      const more = await queue.get(300)
      expect(more.length).toBeGreaterThan(0)
      expect(more.length).toBeLessThanOrEqual(MOST)
      expect(more.every(({ attempt }) => attempt === 1)).toBe(true)
      given.push(...idsOf(more))
    }
    expect(given).toEqual(idsOf(items('a', 20)))
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 420, SUCCESS: 0, FAIL: 0 })
  })

  test('a few large items among many small ones are claimed whole', async () => {
    const queue = await open()
    const mixed = Array.from({ length: 10 }, (_, index) => [
      ...items(`s${index}`, 40, 20),
      ...items(`l${index}`, 2),
    ]).flat()
    await queue.putMany(mixed)
    const given: string[] = []
    while (given.length < mixed.length) {
      const more = await queue.get(1_000)
      expect(more.length).toBeGreaterThan(0)
      given.push(...idsOf(more))
    }
    expect(given).toEqual(idsOf(mixed))
  })

  test('callers who share a claim all get an item while there are items', async () => {
    const queue = await open()
    await queue.putMany(items('a', 30))
    const got = await Promise.all([20, 0, 20, 20, 20].map((count) => queue.get(count)))
    expect(got.map(({ length }) => length > 0)).toEqual([true, false, true, true, true])
    const ids = got.flatMap(idsOf)
    expect(new Set(ids).size).toBe(ids.length)
    expect(await queue.size('PROCESSING')).toBe(ids.length)
  })

  test('under a lease it is cut as well, and a lost lease claims nothing', async () => {
    const queue = await open()
    await queue.putMany(items('a', 12))
    const lease = await queue.lease('dispatcher', 'me', 60_000)
    if (lease === undefined) throw new Error('another holder has it')
    expect((await queue.get(300, { lease })).length).toBeLessThanOrEqual(MOST)
    await lease.release()
    await expect(queue.get(300, { lease })).rejects.toMatchObject({ code: 'SLUICE_LEASE_LOST' })
    expect((await queue.sizes()).WAITING).toBeGreaterThanOrEqual(4)
  })

  test('with a higher priority they come first, cut or not', async () => {
    const queue = await open()
    await queue.putMany(items('low', 5))
    await queue.putMany(items('high', 12).map((item) => ({ ...item, priority: 5 })))
    const first = await queue.get(300)
    const second = await queue.get(300)
    expect(idsOf([...first, ...second])).toEqual([
      ...idsOf(items('high', 12)),
      ...idsOf(items('low', 5)).slice(0, first.length + second.length - 12),
    ])
  })

  test('many priorities with a few large items each are cut as well', async () => {
    const queue = await open()
    const all = Array.from({ length: 10 }, (_, index) =>
      items(`p${index}`, 2).map((item) => ({ ...item, priority: 10 - index })),
    ).flat()
    await queue.putMany(all)
    const given: string[] = []
    while (given.length < all.length) {
      const more = await queue.get(300)
      expect(more.length).toBeGreaterThan(0)
      expect(more.length).toBeLessThanOrEqual(MOST)
      given.push(...idsOf(more))
    }
    expect(given).toEqual(idsOf(all))
  })

  test('small items take one statement per claim, except for the first claim of a process', async () => {
    const queue = await open()
    await queue.putMany(items('small', 1_200, 500))
    claims = 0
    expect(await queue.get(100)).toHaveLength(100)
    expect(claims).toBe(2)
    expect(await queue.get(100)).toHaveLength(100)
    expect(await queue.get(1_000)).toHaveLength(1_000)
    expect(claims).toBe(4)
  })
})

const rows = (count: number, bytes: number) =>
  Array.from({ length: count }, () => ({ body: '.'.repeat(bytes) }))

describe('the size limit of claims', () => {
  test('as many items as always fit until their sizes are known; any number of small ones', () => {
    const sizes = new ClaimSizes()
    expect(sizes.most).toBe(7)
    sizes.note(rows(7, 200))
    expect(sizes.most).toBeGreaterThan(1_000)
    sizes.note([])
    expect(sizes.most).toBeGreaterThan(1_000)
    sizes.note(rows(7, 1_048_576))
    expect(sizes.most).toBe(7)
  })

  test('bytes count, not characters', () => {
    const sizes = new ClaimSizes()
    sizes.note([{ body: '語'.repeat(349_525) }])
    expect(sizes.most).toBe(7)
  })

  test('after a failed claim the largest body counts for a while', () => {
    const sizes = new ClaimSizes()
    sizes.note(rows(100, 20))
    sizes.noteTooLarge()
    expect(sizes.most).toBe(7)
    sizes.note([...rows(6, 20), ...rows(1, 1_000_000)])
    expect(sizes.most).toBe(8)
    for (let claim = 0; claim < 64; claim++) sizes.note(rows(5, 20))
    sizes.note(rows(5, 20))
    expect(sizes.most).toBeGreaterThan(1_000)
  })
})
