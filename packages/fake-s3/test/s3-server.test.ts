import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3ServiceException,
  type S3Client,
} from '@aws-sdk/client-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { ManualRuntime } from '@sluice/testkit'
import { startS3Server, type S3Server, type S3ServerOptions } from '../src/index.ts'
import { clientOf } from './facts/target.ts'

const Bucket = 'sluice-test'
let server: S3Server
let client: S3Client

async function start(options: S3ServerOptions = {}): Promise<void> {
  server = await startS3Server(options)
  client = clientOf(server.clientOptions())
}

afterEach(async () => {
  client.destroy()
  await server.close()
})

const put = (Key: string, Body = 'x', more = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))
const get = (Key: string) => client.send(new GetObjectCommand({ Bucket, Key }))
const createBucket = (name: string) => client.send(new CreateBucketCommand({ Bucket: name }))
const list = (more = {}) => client.send(new ListObjectsV2Command({ Bucket, ...more }))

/** What a call was refused with. */
async function refusal(call: Promise<unknown>): Promise<{ name: string; status: number | undefined }> {
  try {
    await call
  } catch (error) {
    if (error instanceof S3ServiceException)
      return { name: error.name, status: error.$metadata.httpStatusCode }
    throw error
  }
  throw new Error('it was not refused')
}

describe('time', () => {
  test('Date, Last-Modified and the listing are of the given clock', async () => {
    const runtime = new ManualRuntime(Date.parse('2026-11-24T10:00:00.700Z'))
    await start({ runtime })
    await put('key')
    await runtime.advance(60_000)
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'key' }))
    expect(head.LastModified?.toISOString()).toBe('2026-11-24T10:00:00.000Z')
    expect((await list()).Contents?.[0]?.LastModified?.toISOString()).toBe('2026-11-24T10:00:00.000Z')
    const answer = await fetch(server.endpoint)
    expect(answer.headers.get('date')).toBe('Tue, 24 Nov 2026 10:01:00 GMT')
    expect(answer.headers.get('x-amz-request-id')).toMatch(/^[0-9A-F]{16}$/)
  })

  test('a request of another time is refused where that is set', async () => {
    await start({ runtime: new ManualRuntime(Date.parse('2020-01-01T00:00:00Z')), maxClockSkewMs: 900_000 })
    expect(await refusal(put('key'))).toEqual({ name: 'RequestTimeTooSkewed', status: 403 })
    expect(server.keys()).toEqual([])
  })

  test('a request whose time is a day off is refused too, and one a minute off is not', async () => {
    await start({ runtime: new ManualRuntime(Date.now() + 60_000), maxClockSkewMs: 900_000 })
    await put('key')
    expect(server.keys()).toEqual(['key'])
  })
})

describe('access', () => {
  test('a request without a signature is refused', async () => {
    await start()
    const answer = await fetch(`${server.endpoint}/${Bucket}/key`, { method: 'PUT', body: 'x' })
    expect([answer.status, await answer.text()]).toEqual([
      403,
      expect.stringContaining('<Code>AccessDenied</Code>'),
    ])
    expect(server.keys()).toEqual([])
  })

  test('the credentials, the token of a session included, can be set', async () => {
    const credentials = { accessKeyId: 'A', secretAccessKey: 'S', sessionToken: 'T' }
    await start({ credentials })
    await put('key')
    client = clientOf(server.clientOptions(), { sessionToken: 'old' })
    expect(await refusal(put('key'))).toEqual({ name: 'InvalidToken', status: 400 })
  })

  test('a request signed for another region is refused, naming the right one', async () => {
    await start({ region: 'eu-west-1' })
    await put('key')
    const other = clientOf({ ...server.clientOptions(), region: 'us-east-1' })
    const call = other.send(new PutObjectCommand({ Bucket, Key: 'key', Body: 'x' }))
    await expect(call).rejects.toMatchObject({ name: 'AuthorizationHeaderMalformed', Region: 'eu-west-1' })
    other.destroy()
  })

  test('without the permission to list, a missing object is 403', async () => {
    await start({ denied: ['ListObjectsV2'] })
    await put('key')
    expect(await (await get('key')).Body?.transformToString()).toBe('x')
    expect(await refusal(get('missing'))).toEqual({ name: 'AccessDenied', status: 403 })
    const head = client.send(new HeadObjectCommand({ Bucket, Key: 'missing' }))
    expect((await refusal(head)).status).toBe(403)
    expect(await refusal(list())).toEqual({ name: 'AccessDenied', status: 403 })
  })

  test('an invalid bucket name is refused; a second create succeeds in us-east-1 and is refused elsewhere', async () => {
    await start({ region: 'eu-west-1' })
    expect(await refusal(createBucket('No'))).toEqual({ name: 'InvalidBucketName', status: 400 })
    expect(await refusal(createBucket(Bucket))).toEqual({ name: 'BucketAlreadyOwnedByYou', status: 409 })
  })
})

describe('listing', () => {
  test('may lag behind by some changes', async () => {
    await start({ listLag: 2 })
    await put('a')
    await put('b')
    await put('c')
    expect((await list()).Contents?.map(({ Key }) => Key)).toEqual(['a'])
    await put('d')
    await put('d')
    expect((await list()).Contents?.map(({ Key }) => Key)).toEqual(['a', 'b', 'c'])
    expect(server.keys()).toEqual(['a', 'b', 'c', 'd'])
  })

  test('may lag behind at times: what it listed once stays listed', async () => {
    let lag = 0
    await start({ listLag: () => lag })
    await put('a')
    expect((await list()).KeyCount).toBe(1)
    lag = 5
    await put('b')
    expect((await list()).KeyCount).toBe(1)
    lag = 0
    expect((await list()).KeyCount).toBe(2)
  })

  test('of 100,000 keys costs as little a page as of few', async () => {
    await start()
    server.seed(
      Array.from({ length: 100_000 }, (_, index) => [`k/${String(index).padStart(6, '0')}`, '{}'] as const),
    )
    const page = await list({ StartAfter: 'k/050000', MaxKeys: 2 })
    expect(page.Contents?.map(({ Key }) => Key)).toEqual(['k/050001', 'k/050002'])
    const folders = await list({ Delimiter: '/' })
    expect([folders.CommonPrefixes, folders.KeyCount]).toEqual([[{ Prefix: 'k/' }], 1])
  })

  test('in the order of a language pages and groups keys too', async () => {
    await start({ rules: { listOrder: 'locale' } })
    for (const key of ['B', 'a', 'c/1', 'C/1', 'c/2', 'd']) await put(key)
    const seen: (string | undefined)[] = []
    let token: string | undefined
    do {
      const page = await list({ MaxKeys: 2, ContinuationToken: token })
      seen.push(...(page.Contents ?? []).map(({ Key }) => Key))
      token = page.NextContinuationToken
    } while (token !== undefined)
    expect(seen).toEqual(['a', 'B', 'c/1', 'C/1', 'c/2', 'd'])
    const folded = await list({ Delimiter: '/' })
    expect(folded.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(['c/', 'C/'])
  })
})

describe('counts', () => {
  test('are by operation and by address, and the log has requests and answers', async () => {
    await start()
    const other = await server.addEndpoint()
    const elsewhere = clientOf(server.clientOptions(other))
    await put('key', 'x', { IfNoneMatch: '*' })
    await refusal(put('key', 'y', { IfNoneMatch: '*' }))
    await elsewhere.send(new ListObjectsV2Command({ Bucket, Prefix: 'k' }))
    elsewhere.destroy()
    expect(server.main.counts()).toMatchObject({ PutObject: 2, ListObjectsV2: 0 })
    expect(other.counts()).toMatchObject({ PutObject: 0, ListObjectsV2: 1 })
    expect(server.counts()).toMatchObject({ PutObject: 2, ListObjectsV2: 1 })
    expect(server.main.requests).toMatchObject([
      { index: 0, operation: 'PutObject', bucket: Bucket, key: 'key', status: 200 },
      { index: 1, operation: 'PutObject', status: 412, code: 'PreconditionFailed' },
    ])
    expect(other.requests[0]?.query).toMatchObject({ 'list-type': '2', prefix: 'k' })
    server.resetCounts()
    expect([server.counts().PutObject, server.main.requests]).toEqual([0, []])
  })

  test('keep only the latest requests, as many as set', async () => {
    await start({ maxLogged: 2 })
    for (let n = 0; n < 7; n++) await put(`key-${n}`)
    expect(server.main.requests.map(({ key }) => key)).toEqual(['key-5', 'key-6'])
    expect(server.counts().PutObject).toBe(7)
  })

  test('have the highest number of concurrent requests', async () => {
    await start()
    const { promise: until, resolve } = Promise.withResolvers<void>()
    server.main.onRequest = ({ index }) => {
      if (index === 7) resolve()
      return { do: 'hold', until }
    }
    await Promise.all(Array.from({ length: 8 }, (_, n) => put(`key-${n}`)))
    expect(server.main.maxInFlight).toBe(8)
    server.main.onRequest = undefined
    await put('key-8')
    expect(server.main.maxInFlight).toBe(8)
  })

  test('unknown operations are counted and answered 501', async () => {
    await start()
    const request = clientOf(server.clientOptions())
    const acl = new GetObjectCommand({ Bucket, Key: 'key', VersionId: 'v' })
    expect(await refusal(request.send(acl))).toEqual({ name: 'NotImplemented', status: 501 })
    request.destroy()
    expect(server.counts().Unknown).toBe(1)
  })
})
