import type { Queue } from '@sluice/core'
import { check, same } from '../../../check.js'
import { idsOfEachLength } from '../../../odd-values.js'
import type { QueueCase, QueueHarness } from '../../queue-harness.js'
import { headsOf, idsOf, recordOf } from '../../queue-walk.js'

const BATCH = 512
/** One id in so many is looked up by itself: the others are seen by `get` and a listing. */
const LOOKED_UP = 31

/**
 * Q-PUT-1 over the lengths of ids: a store may break at any of them, where keys or names of files are made of
 * ids.
 */
export const lengthCases: readonly QueueCase[] = [
  {
    id: 'Q-PUT-1/k',
    title: 'an id of any length from 1 to 1,024 bytes is held: of letters',
    run: (harness) => goThrough(harness, idsOfEachLength.letters),
  },
  {
    id: 'Q-PUT-1/l',
    title: 'an id of any length from 1 to 1,024 bytes is held: of bytes that no URL has as they are',
    run: (harness) => goThrough(harness, idsOfEachLength.escaped),
  },
  {
    id: 'Q-PUT-1/m',
    title: 'an id of any length from 1 to 1,024 bytes is held: of all kinds of characters',
    run: (harness) => goThrough(harness, idsOfEachLength.mixed),
  },
]

/**
 * Each item is put, given out with its own body, and listed; some are settled and looked up by themselves.
 */
async function goThrough(harness: QueueHarness, ids: readonly string[]): Promise<void> {
  const queue = await harness.open()
  for (let start = 0; start < ids.length; start += BATCH) {
    const items = ids.slice(start, start + BATCH).map((id, index) => ({ id, body: start + index }))
    same(await queue.putMany(items), { added: items.length, skipped: [] }, 'putMany adds every id')
  }
  const given: string[] = []
  for (;;) {
    const items = await queue.get(BATCH)
    if (items.length === 0) break
    for (const { id, body } of items) {
      const put = typeof body === 'number' ? ids[body] : undefined
      same(id, put, 'get gives each body with the id under which it was put')
    }
    given.push(...idsOf(items))
  }
  sameIds(given, ids, 'get gives every id, once')
  sameIds(idsOf(await headsOf(queue, 'PROCESSING')), ids, 'listSummaries gives every id, once')
  await settleSome(queue, ids)
}

async function settleSome(queue: Queue, ids: readonly string[]): Promise<void> {
  const some = ids.filter((_, index) => index % LOOKED_UP === 0)
  const { refused } = await queue.settle(some.map((id) => ({ id, attempt: 1, stage: 'SUCCESS' })))
  same(refused, [], 'settle moves every id')
  for (const id of some) {
    const { stage, body } = await recordOf(queue, id)
    same([stage, body], ['SUCCESS', ids.indexOf(id)], `lookup of an id of ${Buffer.byteLength(id)} bytes`)
  }
}

/** The message has the lengths of the first ids that differ. */
function sameIds(found: readonly string[], put: readonly string[], what: string): void {
  const [got, wanted] = [new Set(found), new Set(put)]
  const differing = {
    missing: firstLengths(put.filter((id) => !got.has(id))),
    foreign: firstLengths(found.filter((id) => !wanted.has(id))),
  }
  same(differing, { missing: [], foreign: [] }, `${what} (in bytes of those that differ)`)
  check(found.length === got.size, what, found.length)
}

function firstLengths(ids: readonly string[]): number[] {
  return ids.slice(0, 10).map((id) => Buffer.byteLength(id))
}
