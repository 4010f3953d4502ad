import { isSluiceError, type Queue } from '@sluice/core'
import {
  answerWith,
  answerWithStatus,
  s3Stores,
  startS3Server,
  type S3Server,
  type S3ServerOptions,
} from '@sluice/fake-s3'
import { S3ServiceException } from '@aws-sdk/client-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { openQueue } from '../src/index.js'
import { s3Error } from '../src/store/s3-errors.js'
import { failureOf } from '../src/store/s3-failures.js'
import { optionsOn } from './s3-harness.js'

const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function serverOf(options: S3ServerOptions = {}): Promise<S3Server> {
  const made = await startS3Server(options)
  opened.push(made)
  return made
}

async function queueOn(server: S3Server, more: object = {}): Promise<Queue> {
  const queue = await openQueue({ ...optionsOn(server), ...more })
  opened.push(queue)
  return queue
}

async function refusal(call: () => Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await call()
  } catch (error) {
    if (isSluiceError(error)) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error('it was not refused')
}

const serviceError = (name: string, status: number) =>
  new S3ServiceException({ name, message: name, $fault: 'client', $metadata: { httpStatusCode: status } })

describe('what a 400 means', () => {
  const place = { bucket: 'b', root: 'r/' }
  test.each([
    ['KeyTooLongError', 400],
    ['KeyTooLong', 400],
    ['InvalidObjectName', 400],
    ['XMinioInvalidObjectName', 400],
    ['InvalidURI', 400],
  ])('%s is about the key', (name, status) => {
    const error = serviceError(name, status)
    expect(failureOf(error)).toBe('fatal')
    const { code, message } = s3Error(error, 'write', place)
    expect([code, message]).toEqual(['SLUICE_CONFIG_INVALID', expect.stringMatching(/name of an object/)])
    expect(message).not.toContain('credentials')
  })

  test.each([
    ['ObjectParentIsFile', 409],
    ['ExistingObjectIsDirectory', 409],
    ['XMinioObjectExistsAsDirectory', 409],
    ['XMinioParentIsObject', 400],
  ])('%s is about what is in the key’s way, and not tried again', (name, status) => {
    const error = serviceError(name, status)
    expect(failureOf(error)).toBe('fatal')
    expect(s3Error(error, 'write', place)).toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
      message: expect.stringContaining('another `prefix`'),
    })
  })

  test.each([
    ['ExpiredToken', 'expired'],
    ['ExpiredTokenException', 'expired'],
    ['TokenRefreshRequired', 'expired'],
    ['InvalidToken', 'session token'],
    ['AuthorizationHeaderMalformed', 'access key'],
  ])('%s is about credentials', (name, text) => {
    expect(s3Error(serviceError(name, 400), 'read', place)).toMatchObject({
      code: 'SLUICE_QUEUE_DENIED',
      message: expect.stringContaining(text),
    })
  })

  test('AuthorizationHeaderMalformed that names a region is about the region', () => {
    const error = Object.assign(serviceError('AuthorizationHeaderMalformed', 400), { Region: 'eu-west-1' })
    expect(s3Error(error, 'list', place)).toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
      message: expect.stringContaining('`region` to eu-west-1'),
    })
  })

  test('InvalidBucketName is about the bucket, a quota about room', () => {
    expect(s3Error(serviceError('InvalidBucketName', 400), 'list', place)).toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
      message: expect.stringContaining('`bucket`'),
    })
    for (const name of ['XMinioAdminBucketQuotaExceeded', 'QuotaExceeded', 'XMinioStorageFull'])
      expect(s3Error(serviceError(name, 400), 'write', place)).toMatchObject({
        code: 'SLUICE_QUEUE_UNAVAILABLE',
        message: expect.stringContaining('room'),
      })
  })

  test.each([
    ['ExpiredToken', 'SLUICE_QUEUE_DENIED', 'expired'],
    ['InvalidAccessKeyId', 'SLUICE_QUEUE_DENIED', 'access key is unknown'],
  ] as const)('a HEAD has no code: GET is asked for it, and says %s', async (name, code, text) => {
    const server = await serverOf()
    const queue = await queueOn(server)
    await queue.put('a', 1)
    server.main.onRequest = ({ operation }) =>
      operation === 'HeadObject' || operation === 'GetObject' ? answerWith(name) : undefined
    const seen = await refusal(() => queue.get(1).then(() => queue.lookup('a')))
    expect([seen.code, seen.message]).toEqual([code, expect.stringContaining(text)])
  })

  test('a HEAD that is refused where GET is not keeps its own words', async () => {
    const server = await serverOf({ denied: ['HeadObject'] })
    const seen = await refusal(() => queueOn(server, { probe: 'quick' }))
    expect([seen.code, seen.message]).toEqual([
      'SLUICE_QUEUE_DENIED',
      expect.stringContaining('s3:ListBucket'),
    ])
  })

  test('a 400 without a code and without a reason does not speak of expired credentials', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    server.main.onRequest = ({ operation }) =>
      operation === 'HeadObject' || operation === 'GetObject'
        ? { do: 'answer', answer: { status: 400, headers: {}, body: '' } }
        : undefined
    expect((await refusal(() => queue.lookup('a'))).message).not.toContain('expired')
  })
})

describe('LIST is decoded only where the answer says so', () => {
  test.each(['honoured', 'ignored'] as const)('encoding-type %s', async (listEncoding) => {
    const server = await serverOf({ rules: { listEncoding } })
    const queue = await queueOn(server, { prefix: 'a b+c%20d/ü', probe: 'thorough' })
    await queue.putMany([
      { id: 'x', body: 1 },
      { id: 'y z+%', body: 2 },
    ])
    expect((await queue.get(5)).map(({ id }) => id).toSorted()).toEqual(['x', 'y z+%'])
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 2, SUCCESS: 0, FAIL: 0 })
  })
})

describe('a prefix that stores change or refuse', () => {
  test.each([
    'a//b',
    '//',
    '/a',
    '/',
    'a/./b',
    '.',
    '..',
    'a/..',
    '../a',
    'a\\b',
    'a\u0000b',
    'a\nb',
    'x'.repeat(256),
  ])('%j is refused by its option’s name, before any request', async (prefix) => {
    const server = await serverOf()
    const { code, message } = await refusal(() => queueOn(server, { prefix }))
    expect([code, message]).toEqual(['SLUICE_CONFIG_INVALID', expect.stringMatching(/prefix.*must be/s)])
    expect(server.main.requests).toEqual([])
  })

  test.each(['', 'a', 'a/', 'a/b', '...', 'a.b/..c', 'ü/\u{1f600}', 'a b'])('%j is taken', async (prefix) => {
    const server = await serverOf()
    const queue = await queueOn(server, { prefix })
    await queue.put('a', 1)
    expect((await queue.get(1)).map(({ id }) => id)).toEqual(['a'])
  })
})

/** What a claimer is given until there is nothing left. */
async function drain(queue: Queue): Promise<string[]> {
  const given: string[] = []
  for (;;) {
    const items = await queue.get(7)
    if (items.length === 0) return given
    given.push(...items.map(({ id }) => id))
    const done = items.map(({ id, uid, attempt }) => ({ id, uid, attempt, stage: 'SUCCESS' as const }))
    await queue.settle(done)
  }
}

describe('a store that closes its connection after each 412 without notice, as MinIO', () => {
  test('loses and doubles nothing where two claim at once, and ids are put again', async () => {
    const server = await serverOf({ rules: s3Stores.minio.rules })
    const one = await queueOn(server, { timeoutMs: 60_000 })
    const other = await queueOn(server, { timeoutMs: 60_000 })
    const items = Array.from({ length: 20 }, (_, index) => ({ id: `i${index}`, body: index }))
    await one.putMany(items)
    expect((await other.putMany(items)).skipped).toHaveLength(20)
    const given = (await Promise.all([drain(one), drain(other)])).flat()
    expect(given.toSorted()).toEqual(items.map(({ id }) => id).toSorted())
    expect(await one.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 20, FAIL: 0 })
    const refused = server.main.requests.filter(({ status }) => status === 412)
    expect(refused.length).toBeGreaterThanOrEqual(20)
  })

  test('does not make the next request wait: it is sent again at once', async () => {
    const server = await serverOf({ rules: s3Stores.minio.rules })
    // A call that waits before it tries again never ends with a random wait of for ever.
    const queue = await queueOn(server, { concurrency: 1 })
    await queue.put('a', 1)
    const random = Math.random
    let waits = 0
    Math.random = () => {
      waits++
      return random()
    }
    try {
      await expect(queue.put('a', 2)).rejects.toMatchObject({ code: 'SLUICE_ITEM_EXISTS' })
      expect(await queue.lookupStatus('a')).toBe('WAITING')
      await queue.put('b', 1)
    } finally {
      Math.random = random
    }
    expect(waits).toBe(0)
  })

  test('a connection that is lost again and again is waited for', async () => {
    const server = await serverOf()
    const queue = await queueOn(server, { timeoutMs: 200 })
    server.main.onRequest = () => ({ do: 'drop-request' })
    expect(await refusal(() => queue.lookup('a'))).toMatchObject({ code: 'SLUICE_QUEUE_UNAVAILABLE' })
    server.main.onRequest = () => answerWithStatus(500, 'InternalError')
    expect(await refusal(() => queue.lookup('a'))).toMatchObject({ code: 'SLUICE_QUEUE_UNAVAILABLE' })
  })
})

describe('a store that takes no more writes and still reads', () => {
  test.each(['SlowDown', 'InternalError'] as const)('ends every call that writes: %s', async (name) => {
    const server = await serverOf()
    const queue = await queueOn(server, { timeoutMs: 200 })
    await queue.put('a', 1)
    const [item] = await queue.get(1)
    if (item === undefined) throw new Error('nothing was claimed')
    server.main.onRequest = ({ operation }) => (operation === 'PutObject' ? answerWith(name) : undefined)
    const { attempt } = item
    const calls: readonly (() => Promise<unknown>)[] = [
      () => queue.put('b', 1),
      () => queue.success('a', { attempt }),
      () => queue.fail('a', { attempt }),
      () => queue.release('a', { attempt }),
      () => queue.control.pause(),
      () => queue.lease('dispatch', 'me', 10_000),
    ]
    for (const call of calls) expect((await refusal(call)).code).toBe('SLUICE_QUEUE_UNAVAILABLE')
  })

  test('is tried by as many items of a batch as go at once, and by no others after them', async () => {
    const server = await serverOf()
    const queue = await queueOn(server, { timeoutMs: 200, concurrency: 4 })
    const keys = new Set<string>()
    server.main.onRequest = ({ operation, key }) => {
      if (operation !== 'PutObject') return undefined
      keys.add(key ?? '')
      return answerWith('InternalError')
    }
    const items = Array.from({ length: 100 }, (_, n) => ({ id: `i${n}`, body: n }))
    expect((await refusal(() => queue.putMany(items))).code).toBe('SLUICE_QUEUE_UNAVAILABLE')
    expect(keys.size).toBeLessThanOrEqual(8)
  })
})

test('credentials that another client of the SDK has written to, or that are frozen, are taken as they are', async () => {
  const server = await serverOf()
  const { credentials } = optionsOn(server)
  const written = { ...credentials, $source: { CREDENTIALS_CODE: 'e' } }
  const queue = await queueOn(server, { credentials: written })
  await queue.put('a', 1)
  const other = await queueOn(server, { credentials: Object.freeze({ ...credentials }) })
  expect(await other.lookupStatus('a')).toBe('WAITING')
})
