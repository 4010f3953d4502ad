import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NewItem, Queue } from '@sluice/core'
import pg from 'pg'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { withPlanning } from '../../src/postgres/connection/pool.js'
import { postgresStatements } from '../../src/postgres/statements/statements.js'
import { agesIndex } from '../../src/schema/steps.js'
import { tableNames } from '../../src/schema/tables.js'
import { genericPlan } from '../support/generic-plan.js'
import { freshPrefix } from '../support/postgres-harness.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const places: Record<string, () => string> = {
  PostgreSQL: () => inject('postgresUrl'),
  SQLite: () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-expiry-'))
    closing.push(() => rmSync(folder, { recursive: true, force: true }))
    return `sqlite:${join(folder, 'queue.db')}`
  },
}

async function open(place: { url: string; tablePrefix: string }, name = 'expiry'): Promise<Queue> {
  const queue = await openQueue({ name, ...place })
  closing.push(() => queue.close())
  return queue
}

async function removedByAge(queue: Queue): Promise<number> {
  const report = await queue.sweep?.({ retentionMs: 0 })
  return report?.removed ?? 0
}

describe.each(Object.entries(places))('removal by age: %s', (_, urlOf) => {
  const place = () => ({ url: urlOf(), tablePrefix: freshPrefix() })

  test('removes several batches of both stages with their history; other queues keep theirs', async () => {
    const at = place()
    const [queue, other] = [await open(at), await open(at, 'other')]
    for (const each of [queue, other]) await finish(each, 2_300)
    await queue.put('waits', 1)
    await agedBy(queue, 1)
    expect(await removedByAge(queue)).toBe(2_300)
    expect(await queue.sizes()).toEqual({ WAITING: 1, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
    expect(await queue.list('FAIL', { limit: 10 })).toEqual({ items: [] })
    expect(await queue.lookup('item-7')).toBeUndefined()
    expect(await other.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 2_200, FAIL: 100 })
  })

  test('sweeps of two objects at once remove each item once, and count it once', async () => {
    const at = place()
    const [queue, other] = [await open(at), await open(at)]
    await finish(queue, 1_500)
    await agedBy(queue, 1)
    const [ours, theirs] = await Promise.all([removedByAge(queue), removedByAge(other)])
    expect(ours + theirs + (await removedByAge(queue))).toBe(1_500)
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
  })

  test('an item requeued meanwhile is either gone or waits, whole', async () => {
    const queue = await open(place())
    await finish(queue, 400)
    await agedBy(queue, 1)
    const failed = (await queue.list('FAIL', { limit: 100 })).items.map(({ id }) => id)
    const [{ moved }] = await Promise.all([queue.requeue(failed), removedByAge(queue)])
    await removedByAge(queue)
    expect(await queue.sizes()).toEqual({ WAITING: moved, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
    expect(await queue.get(500)).toHaveLength(moved)
  })
})

test('PostgreSQL finds old items by the index of ages', async () => {
  const url = inject('postgresUrl')
  const tablePrefix = freshPrefix()
  const queue = await openQueue({ name: 'plans', url, tablePrefix })
  closing.push(() => queue.close())
  await removedByAge(queue)
  const client = new pg.Client({ connectionString: withPlanning(url) })
  await client.connect()
  closing.push(() => client.end())
  const names = tableNames(tablePrefix)
  const nodes = await genericPlan(client, postgresStatements(names).expire)
  expect(nodes.map((node) => node['Index Name'])).toContain(agesIndex(names).name)
})

/** Of every 23 items one fails, and has been released once before. */
async function finish(queue: Queue, count: number): Promise<void> {
  const items = Array.from({ length: count }, (_, index): NewItem => ({ id: `item-${index}`, body: index }))
  await queue.putMany(items)
  const first = await queue.get(count)
  const failing = first.filter((_, index) => index % 23 === 0)
  await queue.settle(failing.map(({ id, attempt }) => ({ id, attempt, stage: 'WAITING' })))
  const again = await queue.get(count)
  await queue.settle([
    ...again.map(({ id, attempt }) => ({ id, attempt, stage: 'FAIL' as const })),
    ...first
      .filter((item) => !failing.includes(item))
      .map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' as const })),
  ])
}

/** Waits until the storage's clock has gone on. */
async function agedBy(queue: Queue, ms: number): Promise<void> {
  const start = await queue.now()
  await expect.poll(() => queue.now(), { interval: 1 }).toBeGreaterThan(start + ms)
}
