import { isSluiceError, type Queue } from '@sluice/core'
import { answerWith, startS3Server, type S3Fault, type S3Request, type S3Server } from '@sluice/fake-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { optionsOn, sweep } from '../s3-harness.js'

const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function serverOf(options: Parameters<typeof startS3Server>[0] = {}): Promise<S3Server> {
  const server = await startS3Server(options)
  opened.push(server)
  return server
}

async function queueOn(server: S3Server, timeoutMs = 1_000, concurrency = 32): Promise<Queue> {
  const queue = await openQueue({ ...optionsOn(server), timeoutMs, concurrency })
  opened.push(queue)
  return queue
}

/** The end of a call, and how many requests it took. */
async function endOf(server: S3Server, call: () => Promise<unknown>) {
  server.resetCounts()
  const end: unknown = await call().then(
    () => undefined,
    (error: unknown) => error,
  )
  if (end !== undefined && !isSluiceError(end)) throw new Error('an error that is not ours', { cause: end })
  return { code: end?.code, message: end?.message ?? '', requests: server.main.requests.length }
}

/** Deletes objects as an operator does, by what their keys have in them. */
async function deleteByHand(server: S3Server, ...parts: string[]): Promise<void> {
  const { S3Client, DeleteObjectCommand } = await import('@aws-sdk/client-s3')
  const client = new S3Client(server.clientOptions(await server.addEndpoint()))
  for (const Key of server.keys().filter((key) => parts.every((part) => key.includes(part))))
    await client.send(new DeleteObjectCommand({ Bucket: server.bucket, Key }))
  client.destroy()
}

describe('an object that an operator has deleted ends every call on its item soon, by an error that names it', () => {
  test('of an item in FAIL', async () => {
    const server = await serverOf()
    const queue = await queueOn(server, 60_000)
    await queue.putMany(['a', 'b'].map((id) => ({ id, body: id })))
    await queue.get(2)
    await queue.fail('a')
    await deleteByHand(server, '/FAIL/', '.a')
    for (const call of [() => queue.lookup('a'), () => queue.requeue(['a'])]) {
      const { code, message, requests } = await endOf(server, call)
      expect([code, message]).toEqual(['SLUICE_QUEUE_CORRUPT', expect.stringMatching(/FAIL\/00\/.*\.a"/)])
      expect(requests).toBeLessThanOrEqual(100)
    }
    expect((await endOf(server, () => queue.success('b'))).code).toBeUndefined()
    expect(await queue.remove(['a'])).toEqual({ removed: 1, skipped: [] })
    await queue.put('a', 1)
  })

  test('of an item in WAITING that was released, so that nothing else holds its history', async () => {
    const server = await serverOf()
    const queue = await queueOn(server, 60_000)
    await queue.put('a', 1)
    await queue.get(1)
    await queue.release('a')
    await deleteByHand(server, '/WAITING/')
    const { code, message, requests } = await endOf(server, () => queue.lookup('a'))
    expect([code, message]).toEqual(['SLUICE_QUEUE_CORRUPT', expect.stringContaining('/WAITING/00/')])
    expect(requests).toBeLessThanOrEqual(120)
  })
})

/** DeleteObjects that is answered, and refuses each of its keys. */
function refuseKeys({ operation, body }: S3Request): S3Fault | undefined {
  if (operation !== 'DeleteObjects') return undefined
  const keys = body.toString().match(/<Key>[^<]*<\/Key>/g) ?? []
  const errors = keys.map((key) => `<Error>${key}<Code>InternalError</Code></Error>`)
  const text = `<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${errors.join('')}</DeleteResult>`
  return { do: 'answer', answer: { status: 200, body: text, headers: { 'content-type': 'application/xml' } } }
}

test('DeleteObjects with errors for single keys ends every call; the moves are done, and sweep names a key', async () => {
  const server = await serverOf()
  const queue = await queueOn(server)
  await queue.putMany(['a', 'b', 'c'].map((id) => ({ id, body: id })))
  server.main.onRequest = refuseKeys
  const [one, two, three] = await queue.get(3)
  await queue.success(one?.id ?? '')
  await queue.fail(two?.id ?? '')
  await queue.release(three?.id ?? '')
  expect(await Promise.all(['a', 'b', 'c'].map((id) => queue.lookupStatus(id)))).toEqual([
    'SUCCESS',
    'FAIL',
    'WAITING',
  ])
  expect(await queue.remove(['a'])).toEqual({ removed: 1, skipped: [] })
  const { code, message } = await endOf(server, () => sweep(queue))
  expect([code, message]).toEqual([
    'SLUICE_QUEUE_UNAVAILABLE',
    expect.stringMatching(/Cannot delete the object ".*\/WAITING\/.*InternalError/),
  ])
})

test('while a store refuses to delete singly, the first refusal of a thousand is enough', async () => {
  const server = await serverOf()
  const queue = await queueOn(server, 4_000, 4)
  await queue.putMany(Array.from({ length: 40 }, (_, index) => ({ id: `i${index}`, body: index })))
  server.main.onRequest = ({ operation }) => {
    if (operation === 'DeleteObjects') return answerWith('AccessDenied')
    return operation === 'DeleteObject' ? answerWith('InternalError') : undefined
  }
  server.resetCounts()
  expect(await queue.get(40)).toHaveLength(40)
  const deleted = server.main.requests.filter(({ operation }) => operation === 'DeleteObject')
  expect(new Set(deleted.map(({ key }) => key)).size).toBeLessThanOrEqual(4)
})

test('while writes fail and reads work, each call sends a few requests and ends by an error that names its object', async () => {
  const server = await serverOf()
  const queue = await queueOn(server, 1_000)
  await queue.put('a', 1)
  const [item] = await queue.get(1)
  const lease = await queue.lease('dispatcher', 'me', 60_000)
  server.main.onRequest = ({ operation }) =>
    operation === 'PutObject' ? answerWith('InternalError') : undefined
  const { attempt } = item ?? {}
  const calls: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['ITEMS/b', () => queue.put('b', 1)],
    ['SUCCESS/00/', () => queue.success('a', attempt === undefined ? {} : { attempt })],
    ['LEASES/dispatcher/', () => lease?.renew() ?? Promise.resolve()],
    ['CONTROL/', () => queue.control.pause()],
    ['CONTROL/', () => queue.control.sync()],
    ['DOCUMENTS/rates/', () => queue.document('rates').write(1, { ifVersion: undefined })],
  ]
  for (const [key, call] of calls) {
    const { code, message, requests } = await endOf(server, call)
    expect([code, message]).toEqual(['SLUICE_QUEUE_UNAVAILABLE', expect.stringContaining(key)])
    expect(requests).toBeLessThanOrEqual(60)
  }
})

test('a store whose answers come, each just in time, ends a call after some of them', async () => {
  const server = await serverOf()
  const queue = await queueOn(server, 200)
  await queue.put('a', 1)
  await queue.get(1)
  await queue.fail('a')
  server.main.latencyMs = 150
  // Eleven requests, one after the other.
  const { code, message } = await endOf(server, () => queue.remove(['a']))
  expect([code, message]).toEqual([
    'SLUICE_QUEUE_UNAVAILABLE',
    expect.stringContaining('no answer came in time'),
  ])
})

test('a listing that says it goes on and never does ends a walk by an error that names it', async () => {
  const server = await serverOf()
  const queue = await queueOn(server)
  const text =
    '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>' +
    '<Contents><Key>queues/contract/WAITING/00/a</Key><Size>1</Size></Contents></ListBucketResult>'
  server.main.onRequest = ({ operation }) =>
    operation === 'ListObjectsV2'
      ? { do: 'answer', answer: { status: 200, body: text, headers: { 'content-type': 'application/xml' } } }
      : undefined
  for (const call of [() => queue.get(10), () => queue.size('WAITING'), () => sweep(queue)]) {
    const { code, message, requests } = await endOf(server, call)
    expect([code, message]).toEqual(['SLUICE_QUEUE_CORRUPT', expect.stringContaining('start-after')])
    expect(requests).toBeLessThanOrEqual(10)
  }
})
