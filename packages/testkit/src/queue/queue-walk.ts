import {
  STAGES,
  type ControlState,
  type DocumentVersion,
  type ItemSummary,
  type ItemRecord,
  type JsonValue,
  type Lease,
  type Queue,
  type Stage,
} from '@sluice/core'
import { at, check, same } from '../check.js'
import type { QueueHarness } from './queue-harness.js'

/** The ids of some items, in their order. */
export function idsOf(items: readonly { readonly id: string }[]): string[] {
  return items.map((item) => item.id)
}

/** `(id, attempt)` of some items, as text. */
export function jobsOf(items: readonly { readonly id: string; readonly attempt: number }[]): string[] {
  return items.map((item) => `${item.id}@${item.attempt}`)
}

/** Every record of a stage, page by page. */
export async function recordsOf(queue: Queue, stage: Stage, limit = 1_000): Promise<ItemRecord[]> {
  return pages((page) => queue.list(stage, page), limit)
}

/** Every head of a stage, page by page. */
export async function headsOf(queue: Queue, stage: Stage, limit = 1_000): Promise<ItemSummary[]> {
  return pages((page) => queue.listSummaries(stage, page), limit)
}

async function pages<T>(
  read: (page: { limit: number; cursor?: string }) => Promise<{ items: readonly T[]; cursor?: string }>,
  limit: number,
): Promise<T[]> {
  const items: T[] = []
  let cursor: string | undefined
  for (let count = 0; count < 10_000; count++) {
    const page = await read(cursor === undefined ? { limit } : { limit, cursor })
    check(page.items.length <= limit, `a page of limit ${limit} holds at most that many`, page.items.length)
    items.push(...page.items)
    cursor = page.cursor
    if (cursor === undefined) return items
  }
  throw new Error(`paging by ${limit} did not end within 10,000 pages: is the cursor going on?`)
}

/** The ids in each stage, sorted: the whole queue at a glance. */
export async function contentOf(queue: Queue): Promise<Record<Stage, string[]>> {
  const content: Record<Stage, string[]> = { WAITING: [], PROCESSING: [], SUCCESS: [], FAIL: [] }
  for (const stage of STAGES) content[stage] = idsOf(await recordsOf(queue, stage)).toSorted()
  return content
}

/** Throws unless nothing is in the queue. */
export async function checkEmpty(queue: Queue, what: string): Promise<void> {
  const nothing = { WAITING: [], PROCESSING: [], SUCCESS: [], FAIL: [] }
  same(await contentOf(queue), nothing, what)
}

/** Puts one item into a queue that has nothing to give out, and brings it to a stage. */
export async function bring(
  queue: Queue,
  id: string,
  stage: Stage,
  body: JsonValue = { of: id },
): Promise<void> {
  await queue.put(id, body)
  if (stage === 'WAITING') return
  same(jobsOf(await queue.get(1)), [`${id}@1`], `get(1) gives the one item that waits, ${id}, at attempt 1`)
  if (stage === 'SUCCESS') await queue.success(id, { attempt: 1, result: { of: id } })
  if (stage === 'FAIL') await queue.fail(id, { attempt: 1, reason: `of ${id}` })
}

/** The same for many at once, into a queue that has nothing to give out. */
export async function bringAll(queue: Queue, ids: readonly string[], stage: Stage): Promise<void> {
  await queue.putMany(ids.map((id) => ({ id, body: { of: id } })))
  if (stage === 'WAITING') return
  const given = new Set(jobsOf(await queue.get(ids.length)))
  check(
    ids.every((id) => given.has(`${id}@1`)),
    `get(${ids.length}) gives all that wait at attempt 1`,
    [...given],
  )
  if (stage === 'PROCESSING') return
  const { settled } = await queue.settle(ids.map((id) => ({ id, attempt: 1, stage })))
  same(settled, ids.length, `all are settled to ${stage}`)
}

/** One item in each stage, named after it: `in-WAITING` and so on. */
export async function oneInEach(queue: Queue): Promise<void> {
  for (const stage of ['PROCESSING', 'SUCCESS', 'FAIL', 'WAITING'] as const) {
    await bring(queue, `in-${stage}`, stage)
  }
}

/** The record of an item that must be there. */
export async function recordOf(queue: Queue, id: string): Promise<ItemRecord> {
  const record = await queue.lookup(id)
  if (record === undefined) throw new Error(`lookup(${JSON.stringify(id)}) gives undefined: the item is gone`)
  return record
}

/** Gets the one item that is to be given out now. */
export async function getOne(queue: Queue): Promise<Awaited<ReturnType<Queue['get']>>[number]> {
  return at(await queue.get(1), 0, 'get(1) gives the one item that waits')
}

/** Puts items one after the other, far enough apart for the queue to know which was first. */
export async function putInTurn(
  queue: Queue,
  harness: Pick<QueueHarness, 'passTime'>,
  items: readonly (readonly [id: string, priority?: number])[],
): Promise<void> {
  for (const [id, priority = 0] of items) {
    await queue.put(id, null, { priority })
    await apart(queue, harness)
  }
}

/** Lets as much time pass as the queue needs to tell an earlier item from a later one. */
export async function apart(queue: Queue, harness: Pick<QueueHarness, 'passTime'>): Promise<void> {
  const { orderPrecisionMs } = queue.supports
  if (orderPrecisionMs > 0) await harness.passTime(orderPrecisionMs + 1)
}

/** The given span and what the queue's order is unsure by. */
export function spanOf(queue: Queue, ms: number): number {
  return ms + queue.supports.orderPrecisionMs + 1
}

/** Writes a document that does not exist, and gives what it reads as then. */
export async function written(queue: Queue, name: string, value: JsonValue): Promise<DocumentVersion> {
  const document = queue.document(name)
  same(await document.write(value, { ifVersion: undefined }), true, `${JSON.stringify(name)} is written`)
  const found = await document.read()
  check(found !== undefined, `${JSON.stringify(name)} can be read once it is written`)
  if (found === undefined) throw new Error('unreachable')
  check(Number.isSafeInteger(found.version) && found.version >= 1, 'its version is 1 or more', found.version)
  return found
}

/** The lease `dispatch`, which must be free. */
export async function taken(queue: Queue, holder: string, ttlMs: number): Promise<Lease> {
  const lease = await queue.lease('dispatch', holder, ttlMs)
  check(lease !== undefined, `the lease is free, and ${holder} gets it`)
  if (lease === undefined) throw new Error('unreachable')
  return lease
}

/** The control state without the count of syncs, which may be 0 or absent where none was asked for. */
export async function settingsOf(queue: Queue): Promise<Omit<ControlState, 'syncs'>> {
  const { syncs: _, ...settings } = await queue.control.read()
  return settings
}
