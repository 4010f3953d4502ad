import type { DropOutcome, DropQueueUse, Queue, StoredQueue } from '@sluice/core'
import { check, rejects, same } from '../check.js'

/** A store, and the functions of a queue's package that list and drop its queues. */
export interface DropHarness {
  open(name: string): Promise<Queue>
  list(): Promise<readonly StoredQueue[]>
  drop(name: string, use?: DropQueueUse): Promise<DropOutcome>
  /** Resolves once at least `ms` have passed by the storage's clock. */
  passTime(ms: number): Promise<void>
  /**
   * Drops a queue in a process that dies right before its storage operation of this number, counted from 0.
   *
   * @returns whether it died; `false` means that there were fewer operations. Absent where a drop is one
   * operation of this process
   */
  dropCrashing?(name: string, point: number): Promise<boolean>
}

/**
 * One check of a package's `dropQueue` and `listQueues`; it throws when they don't do as `QueuePackage` says.
 */
export interface DropCase {
  readonly title: string
  readonly run: (harness: DropHarness) => Promise<void>
}

const NAME = 'to drop'
const OTHER = 'to keep'
const HOLDER = 'holder of the test'
const LEASE = 'dispatcher'
const TTL_MS = 2_000

/**
 * What every package that exports `dropQueue` and `listQueues` promises; run each case on a fresh store.
 */
export const dropCases: readonly DropCase[] = [
  { title: 'a dropped queue is gone with all that belonged to it, and no other', run: dropsAll },
  { title: 'a queue that is not there is absent, and none is made', run: absent },
  { title: 'a queue whose lease is held is left as it is', run: refusesHeld },
  { title: 'a lease that has run out is no reason to refuse', run: ignoresOldLeases },
  { title: 'a queue with items in PROCESSING is dropped only when that is asked for', run: refusesRunning },
  { title: 'an object that has the queue open acknowledges nothing any more', run: refusesOldObjects },
  { title: 'a queue of the same name that is made afterwards is a new one', run: startsAfresh },
  { title: 'one that is stopped is no queue any more, and ends when it is called again', run: stops },
  { title: 'a process that dies at any point leaves the whole queue, or none that can be opened', run: dies },
]

/** Every kind of thing that a queue keeps. */
async function filled(harness: DropHarness, name: string): Promise<Queue> {
  const queue = await harness.open(name)
  const ids = Array.from({ length: 40 }, (_, index) => `item-${index}`)
  await queue.putMany(ids.map((id) => ({ id, body: { id } })))
  await queue.get(30)
  await queue.settle([
    ...ids.slice(0, 8).map((id) => ({ id, attempt: 1, stage: 'SUCCESS' as const, result: 1 })),
    ...ids.slice(8, 16).map((id) => ({ id, attempt: 1, stage: 'FAIL' as const, reason: 'no' })),
    ...ids.slice(16, 30).map((id) => ({ id, attempt: 1, stage: 'WAITING' as const, reason: 'again' })),
  ])
  await queue.requeue(ids.slice(8, 10))
  await queue.remove(ids.slice(0, 2))
  await queue.document('notes').write({ a: 1 }, { ifVersion: undefined })
  await queue.document('gone').write({ a: 1 }, { ifVersion: undefined })
  await queue.document('gone').remove()
  await queue.control.setLimits({ maxProcessing: 3 })
  await queue.control.pause('for a while')
  await (await queue.lease('other', HOLDER, TTL_MS))?.release()
  return queue
}

const SIZES = { WAITING: 26, PROCESSING: 0, SUCCESS: 6, FAIL: 6 }

async function assertWhole(queue: Queue): Promise<void> {
  same(await queue.sizes(), SIZES, 'a queue that was not dropped keeps its items')
  same((await queue.document('notes').read())?.value, { a: 1 }, 'it keeps its documents')
  same((await queue.control.read()).paused, true, 'it keeps its control state')
}

async function assertFresh(queue: Queue): Promise<void> {
  same(await queue.sizes(), { WAITING: 0, PROCESSING: 0, SUCCESS: 0, FAIL: 0 }, 'a new queue has no items')
  same(await queue.lookup('item-20'), undefined, 'a new queue knows no item of the dropped one')
  same(await queue.documents(), [], 'a new queue has no documents')
  const { paused, limits } = await queue.control.read()
  same({ paused, limits }, { paused: false, limits: {} }, 'a new queue is neither paused nor limited')
  const added = await queue.putMany([
    { id: 'item-0', body: 1 },
    { id: 'item-20', body: 1 },
  ])
  same(added, { added: 2, skipped: [] }, 'ids of the dropped queue are free, removed ones too')
  const claimed = await queue.get(10)
  same(
    claimed.map(({ id, attempt }) => [id, attempt]),
    [
      ['item-0', 1],
      ['item-20', 1],
    ],
    'attempts begin at 1',
  )
}

async function named(harness: DropHarness, name: string): Promise<StoredQueue | undefined> {
  return (await harness.list()).find((one) => one.name === name)
}

async function dropsAll(harness: DropHarness): Promise<void> {
  const queue = await filled(harness, NAME)
  const other = await filled(harness, OTHER)
  same(
    (await harness.list()).map(({ name, state, leases }) => ({ name, state, leases })),
    [NAME, OTHER].toSorted().map((name) => ({ name, state: 'ready', leases: [] })),
    'both are listed, by name',
  )
  const told: number[] = []
  const outcome = await harness.drop(NAME, { onProgress: ({ removed }) => void told.push(removed) })
  same(outcome.is, 'dropped', 'it is dropped')
  if (outcome.is !== 'dropped') return
  check(outcome.removed > 0, 'it says how much was removed', outcome)
  same(told.at(-1), outcome.removed, 'the last progress is the whole')
  same(
    (await harness.list()).map(({ name }) => name),
    [OTHER],
    'it is not listed any more',
  )
  await assertWhole(other)
  same(await harness.drop(NAME), { is: 'absent' }, 'dropped again, there is none')
  await queue.close()
}

async function absent(harness: DropHarness): Promise<void> {
  same(await harness.list(), [], 'an empty store has no queues')
  same(await harness.drop(NAME), { is: 'absent' }, 'there is none')
  await filled(harness, OTHER)
  same(await harness.drop(NAME), { is: 'absent' }, 'nor beside another')
  same(
    (await harness.list()).map(({ name }) => name),
    [OTHER],
    'none was made',
  )
}

async function refusesHeld(harness: DropHarness): Promise<void> {
  const queue = await filled(harness, NAME)
  const lease = await queue.lease(LEASE, HOLDER, 600_000)
  const outcome = await harness.drop(NAME, { withRunning: true })
  same(outcome.is, 'held', 'it is refused')
  const [held] = outcome.is === 'held' ? outcome.leases : []
  same({ name: held?.name, holder: held?.holder }, { name: LEASE, holder: HOLDER }, 'it says who holds it')
  const leftMs = held?.leftMs ?? 0
  check(leftMs > 540_000 && leftMs < 660_000, 'it says until when', leftMs)
  same(
    (await named(harness, NAME))?.leases.map(({ holder }) => holder),
    [HOLDER],
    'the list says so, too',
  )
  await assertWhole(queue)
  same(await lease?.renew(), true, 'the holder goes on')
  await lease?.release()
  same((await harness.drop(NAME)).is, 'dropped', 'once it is released it can be dropped')
}

async function ignoresOldLeases(harness: DropHarness): Promise<void> {
  const queue = await filled(harness, NAME)
  await queue.lease(LEASE, HOLDER, TTL_MS)
  // The clock of a store may be known to seconds only.
  await harness.passTime(3 * TTL_MS)
  same((await harness.drop(NAME)).is, 'dropped', 'the lease of a process that was killed is over')
}

async function refusesRunning(harness: DropHarness): Promise<void> {
  const queue = await filled(harness, NAME)
  await queue.get(2)
  same(await harness.drop(NAME), { is: 'running', processing: 2 }, 'it is refused, with their number')
  same((await queue.sizes()).PROCESSING, 2, 'nothing was changed')
  same((await harness.drop(NAME, { withRunning: true })).is, 'dropped', 'it is dropped all the same')
  same(await harness.list(), [], 'and is gone')
}

async function refusesOldObjects(harness: DropHarness): Promise<void> {
  const queue = await filled(harness, NAME)
  const [claimed] = await queue.get(1)
  const lease = await queue.lease(LEASE, HOLDER, TTL_MS)
  await harness.passTime(3 * TTL_MS)
  same((await harness.drop(NAME, { withRunning: true })).is, 'dropped', 'it is dropped')
  const calls: Record<string, () => Promise<unknown>> = {
    put: () => queue.put('late', 1),
    putMany: () => queue.putMany([{ id: 'late-1', body: 1 }]),
    get: () => queue.get(1),
    success: () => queue.success(claimed?.id ?? ''),
    lease: () => queue.lease(LEASE, 'another holder', TTL_MS),
    'document.write': () => queue.document('late').write(1, { ifVersion: undefined }),
    'control.pause': () => queue.control.pause(),
    'control.setLimits': () => queue.control.setLimits({ maxProcessing: 1 }),
    'control.sync': () => queue.control.sync(),
  }
  for (const [name, call] of Object.entries(calls)) {
    if (name === 'get' || name === 'success') await acknowledgesNothing(name, call)
    else await rejects(call(), 'SLUICE_QUEUE_CORRUPT', `${name} on a dropped queue`)
  }
  // Whether it says so by an error or by an answer.
  const renewed = await lease?.renew().catch(() => false)
  same(renewed, false, 'a lease of a dropped queue is lost')
  same(await harness.list(), [], 'no late call brought anything back')
  await assertFresh(await harness.open(NAME))
}

/** What finds nothing to move may say so. */
async function acknowledgesNothing(name: string, call: () => Promise<unknown>): Promise<void> {
  // An error with the reason is accepted too.
  const end: unknown = await call().catch(() => [])
  same(end, [], `${name} gives nothing of a dropped queue`)
}

async function startsAfresh(harness: DropHarness): Promise<void> {
  await filled(harness, NAME)
  await harness.drop(NAME)
  const fresh = await harness.open(NAME)
  await assertFresh(fresh)
  const lease = await fresh.lease(LEASE, HOLDER, TTL_MS)
  same(lease?.fencingToken, 1, 'its fencing tokens begin at 1')
}

async function stops(harness: DropHarness): Promise<void> {
  const other = await filled(harness, OTHER)
  await filled(harness, NAME)
  const stopped = await harness.drop(NAME, { signal: AbortSignal.abort() })
  if (stopped.is === 'dropped') return
  same(stopped.is, 'stopped', 'it says that it was stopped')
  await endsAgain(harness)
  await assertWhole(other)
}

async function dies(harness: DropHarness): Promise<void> {
  if (harness.dropCrashing === undefined) return
  const other = await filled(harness, OTHER)
  for (let point = 0; ; point++) {
    await (await fewItems(harness)).close()
    const died = await harness.dropCrashing(NAME, point)
    const found = await named(harness, NAME)
    if (found?.state === 'ready') await assertFew(harness)
    await endsAgain(harness)
    if (!died) break
  }
  await assertWhole(other)
}

/** Something in each place, and no more: there are many points at which a process can die. */
async function fewItems(harness: DropHarness): Promise<Queue> {
  const queue = await harness.open(NAME)
  await queue.putMany(['a', 'b', 'c', 'd'].map((id) => ({ id, body: 1 })))
  await queue.get(3)
  await queue.settle([
    { id: 'a', attempt: 1, stage: 'SUCCESS' },
    { id: 'b', attempt: 1, stage: 'FAIL' },
    { id: 'c', attempt: 1, stage: 'WAITING' },
  ])
  await queue.document('notes').write({ a: 1 }, { ifVersion: undefined })
  return queue
}

async function assertFew(harness: DropHarness): Promise<void> {
  const queue = await harness.open(NAME)
  same(await queue.sizes(), { WAITING: 2, PROCESSING: 0, SUCCESS: 1, FAIL: 1 }, 'a queue that opens is whole')
  same((await queue.document('notes').read())?.value, { a: 1 }, 'and has its documents')
  await queue.close()
}

/** Whatever is left of a drop, the same call ends it, and a new queue has nothing of the old one. */
async function endsAgain(harness: DropHarness): Promise<void> {
  const outcome = await harness.drop(NAME)
  check(['dropped', 'absent'].includes(outcome.is), 'called again, it ends', outcome)
  same(await named(harness, NAME), undefined, 'it is not listed any more')
  await assertFresh(await harness.open(NAME))
  same((await harness.drop(NAME, { withRunning: true })).is, 'dropped', 'the new queue can be dropped')
}
