import type { Queue } from '@sluice/core'
import { startS3Server, type S3Server } from '@sluice/fake-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { optionsOn, sweep } from '../s3-harness.js'

const ROOT = 'queues/contract/'
const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function serverOf(): Promise<S3Server> {
  const server = await startS3Server()
  opened.push(server)
  return server
}

async function queueOn(server: S3Server, options: object = {}): Promise<Queue> {
  const queue = await openQueue({ ...optionsOn(server), ...options })
  opened.push(queue)
  return queue
}

async function listed(queue: Queue): Promise<string[]> {
  const all: string[] = []
  for (const stage of ['WAITING', 'PROCESSING', 'SUCCESS', 'FAIL'] as const) {
    const { items } = await queue.list(stage, { limit: 100 })
    const summaries = await queue.listSummaries(stage, { limit: 100 })
    expect(summaries.items.map(({ id }) => id)).toEqual(items.map(({ id }) => id))
    expect(await queue.size(stage)).toBe(items.length)
    all.push(...items.map(({ id }) => `${id} ${stage}`))
  }
  return all
}

describe('a PUT under WAITING that comes late, when the item', () => {
  const ways: readonly (readonly [string, (queue: Queue) => Promise<unknown>, string[]])[] = [
    ['has succeeded', (queue) => queue.success('a'), ['a SUCCESS']],
    ['has failed', (queue) => queue.fail('a'), ['a FAIL']],
    ['was released and waits again', (queue) => queue.release('a'), ['a WAITING']],
    [
      'was removed',
      async (queue) => {
        await queue.success('a')
        await queue.remove(['a'])
      },
      [],
    ],
    [
      'was requeued and runs again',
      async (queue) => {
        await queue.fail('a')
        await queue.requeue(['a'], { priority: 5 })
        await queue.get(1)
      },
      ['a PROCESSING'],
    ],
  ]

  test.each(ways)('%s, counts nothing twice, and is no item', async (_, work, expected) => {
    const server = await serverOf()
    const queue = await queueOn(server)
    await queue.put('a', 1)
    await queue.put('z', 1)
    const key = server.keys().find((one) => one.startsWith(`${ROOT}WAITING/`) && one.endsWith('.a')) ?? ''
    const text = server.textOf(key) ?? ''
    await queue.get(1)
    await work(queue)
    server.seed([[key, text]])
    const other = await queueOn(server)
    const all = [...expected, 'z WAITING'].toSorted()
    expect((await listed(other)).toSorted()).toEqual(all)
    const before = (await other.lookup('a'))?.attempt ?? 0
    const given = await other.get(5)
    expect(given.map(({ id }) => id).toSorted()).toEqual(expected[0] === 'a WAITING' ? ['a', 'z'] : ['z'])
    expect((await other.lookup('a'))?.attempt ?? 0).toBeGreaterThanOrEqual(before)
    await sweep(other)
    expect(server.textOf(key)).toBeUndefined()
  })

  test('is recognized among thousands that have ended, for a few requests', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    await queue.putMany(Array.from({ length: 60 }, (_, index) => ({ id: `i${index}`, body: index })))
    const late = server
      .keys()
      .filter((one) => one.startsWith(`${ROOT}WAITING/`))
      .slice(0, 20)
    const texts = late.map((key) => [key, server.textOf(key) ?? ''] as const)
    const items = await queue.get(40)
    await queue.settle(items.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })))
    server.seed(texts)
    server.resetCounts()
    expect(await queue.sizes()).toEqual({ WAITING: 20, PROCESSING: 0, SUCCESS: 40, FAIL: 0 })
    expect(server.counts().ListObjectsV2).toBeLessThanOrEqual(12)
  })
})

describe('empty objects that mark a folder, as consoles and tools make them', () => {
  test('change nothing, wherever a queue lists', async () => {
    const server = await serverOf()
    const folders = [
      '',
      'CONTROL/',
      'LEASES/',
      'LEASES/dispatcher/',
      'WAITING/',
      'WAITING/00/',
      'PROCESSING/',
      'PROCESSING/00/',
      'SUCCESS/',
      'SUCCESS/00/',
      'FAIL/',
      'FAIL/00/',
      'LEFT/',
      'LEFT/00/',
      'ITEMS/',
      'ITEMS/a/',
      'ATTEMPTS/',
      'ATTEMPTS/a/',
      'DOCUMENTS/',
      'DOCUMENTS/d/',
      'DOCUMENTS/d/999999999998/',
      'CONTROL/999999999998/',
      'LEASES/dispatcher/999999999998/',
      'PROBE/',
      'QUEUE/',
      'CONTROL/new/',
      'WAITING/00/new folder/',
      'WAITING_$folder$',
      'CONTROL/_$folder$',
      'LEASES/dispatcher_$folder$',
      'DOCUMENTS/d_$folder$',
      'ITEMS/_$folder$',
      'ITEMS/a_$folder$',
      'WAITING/00_$folder$',
      'SUCCESS/00_$folder$',
      '.keep',
      'CONTROL/.keep',
      'DOCUMENTS/d/.keep',
      'LEASES/dispatcher/.keep',
      'ITEMS/.keep',
    ]
    server.seed(folders.map((folder) => [ROOT + folder, '']))
    const queue = await queueOn(server, { probe: 'thorough' })
    await queue.control.pause('why')
    const lease = await queue.lease('dispatcher', 'me', 15_000)
    await queue.document('d').write(1, { ifVersion: undefined })
    server.seed(folders.map((folder) => [ROOT + folder, '']))
    const other = await queueOn(server, { probe: 'quick' })
    expect(await other.control.read()).toMatchObject({ paused: true, reason: 'why' })
    expect(await other.lease('dispatcher', 'you', 15_000)).toBeUndefined()
    expect(await lease?.renew()).toBe(true)
    await lease?.release()
    expect(await other.lease('dispatcher', 'you', 15_000)).toMatchObject({ fencingToken: 2 })
    expect(await other.documents()).toEqual(['d'])
    expect(await other.documents('d')).toEqual(['d'])
    expect(await other.document('d').read()).toMatchObject({ value: 1 })
    expect(await listed(other)).toEqual([])
    await other.put('a', 1)
    expect(await other.peek(5)).toHaveLength(1)
    expect(await other.get(5)).toHaveLength(1)
    await sweep(other, { retentionMs: 0 })
    expect(await listed(other)).toEqual(['a PROCESSING'])
    for (const folder of folders) expect(server.textOf(ROOT + folder)).toBe('')
  })
})
