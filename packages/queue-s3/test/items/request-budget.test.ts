import type { Queue } from '@sluice/core'
import { ManualRuntime } from '@sluice/testkit'
import { startS3Server, type S3Operation, type S3Server } from '@sluice/fake-s3'
import { randomUUID } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import { Layout } from '../../src/format/layout.js'
import { entryText, stateText } from '../../src/format/object-texts.js'
import { attemptKeyText, type AttemptKey } from '../../src/format/attempt-key.js'
import { openQueue } from '../../src/index.js'
import { optionsOn } from '../s3-harness.js'

const layout = new Layout('queues', 'contract')
const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function openOn(count: number): Promise<{ server: S3Server; queue: Queue }> {
  const server = await startS3Server()
  opened.push(server)
  server.seed(seeds(count))
  // No time passes: every two seconds in which something is created cost a GET more.
  const queue = await openQueue({ ...optionsOn(server), runtime: new ManualRuntime() })
  opened.push(queue)
  server.resetCounts()
  return { server, queue }
}

/** Items as a program in another language would put them: by the format, without metadata. */
function* seeds(count: number): Generator<readonly [key: string, text: string]> {
  const start = Date.now() - 3_600_000
  for (let index = 0; index < count; index++) {
    const uid = randomUUID()
    const key = `seed-${index}`
    const availableAt = start + Math.floor((index * 3_000_000) / count)
    const attemptKey = attemptAt(availableAt, { turn: index, uid, key })
    const first = attemptKeyText(attemptKey)
    yield [
      layout.index(attemptKey),
      entryText({ id: key, uid, first, priority: 0, putAt: availableAt }, `${index}`),
    ]
    yield [layout.at('WAITING', first), stateText(key, attemptKey, { history: [] })]
  }
}

/** Objects of items in PROCESSING, and between each two of them many in SUCCESS. */
function* finishedAmongRunning(count: number, between: number): Generator<readonly [string, string]> {
  const start = Date.now() - 3_600_000
  for (let index = 0; index < count * between; index++) {
    const key = `seed-${index}`
    const attemptKey = attemptAt(start + index, { turn: index, uid: randomUUID(), key })
    const folder = index % between === 0 ? 'PROCESSING' : 'SUCCESS'
    yield [layout.at(folder, attemptKeyText(attemptKey)), stateText(key, attemptKey, { history: [] })]
  }
}

/** Items of a high priority that can't be claimed for an hour. */
function* notDue(count: number): Generator<readonly [string, string]> {
  for (let index = 0; index < count; index++) {
    const key = `later-${index}`
    const made = attemptAt(Date.now() + 3_600_000 + index, { turn: index, uid: randomUUID(), key })
    const attemptKey = { ...made, priority: 9, delayed: true }
    yield [layout.at('WAITING', attemptKeyText(attemptKey)), stateText(key, attemptKey, { history: [] })]
  }
}

function attemptAt(
  availableAt: number,
  { turn, uid, key }: { turn: number; uid: string; key: string },
): AttemptKey {
  const fixed = {
    shard: '00',
    priority: 0,
    delayed: false,
    attempt: 1,
    updates: 0,
    uncounted: 0,
    hasRetryState: false,
    additions: '',
    generation: 1,
  }
  return { ...fixed, availableAt, turn, uid, key }
}

async function requests(
  server: S3Server,
  work: () => Promise<unknown>,
): Promise<Partial<Record<S3Operation, number>>> {
  server.resetCounts()
  await work()
  return Object.fromEntries(Object.entries(server.counts()).filter(([, count]) => count > 0))
}

test('an item costs 4 PUT, 1 GET and 1 HEAD from put to success, and a hundredth of each LIST and DELETE', async () => {
  const { server, queue } = await openOn(0)
  const used = await requests(server, async () => {
    await queue.putMany(Array.from({ length: 300 }, (_, index) => ({ id: `i${index}`, body: { index } })))
    for (let batch = 0; batch < 3; batch++) {
      const items = await queue.get(100)
      expect(items).toHaveLength(100)
      const report = await queue.settle(
        items.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' as const })),
      )
      expect(report.settled).toBe(100)
    }
  })
  expect(used.PutObject).toBe(1_200)
  expect(used.GetObject).toBe(300)
  expect(used.HeadObject).toBe(300)
  expect(used.ListObjectsV2).toBeLessThanOrEqual(15)
  expect(used.DeleteObjects).toBeLessThanOrEqual(15)
  expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 300, FAIL: 0 })
}, 120_000)

test('get(100) costs the same on a backlog of 100,000 as on one of 1,000; size of 100,000 is 110 LISTs at most', async () => {
  const [small, large] = [await openOn(1_000), await openOn(100_000)]
  const onSmall = await requests(small.server, () => small.queue.get(100))
  const onLarge = await requests(large.server, () => large.queue.get(100))
  expect(onLarge).toEqual(onSmall)
  expect(onLarge).toEqual({
    PutObject: 100,
    GetObject: 100,
    HeadObject: 100,
    ListObjectsV2: 1,
    DeleteObjects: 1,
  })
  large.server.main.latencyMs = 5
  const counting = await requests(large.server, async () => {
    expect(await large.queue.size('WAITING')).toBe(99_900)
  })
  expect(counting.ListObjectsV2).toBeLessThanOrEqual(110)
  expect(large.server.main.maxInFlight).toBeGreaterThan(4)
}, 120_000)

test('with 500 in PROCESSING, listSummaries costs 3 LISTs at most, and one LIST when nothing changed', async () => {
  const { server, queue } = await openOn(500)
  await queue.get(500)
  const other = await openQueue(optionsOn(server))
  opened.push(other)
  const cold = await requests(server, () => other.listSummaries('PROCESSING', { limit: 10_000 }))
  expect(Object.keys(cold)).toEqual(['ListObjectsV2'])
  expect(cold.ListObjectsV2).toBeLessThanOrEqual(3)
  const warm = await requests(server, async () => {
    const { items } = await other.listSummaries('PROCESSING', { limit: 10_000 })
    expect(items).toHaveLength(500)
    expect(items[0]).toMatchObject({ stage: 'PROCESSING', attempt: 1, uncounted: 0, priority: 0 })
  })
  expect(warm).toEqual({ ListObjectsV2: 1 })
}, 120_000)

test('among 20,000 finished ones, what is in PROCESSING costs 3 LISTs at most at a tick, however long it stays there', async () => {
  const { server } = await openOn(0)
  server.seed(finishedAmongRunning(500, 40))
  const runtime = new ManualRuntime()
  const queue = await openQueue({ ...optionsOn(server), runtime })
  opened.push(queue)
  const tick = () => queue.listSummaries('PROCESSING', { limit: 10_000 })
  expect((await tick()).items).toHaveLength(500)
  expect(await requests(server, tick)).toEqual({ ListObjectsV2: 1 })
  for (let minute = 0; minute < 3; minute++) {
    await runtime.advance(60_000)
    const used = await requests(server, tick)
    expect(used.ListObjectsV2).toBe(2)
    expect(used.HeadObject ?? 0).toBeLessThanOrEqual(12)
  }
}, 120_000)

test('any number of items that are not due cost a page, not a walk', async () => {
  const { server, queue } = await openOn(0)
  server.seed(notDue(20_000))
  await queue.put('now', 1)
  const used = await requests(server, async () => {
    expect((await queue.get(10)).map(({ id }) => id)).toEqual(['now'])
  })
  expect(used.ListObjectsV2).toBeLessThanOrEqual(4)
}, 120_000)
