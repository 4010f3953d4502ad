import { isSluiceError, type Queue } from '@sluice/core'
import { answerWith, startS3Server, type S3Fault, type S3Request, type S3Server } from '@sluice/fake-s3'
import { systemRuntime } from '@sluice/core/backend'
import { afterEach, describe, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { jitteredMs, Patience } from '../../src/store/sending/patience.js'
import { RunningTime } from '../../src/store/sending/running-time.js'
import { refuseKeys } from '../probe/lies.js'
import { optionsOn, sweep } from '../s3-harness.js'

const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function serverOf(): Promise<S3Server> {
  const server = await startS3Server()
  opened.push(server)
  return server
}

async function queueOn(server: S3Server, timeoutMs = 60_000): Promise<Queue> {
  const queue = await openQueue({ ...optionsOn(server), timeoutMs })
  opened.push(queue)
  return queue
}

async function errorOf(call: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error: unknown = await call.catch((thrown: unknown) => thrown)
  if (!isSluiceError(error)) throw new Error('no error of ours', { cause: error })
  return error
}

const ROOT = 'queues/contract/'

async function removedOften(): Promise<{ server: S3Server; queue: Queue }> {
  const server = await serverOf()
  const queue = await queueOn(server)
  const keys = Array.from({ length: 1_000 }, (_, at) => `${ROOT}ITEMS/a${at === 0 ? '' : `.${at + 1}`}`)
  server.seed(keys.map((key) => [key, '']))
  server.resetCounts()
  return { server, queue }
}

describe('an id that was put and removed a thousand times', () => {
  test('is looked up and put again by some twenty requests', async () => {
    const { server, queue } = await removedOften()
    expect(await queue.lookup('a')).toBeUndefined()
    expect(server.main.requests.length).toBeLessThanOrEqual(22)
    server.resetCounts()
    await queue.put('a', 1)
    expect(server.main.requests.length).toBeLessThanOrEqual(26)
    expect(server.keys()).toContain(`${ROOT}ITEMS/a.1001`)
    expect(await queue.lookupStatus('a')).toBe('WAITING')
    expect((await errorOf(queue.put('a', 2))).code).toBe('SLUICE_ITEM_EXISTS')
    expect(await queue.remove(['a'])).toEqual({ removed: 1, skipped: [] })
    await queue.put('a', 3)
    expect((await queue.get(1)).map(({ body }) => body)).toEqual([3])
  })

  test('and a store for which every such object exists end by an error that names one', async () => {
    const { server, queue } = await removedOften()
    server.main.onRequest = ({ operation }) =>
      operation === 'HeadObject' ? { do: 'answer', answer: EMPTY } : undefined
    for (const call of [() => queue.lookup('a'), () => queue.put('a', 1), () => queue.requeue(['a'])]) {
      server.resetCounts()
      const { code, message } = await errorOf(call())
      expect([code, message]).toEqual(['SLUICE_QUEUE_CORRUPT', expect.stringContaining(`${ROOT}ITEMS/a.`)])
      expect(server.main.requests.length).toBeLessThanOrEqual(40)
    }
  })
})

/** The answer of a store to HEAD of an empty object. */
const EMPTY = {
  status: 200,
  headers: {
    etag: '"d41d8cd98f00b204e9800998ecf8427e"',
    'last-modified': 'Sun, 01 Nov 2026 10:00:00 GMT',
    'content-length': '0',
  },
}

/** LIST under WAITING for ever as it was. */
function lateListing(names: readonly string[]): (request: S3Request) => S3Fault | undefined {
  return ({ operation, query }) => {
    if (operation !== 'ListObjectsV2' || !query.get('prefix')?.includes('/WAITING/')) return undefined
    const rest = names.filter((name) => name > (query.get('start-after') ?? ''))
    const keys = rest.slice(0, Number(query.get('max-keys')))
    const contents = keys.map((key) => `<Contents><Key>${key}</Key><Size>9</Size></Contents>`)
    const text = `<IsTruncated>${rest.length > keys.length}</IsTruncated>${contents.join('')}`
    const body = `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${text}</ListBucketResult>`
    return { do: 'answer', answer: { status: 200, headers: { 'content-type': 'application/xml' }, body } }
  }
}

test('a late listing after opening costs a get a few requests, and each attempt that is over only once', async () => {
  const server = await serverOf()
  const first = await queueOn(server)
  const ids = Array.from({ length: 60 }, (_, at) => `i${at}`)
  await first.putMany(ids.map((id) => ({ id, body: id })))
  const names = server.keys().filter((key) => key.includes('/WAITING/'))
  await first.get(60)
  await first.settle(ids.map((id) => ({ id, attempt: 1, stage: 'SUCCESS' as const })))
  const queue = await queueOn(server, 400)
  server.main.onRequest = lateListing(names)
  server.resetCounts()
  const { code, message } = await errorOf(queue.get(1))
  expect([code, message]).toEqual([
    'SLUICE_QUEUE_UNAVAILABLE',
    expect.stringMatching(/WAITING\/.*Is the listing/),
  ])
  expect(server.main.requests.length).toBeLessThanOrEqual(60)
  expect((await errorOf(queue.peek(1))).code).toBe('SLUICE_QUEUE_UNAVAILABLE')
  for (let tries = 0; tries < 60; tries++) {
    // It may be refused while the listing is late; what counts is what it costs, and that it is over in the
    // end.
    const given = await queue.get(4).catch(() => undefined)
    if (given !== undefined) break
  }
  server.resetCounts()
  expect([await queue.get(1), await queue.peek(1)]).toEqual([[], []])
  expect(server.main.requests.map(({ operation }) => operation)).toEqual(
    Array.from({ length: 4 }, () => 'ListObjectsV2'),
  )
})

describe('a store that says that an object exists which is not there', () => {
  test('loses no item that waits: no claim is believed lost, and another process gets it', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    await queue.putMany(['a', 'b'].map((id) => ({ id, body: id })))
    await queue.get(2)
    await queue.release('b')
    server.main.onRequest = ({ operation }) =>
      operation === 'PutObject' ? answerWith('PreconditionFailed') : undefined
    expect(await queue.get(2)).toEqual([])
    const { code, message } = await errorOf(queue.fail('a'))
    expect([code, message]).toEqual(['SLUICE_QUEUE_CORRUPT', expect.stringContaining(`${ROOT}SUCCESS/`)])
    server.main.onRequest = undefined
    const other = await queueOn(server)
    expect((await other.get(2)).map(({ id }) => id)).toEqual(['b'])
    await other.fail('a')
    expect((await other.lookup('a'))?.stage).toBe('FAIL')
  })

  test('is not taken for a duplicate: put and putMany name the object', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    server.main.onRequest = ({ operation }) =>
      operation === 'PutObject' ? answerWith('PreconditionFailed') : undefined
    for (const call of [() => queue.put('a', 1), () => queue.putMany([{ id: 'a', body: 1 }])]) {
      server.resetCounts()
      const { code, message } = await errorOf(call())
      expect([code, message]).toEqual(['SLUICE_QUEUE_CORRUPT', expect.stringContaining(`${ROOT}ITEMS/a`)])
      expect(server.counts().PutObject).toBeLessThanOrEqual(9)
    }
  })
})

test('DeleteObjects with errors for single keys is sent a few times, whatever the time limit', async () => {
  const server = await serverOf()
  const queue = await queueOn(server)
  await queue.put('a', 1)
  server.main.onRequest = (request) =>
    request.operation === 'DeleteObjects' ? refuseKeys(request) : undefined
  for (const call of [() => queue.get(1), () => queue.success('a')]) {
    server.resetCounts()
    await call()
    expect(server.counts().DeleteObjects).toBeLessThanOrEqual(5)
  }
  const { code, message } = await errorOf(sweep(queue))
  expect([code, message]).toEqual([
    'SLUICE_QUEUE_UNAVAILABLE',
    expect.stringMatching(/Cannot delete the object ".*WAITING\/.*InternalError/),
  ])
})

test('a listing that shows other versions each time ends a call after a few reads', async () => {
  const server = await serverOf()
  const queue = await queueOn(server)
  await queue.control.pause()
  let count = 0
  server.main.onRequest = ({ operation, query }) => {
    if (operation !== 'ListObjectsV2') return undefined
    const key = `${query.get('prefix') ?? ''}${999_999_999_000 - count++}`
    const text = `<IsTruncated>false</IsTruncated><Contents><Key>${key}</Key><Size>9</Size></Contents>`
    const body = `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${text}</ListBucketResult>`
    return { do: 'answer', answer: { status: 200, headers: { 'content-type': 'application/xml' }, body } }
  }
  server.resetCounts()
  const { code, message } = await errorOf(queue.control.read())
  expect([code, message]).toEqual(['SLUICE_QUEUE_UNAVAILABLE', expect.stringContaining(`${ROOT}CONTROL/`)])
  expect(server.main.requests.length).toBeLessThanOrEqual(60)
})

test('a request without an answer is repeated 8 times and once more for each second at most', () => {
  for (const seconds of [1, 10, 60]) {
    for (let round = 0; round < 200; round++) {
      let nowMs = 0
      const patience = new Patience(seconds * 1_000, () => nowMs)
      let requests = 1
      for (
        let trouble = patience.troubled('write');
        trouble.leftMs > 0;
        trouble = patience.troubled('write')
      ) {
        nowMs += jitteredMs(systemRuntime, trouble.tries, { baseMs: 10, maxMs: trouble.leftMs })
        requests += 1
      }
      expect(requests).toBeLessThanOrEqual(9 + seconds)
      expect(nowMs).toBe(seconds * 1_000)
    }
  }
})

/** As other processes of a busy machine do, or one long computation. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

describe('time in which this process does not run', () => {
  test('is not counted', async () => {
    const { now } = new RunningTime(systemRuntime, 1_000)
    const beganMs = now()
    standStill(400)
    expect(now() - beganMs).toBeLessThanOrEqual(51)
    await new Promise((resolve) => setTimeout(resolve, 30))
    standStill(400)
    expect(now() - beganMs).toBeLessThanOrEqual(300)
  })

  test('is no outage of the store: the answer that came meanwhile is read', async () => {
    const server = await serverOf()
    const queue = await queueOn(server, 200)
    await queue.now()
    server.resetCounts()
    const asked = queue.now()
    await new Promise((resolve) => setImmediate(resolve))
    standStill(900)
    expect(await asked).toBeGreaterThan(0)
    expect(server.main.requests).toHaveLength(1)
  })
})
