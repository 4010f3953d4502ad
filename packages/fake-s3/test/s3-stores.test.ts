import {
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { s3Stores, startS3Server, type S3Server, type S3ServerOptions } from '../src/index.ts'

const Bucket = 'sluice-test'
const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function start(options: S3ServerOptions = {}): Promise<{ server: S3Server; client: S3Client }> {
  const server = await startS3Server(options)
  const client = new S3Client({
    ...server.clientOptions(),
    maxAttempts: 1,
    requestHandler: { httpAgent: { keepAlive: true, maxSockets: 8 } },
  })
  opened.push(server, { close: async () => client.destroy() })
  return { server, client }
}

/** What a conditional creation was answered: the status, or the code of the network's error. */
async function create(client: S3Client, Key: string): Promise<number | string | undefined> {
  try {
    const { $metadata } = await client.send(
      new PutObjectCommand({ Bucket, Key, Body: 'x', IfNoneMatch: '*' }),
    )
    return $metadata.httpStatusCode
  } catch (error) {
    if (!(error instanceof Error)) throw error
    if ('code' in error && typeof error.code === 'string') return error.code
    const { $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } }
    return $metadata?.httpStatusCode
  }
}

const versioningOf = async (client: S3Client) =>
  (await client.send(new GetBucketVersioningCommand({ Bucket }))).Status

const setVersioning = (client: S3Client, Status: 'Enabled' | 'Suspended') =>
  client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } }))

describe('versioning', () => {
  test('is absent, enabled or suspended, by request or by the server', async () => {
    const { server, client } = await start()
    expect(await versioningOf(client)).toBeUndefined()
    await setVersioning(client, 'Enabled')
    expect(await versioningOf(client)).toBe('Enabled')
    server.setVersioning('Suspended')
    expect(await versioningOf(client)).toBe('Suspended')
  })

  test.each([
    ['AWS', {}, 'null'],
    ['Ceph 16', s3Stores.radosgw16.rules, undefined],
  ] as const)('names versions in answers, as %s', async (_, rules, none) => {
    const { server, client } = await start({ rules })
    const put = async (Key: string) =>
      (await client.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }))).VersionId
    const head = async (Key: string) => (await client.send(new HeadObjectCommand({ Bucket, Key }))).VersionId
    expect([await put('before'), await head('before')]).toEqual([undefined, undefined])
    server.setVersioning('Enabled')
    const id = await put('versioned')
    expect(id).toMatch(/^[0-9a-f]{32}$/)
    expect([await head('versioned'), await head('before')]).toEqual([id, none])
    const marker = await client.send(new DeleteObjectCommand({ Bucket, Key: 'before' }))
    expect([marker.DeleteMarker, marker.VersionId]).toEqual([true, expect.stringMatching(/^[0-9a-f]{32}$/)])
    server.setVersioning('Suspended')
    expect([await put('after'), await head('after'), await head('versioned')]).toEqual([none, none, id])
  })

  test('leaves conditions alone', async () => {
    const { client } = await start({ versioning: 'Enabled' })
    expect([await create(client, 'a'), await create(client, 'a')]).toEqual([200, 412])
  })

  test('or, as on Ceph 16, voids them while it is enabled', async () => {
    const { client } = await start({ rules: { conditionsWhileVersioned: 'void' } })
    expect([await create(client, 'a'), await create(client, 'a')]).toEqual([200, 412])
    await setVersioning(client, 'Enabled')
    expect(await create(client, 'a')).toBe(200)
    await setVersioning(client, 'Suspended')
    expect(await create(client, 'a')).toBe(412)
  })

  test('can be denied', async () => {
    const { client } = await start({ denied: ['GetBucketVersioning'] })
    await expect(versioningOf(client)).rejects.toMatchObject({ name: 'AccessDenied' })
  })
})

describe('a race window', () => {
  test('makes all writers win that check before the first has written', async () => {
    const both = Promise.withResolvers<void>()
    let checked = 0
    const { client } = await start({
      rules: { atomicConditions: false },
      raceWindow: () => {
        if (++checked === 2) both.resolve()
        return both.promise
      },
    })
    expect(await Promise.all([create(client, 'a'), create(client, 'a')])).toEqual([200, 200])
    expect(await create(client, 'a')).toBe(412)
  })

  test('exists only for requests that are given one', async () => {
    const { client } = await start({ rules: { atomicConditions: false }, raceWindow: () => undefined })
    const ends = await Promise.all(Array.from({ length: 8 }, () => create(client, 'a')))
    expect(ends.filter((end) => end === 200)).toHaveLength(1)
  })
})

describe('a connection after a 412', () => {
  test('can be dropped without notice: the next request on it gets no answer and takes no effect', async () => {
    const { server, client } = await start({ rules: { connectionAfterRefusal: 'closed' } })
    expect(await create(client, 'a')).toBe(200)
    expect(await create(client, 'a')).toBe(412)
    expect(await create(client, 'b')).toBe('ECONNRESET')
    expect(server.keys()).toEqual(['a'])
    expect(await create(client, 'b')).toBe(200)
  })

  test('is kept by default', async () => {
    const { client } = await start()
    expect([await create(client, 'a'), await create(client, 'a'), await create(client, 'b')]).toEqual([
      200, 412, 200,
    ])
  })
})

const listed = async (client: S3Client, more = {}) =>
  client.send(new ListObjectsV2Command({ Bucket, EncodingType: 'url', ...more }))

describe('a listing', () => {
  const keys = ['a b', 'a+b', 'a%20b', 'ä', '\u{1f600}', '\uff5e']
  test('that ignores encoding-type names none, and returns keys unencoded', async () => {
    const { server, client } = await start({ rules: { listEncoding: 'ignored' } })
    server.seed(keys.map((key) => [key, 'x']))
    const { EncodingType, Contents = [] } = await listed(client)
    expect(EncodingType).toBeUndefined()
    expect(Contents.map(({ Key = '' }) => Key).toSorted()).toEqual(keys.toSorted())
  })

  test('by UTF-16 units pages in that order', async () => {
    const { server, client } = await start({ rules: { listOrder: 'utf16', listEncoding: 'ignored' } })
    server.seed(keys.map((key) => [key, 'x']))
    const all: (string | undefined)[] = []
    let after: string | undefined
    do {
      const { Contents = [], IsTruncated } = await listed(client, { MaxKeys: 2, StartAfter: after })
      all.push(...Contents.map(({ Key }) => Key))
      after = IsTruncated === true ? all.at(-1) : undefined
    } while (after !== undefined)
    expect(all).toEqual(keys.toSorted())
  })
})
