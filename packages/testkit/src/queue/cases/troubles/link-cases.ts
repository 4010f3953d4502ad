import type { ItemRecord, QueueItem } from '@sluice/core'
import { check, same, sameMembers } from '../../../check.js'
import type { QueueCase } from '../../queue-harness.js'
import { idsOf, jobsOf, recordOf } from '../../queue-walk.js'
import { LARGE_BYTES, largeItems, largeOf, linkCase, type OnLink } from './link-run.js'

/** More than there are: a claim or a page may be cut by bytes. */
const MANY = 300

/** Q-END-1: large bodies over slow links. */
export const linkCases: readonly QueueCase[] = [
  ...linkCase('put', 'put and putMany of bodies of 1 MB succeed, and send them about once', putAll),
  ...linkCase('get', 'get gives items of 1 MB, each once, until none is left', getAll),
  ...linkCase('settle', 'settle with details of 1 MB succeeds, and sends them about once', settleAll),
  ...linkCase('read', 'peek, lookup and pages of list give bodies of 1 MB', readAll),
]

async function putAll(...[link, healthy]: Parameters<OnLink>): Promise<void> {
  const items = largeItems(link.count)
  const [first, ...rest] = items
  if (first === undefined) return
  await link.call('put', { items: 1, bytes: LARGE_BYTES }, (queue) => queue.put(first.id, first.body))
  const bytes = rest.length * LARGE_BYTES
  const told = await link.call('putMany', { items: rest.length, bytes }, (queue) => queue.putMany(rest))
  same(told, { added: rest.length, skipped: [] }, 'all are added')
  link.checkSentOnce('up', items.length * LARGE_BYTES, 0)
  same(await healthy.size('WAITING'), items.length, 'and are there')
  const last = rest.at(-1)?.id ?? ''
  check((await recordOf(healthy, last)).body === largeOf(last), 'each as it was put')
}

async function getAll(...[link, healthy]: Parameters<OnLink>): Promise<void> {
  const items = largeItems(link.count)
  await healthy.putMany(items)
  const before = link.passed('down')
  const size = { items: MANY, bytes: items.length * LARGE_BYTES }
  const given: QueueItem[] = []
  for (;;) {
    const more = await link.call(`get(${MANY})`, size, (queue) => queue.get(MANY))
    given.push(...more)
    // Only an empty claim says that there is none left.
    if (more.length === 0) break
    check(given.length <= items.length, 'no more than there are')
  }
  sameMembers(
    jobsOf(given),
    items.map(({ id }) => `${id}@1`),
    'each is given once',
  )
  check(
    given.every(({ id, body }) => body === largeOf(id)),
    'each has its body',
  )
  link.checkSentOnce('down', size.bytes, before)
  same(await healthy.size('PROCESSING'), items.length, 'and all that were given are PROCESSING')
}

async function settleAll(...[link, healthy]: Parameters<OnLink>): Promise<void> {
  const ids = idsOf(largeItems(Math.ceil(link.count / 2)))
  await healthy.putMany(ids.map((id) => ({ id, body: null })))
  await healthy.get(ids.length)
  const before = link.passed('up')
  const size = { items: ids.length, bytes: ids.length * LARGE_BYTES }
  const told = await link.call('settle', size, (queue) =>
    queue.settle(ids.map((id) => ({ id, attempt: 1, stage: 'SUCCESS', details: largeOf(id) }))),
  )
  same(told, { settled: ids.length, refused: [] }, 'all are settled')
  // A storage may keep them with the item and with its attempt.
  link.checkSentOnce('up', 2 * size.bytes, before)
  same(await healthy.size('SUCCESS'), ids.length, 'and are in SUCCESS')
  const last = ids.at(-1) ?? ''
  check((await recordOf(healthy, last)).details === largeOf(last), 'each has its details')
}

async function readAll(...[link, healthy]: Parameters<OnLink>): Promise<void> {
  const items = largeItems(Math.ceil(link.count / 2))
  await healthy.putMany(items)
  const all = { items: MANY, bytes: items.length * LARGE_BYTES }
  const first = await link.call('lookup', { items: 1, bytes: LARGE_BYTES }, (queue) => queue.lookup('i0'))
  check(first?.body === largeOf('i0'), 'lookup gives the body')
  const seen = await link.call('peek', all, (queue) => queue.peek(2))
  check(
    seen.length > 0 && seen.every(({ id, body }) => body === largeOf(id)),
    'peek gives bodies',
    idsOf(seen),
  )
  const listed: ItemRecord[] = []
  for (let cursor: string | undefined; ;) {
    const after = cursor === undefined ? {} : { cursor }
    const page = await link.call('list', all, (queue) => queue.list('WAITING', { limit: MANY, ...after }))
    listed.push(...page.items)
    cursor = page.cursor
    if (cursor === undefined || listed.length > items.length) break
  }
  sameMembers(idsOf(listed), idsOf(items), 'the pages have each item once')
  check(
    listed.every(({ id, body }) => body === largeOf(id)),
    'each with its body',
  )
}
