import type { Queue } from '@sluice/core'
import { startS3Server, type S3Operation, type S3Server } from '@sluice/fake-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { LeapingRuntime } from '../leaping-runtime.js'
import { optionsOn } from '../s3-harness.js'

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
  // No time passes: every two seconds in which an object is created cost a GET more.
  const runtime = new LeapingRuntime(true)
  const queue = await openQueue({ ...optionsOn(server), runtime, ...options })
  opened.push(queue)
  return queue
}

async function attempts(queue: Queue, count: number, details?: string): Promise<void> {
  for (let done = 0; done < count; done++) {
    const [item] = await queue.get(1)
    if (item === undefined) throw new Error('there is no item to give out')
    const outcome = { id: 'a', attempt: item.attempt, reason: 'again', ...(details ? { details } : {}) }
    if (done % 10 === 9) {
      await queue.settle([{ ...outcome, stage: 'FAIL' }])
      await queue.requeue(['a'])
    } else await queue.settle([{ ...outcome, stage: 'WAITING' }])
  }
}

async function costOf(server: S3Server, call: () => Promise<unknown>) {
  server.resetCounts()
  await call()
  const counts: Partial<Record<S3Operation, number>> = server.counts()
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

describe('what a call costs does not grow with the attempts of its item', () => {
  test('requests: at most 30 for a lookup, and 40 for a move by a process that has not seen the item, after 210 attempts', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    await queue.put('a', 1)
    expect(await costOf(server, () => queue.lookupStatus('a'))).toBe(4)
    await attempts(queue, 100)
    const early = await costOf(server, () => queue.lookupStatus('a'))
    await attempts(queue, 110)
    const other = await queueOn(server)
    expect(await costOf(server, () => other.lookupStatus('a'))).toBeLessThanOrEqual(30)
    expect(early).toBeLessThanOrEqual(30)
    expect(await costOf(server, () => other.lookup('a'))).toBeLessThanOrEqual(32)
    // Refused, as the id is taken: what that costs is the question.
    expect(await costOf(server, () => other.put('a', 1).catch(() => undefined))).toBeLessThanOrEqual(31)
    expect(await costOf(server, () => queue.get(1))).toBeLessThanOrEqual(6)
    expect(await costOf(server, () => other.release('a'))).toBeLessThanOrEqual(40)
    await queue.get(1)
    expect(await costOf(server, () => other.fail('a'))).toBeLessThanOrEqual(40)
    expect(await costOf(server, () => other.requeue(['a']))).toBeLessThanOrEqual(40)
    await queue.get(1)
    expect(await costOf(server, () => other.success('a'))).toBeLessThanOrEqual(40)
    expect((await other.lookup('a'))?.attempt).toBe(213)
    expect(await other.remove(['a'])).toMatchObject({ removed: 1 })
    expect(server.keys().filter((key) => key.includes('/ATTEMPTS/'))).toEqual([])
  })

  test('a note that a late request has set back, or that is missing, makes one search longer and no more', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    await queue.put('a', 1)
    let early = ''
    server.main.onRequest = ({ operation, key, headers }) => {
      if (operation === 'PutObject' && key.includes('/ATTEMPTS/')) early ||= headers['x-amz-meta-name'] ?? ''
      return undefined
    }
    await attempts(queue, 61)
    const { S3Client, PutObjectCommand } = await import('@aws-sdk/client-s3')
    const client = new S3Client(server.clientOptions(await server.addEndpoint()))
    await client.send(
      new PutObjectCommand({
        Bucket: server.bucket,
        Key: `${ROOT}ATTEMPTS/a`,
        Body: new Uint8Array(0),
        Metadata: { to: 'WAITING', name: early },
      }),
    )
    client.destroy()
    const other = await queueOn(server)
    expect(await costOf(server, () => other.lookupStatus('a'))).toBeGreaterThan(60)
    expect(await costOf(server, () => other.lookupStatus('a'))).toBeLessThanOrEqual(30)
    expect((await other.lookup('a'))?.attempt).toBe(61)
  })

  test('bytes: each move of an item with details of 300 kB writes less than 1 MB, after one attempt and after thirty', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    await queue.put('a', 1)
    let most = 0
    server.main.onRequest = ({ operation, body }) => {
      if (operation === 'PutObject') most = Math.max(most, body.length)
      return undefined
    }
    await attempts(queue, 31, 'x'.repeat(300_000))
    expect(most).toBeLessThan(1_000_000)
    const record = await queue.lookup('a')
    expect(record?.history).toHaveLength(31)
    expect(record?.history.at(-1)).toMatchObject({ reason: 'again', details: 'x'.repeat(300_000) })
    expect(record?.history.every(({ reason }) => reason === 'again')).toBe(true)
  })

  test('small details of earlier attempts stay whole', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    await queue.put('a', 1)
    await attempts(queue, 20, 'x'.repeat(1_000))
    expect((await queue.lookup('a'))?.history.map(({ details }) => details)).toEqual(
      Array(20).fill('x'.repeat(1_000)),
    )
  })
})
