import type { NewItem, Queue } from '@sluice/core'
import type { SlowLink } from '@sluice/testkit/link'
import { startS3Server } from '@sluice/fake-s3'
import { afterAll, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { linkedOn, optionsOn } from '../s3-harness.js'

const opened: { close(): Promise<void> }[] = []

// They wait for bytes on links of their own, most of the time: all at once.
afterAll(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function queueOver(
  bytesPerSecond: number,
  more: { timeoutMs?: number } = {},
): Promise<{ link: SlowLink; queue: Queue }> {
  const server = await startS3Server()
  opened.push(server)
  const { link, options } = await linkedOn(server, { bytesPerSecond })
  opened.push(link)
  const queue = await openQueue({ ...options, ...more })
  opened.push(queue)
  return { link, queue }
}

function items(count: number, bytes: number): NewItem[] {
  return Array.from({ length: count }, (_, index) => {
    const id = `item-${String(index).padStart(2, '0')}`
    return { id, body: id.padEnd(bytes, '.') }
  })
}

const idsOf = (some: readonly { readonly id: string }[]): string[] => some.map(({ id }) => id)

test.concurrent('putMany of 48 bodies of 1 MB over a link of 5 MB/s stores all, and sends them once', async () => {
  const { link, queue } = await queueOver(5_000_000)
  expect((await queue.putMany(items(48, 1_000_000))).added).toBe(48)
  expect(link.bytes.up).toBeLessThan(48_000_000 * 1.05)
})

test.concurrent('bodies that would all be late together go in turn, out and back', async () => {
  // Each has five seconds, and all of them at once take eight.
  const { link, queue } = await queueOver(800_000, { timeoutMs: 1_000 })
  const bodies = items(24, 262_144)
  expect((await queue.putMany(bodies)).added).toBe(24)
  expect(link.bytes.up).toBeLessThan(24 * 262_144 * 1.1)
  const before = link.bytes.down
  expect(idsOf(await queue.get(100)).toSorted()).toEqual(idsOf(bodies))
  expect(link.bytes.down - before).toBeLessThan(24 * 262_144 * 1.1)
})

test.concurrent('a small call does not wait for the large ones that wait for their turn', async () => {
  const { queue } = await queueOver(1_000_000)
  const ends: string[] = []
  const noted = async (what: string, call: Promise<unknown>): Promise<void> => {
    await call
    ends.push(what)
  }
  const putting = noted('putMany', queue.putMany(items(6, 1_000_000)))
  const lease = await queue.lease('dispatcher', 'me', 60_000)
  await noted('renew', lease?.renew() ?? Promise.reject(new Error('it is held')))
  await noted('control', queue.control.read())
  await putting
  expect(ends).toEqual(['renew', 'control', 'putMany'])
})

test.concurrent('claims, peeks and pages of many large bodies are cut, and miss none', async () => {
  const server = await startS3Server()
  opened.push(server)
  const queue = await openQueue({ ...optionsOn(server), concurrency: 4 })
  opened.push(queue)
  const bodies = items(60, 1_000_000)
  await queue.putMany(bodies)
  const listed: string[] = []
  for (let cursor: string | undefined; ;) {
    const page = await queue.list('WAITING', { limit: 1_000, ...(cursor === undefined ? {} : { cursor }) })
    expect(page.items.length).toBeLessThanOrEqual(40)
    listed.push(...idsOf(page.items))
    cursor = page.cursor
    if (cursor === undefined) break
  }
  expect(listed.toSorted()).toEqual(idsOf(bodies))
  expect((await queue.peek(1_000)).length).toBeLessThanOrEqual(40)
  const [first, second] = await Promise.all([queue.get(1_000), queue.get(1_000)])
  expect([first.length > 0, second.length > 0]).toEqual([true, true])
  const given = [...first, ...second]
  for (let more = await queue.get(1_000); more.length > 0; more = await queue.get(1_000)) given.push(...more)
  expect(idsOf(given).toSorted()).toEqual(idsOf(bodies))
  expect(given.every(({ attempt }) => attempt === 1)).toBe(true)
})
