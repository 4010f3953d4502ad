import { isSluiceError, type Logger, type QueuePackage } from '@sluice/core'
import {
  answerWith,
  s3Stores,
  startS3Server,
  type S3Fault,
  type S3Request,
  type S3ServerOptions,
} from '@sluice/fake-s3'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { openQueue, queueExists } from '../src/index.js'
import { optionsOn, probedOn } from './s3-harness.js'

const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function server(options: S3ServerOptions = {}) {
  const made = await startS3Server(options)
  opened.push(made)
  return made
}

/** As a caller without types. */
const openUnchecked: QueuePackage['openQueue'] = (options, use) =>
  Reflect.apply(openQueue, undefined, [options, use])

async function refusal(options: object): Promise<{ code: string; message: string }> {
  try {
    opened.push(await openUnchecked(options))
  } catch (error) {
    if (isSluiceError(error)) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error('it was opened')
}

/** DeleteObjects as a store answers it that allows the request, and none of its keys. */
function refuseEach({ body }: S3Request): S3Fault {
  const keys = body.toString().match(/<Key>[^<]*<\/Key>/g) ?? []
  const errors = keys.map((key) => `<Error>${key}<Code>AccessDenied</Code></Error>`)
  const text = `<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${errors.join('')}</DeleteResult>`
  return {
    do: 'answer',
    answer: { status: 200, headers: { 'content-type': 'application/xml' }, body: text },
  }
}

describe('a store that lies is refused', () => {
  test.each(['s3rver', 'garage', 'b2'] as const)('%s', async (name) => {
    const lying = await server({ rules: s3Stores[name].rules })
    const { code, message } = await refusal(probedOn(lying))
    expect(code).toBe('SLUICE_CONFIG_INVALID')
    expect(message).toMatch(/sluice-test.*queues\/contract\/.*If-None-Match/s)
    expect(lying.keys().filter((key) => key.includes('ITEMS'))).toEqual([])
  })

  test('whose listing is late', async () => {
    const late = await server({ listLag: 3 })
    expect((await refusal(probedOn(late))).message).toContain('LIST')
  })

  test.each(['aws', 'minio', 'radosgw16'] as const)('%s is not', async (name) => {
    const good = await server({ rules: s3Stores[name].rules })
    const queue = await openQueue(probedOn(good))
    opened.push(queue)
    await queue.put('a', 1)
    expect((await queue.get(1)).map(({ id }) => id)).toEqual(['a'])
    expect(good.keys().filter((key) => key.includes('PROBE'))).toEqual([])
  })
})

describe('a store that refuses DeleteObjects but not DELETE', () => {
  test.each([
    ['wholly', () => answerWith('AccessDenied')],
    ['key by key', refuseEach],
  ] as const)('%s: is asked once, and goes on singly', async (_, refuse) => {
    const made = await server({
      onRequest: (request) => (request.operation === 'DeleteObjects' ? refuse(request) : undefined),
    })
    const queue = await openQueue(probedOn(made))
    opened.push(queue)
    await queue.put('a', 1)
    await queue.remove(['a'])
    expect(await queue.lookup('a')).toBeUndefined()
    expect(made.keys().filter((key) => /PROBE|WAITING/.test(key))).toEqual([])
    const sent = made.main.requests.map(({ operation }) => operation)
    expect(sent.filter((operation) => operation === 'DeleteObjects')).toHaveLength(1)
    expect(sent.filter((operation) => operation === 'DeleteObject').length).toBeGreaterThan(2)
  })
})

describe('bad weather is one clear error, which names bucket and prefix and says what to do', () => {
  test.each([
    ['none', {}, /Region is missing/],
    ['one that cannot be', { region: 'bad region' }, /bad region/],
  ] as const)('a region is needed: %s', async (_, region, text) => {
    vi.stubEnv('AWS_REGION', undefined)
    vi.stubEnv('AWS_CONFIG_FILE', '/nowhere')
    const credentials = { accessKeyId: 'AK', secretAccessKey: 'SK' }
    const opening = openQueue({ name: 'tiles', bucket: 'b', credentials, ...region })
    await expect(opening).rejects.toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
      message: expect.stringMatching(text),
    })
    vi.unstubAllEnvs()
  })

  test('no such bucket', async () => {
    const made = await server()
    const { code, message } = await refusal({ ...probedOn(made), bucket: 'nowhere' })
    expect([code, message]).toEqual([
      'SLUICE_CONFIG_INVALID',
      expect.stringMatching(/nowhere.*no such bucket/s),
    ])
  })

  test('https where the store speaks http', async () => {
    const made = await server()
    const endpoint = made.endpoint.replace('http:', 'https:')
    const { code, message } = await refusal({ ...probedOn(made), endpoint, timeoutMs: 1_000 })
    expect([code, message]).toEqual(['SLUICE_QUEUE_UNAVAILABLE', expect.stringContaining('http:// rather')])
  })

  test('ListBucket is missing', async () => {
    const made = await server({ denied: ['ListObjectsV2'] })
    const { code, message } = await refusal(probedOn(made))
    expect([code, message]).toEqual(['SLUICE_QUEUE_DENIED', expect.stringContaining('s3:ListBucket')])
  })

  test.each([[['PutObject']], [['DeleteObjects', 'DeleteObject']]] as const)(
    '%s is denied',
    async (denied) => {
      const made = await server({ denied })
      const result = await openQueue(probedOn(made)).then(
        async (queue) => {
          opened.push(queue)
          return 'opened'
        },
        (error: unknown) => (isSluiceError(error) ? error.code : 'another error'),
      )
      expect(result).toBe('SLUICE_QUEUE_DENIED')
    },
  )

  test.each([
    ['ExpiredToken', 'SLUICE_QUEUE_DENIED', 'expired'],
    ['InvalidAccessKeyId', 'SLUICE_QUEUE_DENIED', 'access key'],
    ['SignatureDoesNotMatch', 'SLUICE_QUEUE_DENIED', 'secret'],
    ['PermanentRedirect', 'SLUICE_CONFIG_INVALID', 'region'],
    ['AccessDenied', 'SLUICE_QUEUE_DENIED', 's3:GetObject'],
    ['SlowDown', 'SLUICE_QUEUE_UNAVAILABLE', 'slow down'],
    ['InternalError', 'SLUICE_QUEUE_UNAVAILABLE', 'try later'],
    ['RequestTimeTooSkewed', 'SLUICE_QUEUE_DENIED', 'clock'],
  ] as const)('%s', async (answer, wanted, text) => {
    const made = await server({ onRequest: () => answerWith(answer) })
    const { code, message } = await refusal({ ...probedOn(made), timeoutMs: 300 })
    expect([code, message]).toEqual([wanted, expect.stringContaining(text)])
    expect(message).toContain('bucket "sluice-test", prefix "queues/contract/"')
    expect(message).not.toContain('sluice-test-secret')
  })

  test('the endpoint refuses connections', async () => {
    const gone = await startS3Server()
    const options = { ...probedOn(gone), timeoutMs: 300 }
    await gone.close()
    const { code, message } = await refusal(options)
    expect([code, message]).toEqual(['SLUICE_QUEUE_UNAVAILABLE', expect.stringContaining('`endpoint`')])
  })

  test('options are checked, and no value is repeated', async () => {
    const { code, message } = await refusal({
      name: '',
      bucket: 'b',
      endpoint: 'http://me:secret@host',
      colour: 1,
    })
    expect(code).toBe('SLUICE_CONFIG_INVALID')
    expect(message).toMatch(/name.*endpoint.*colour/s)
    expect(message).not.toContain('secret')
  })

  test('other shards than the queue was made with', async () => {
    const made = await server()
    opened.push(await openQueue({ ...probedOn(made), shards: 4 }))
    expect(await refusal({ ...probedOn(made), shards: 2 })).toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
    opened.push(await openQueue(probedOn(made)))
  })
})

describe('what is not ours', () => {
  test('foreign objects and a truncated one are left alone and reported; the rest goes on', async () => {
    const made = await server()
    const logged: string[] = []
    const log = (fields: object) => void logged.push(JSON.stringify(fields))
    const logger: Logger = { debug: log, info: log, warn: log, error: log }
    const queue = await openQueue({ ...optionsOn(made), logger })
    opened.push(queue)
    await queue.putMany([
      { id: 'good', body: 1 },
      { id: 'cut', body: { long: 'x'.repeat(50) } },
    ])
    const index = 'queues/contract/ITEMS/cut'
    const foreign = ['WAITING/00/', 'WAITING/readme.txt', 'PROCESSING/00/x', 'SUCCESS/a', 'FAIL/ü', 'LEFT/y']
    made.seed([
      [index, (made.textOf(index) ?? '').slice(0, 60)],
      ...foreign.map((name) => [`queues/contract/${name}`, 'x'] as const),
    ])
    expect((await queue.get(5)).map(({ id }) => id)).toEqual(['good'])
    expect((await queue.list('WAITING', { limit: 10 })).items).toEqual([])
    expect(await queue.sizes()).toEqual({ WAITING: 1, PROCESSING: 1, SUCCESS: 0, FAIL: 0 })
    await expect(queue.lookup('cut')).rejects.toMatchObject({ code: 'SLUICE_QUEUE_CORRUPT' })
    for (const name of foreign) expect(made.textOf(`queues/contract/${name}`)).toBe('x')
    expect(logged.join()).toContain('readme.txt')
    expect(logged.join()).toContain('ITEMS/cut')
  })
})

test('with four shards the order is the same, and nothing is missed', async () => {
  const made = await server()
  const queue = await openQueue({ ...optionsOn(made), shards: 4 })
  opened.push(queue)
  await queue.putMany(
    Array.from({ length: 60 }, (_, index) => ({ id: `i${index}`, body: index, priority: index % 3 })),
  )
  const items = await queue.get(100)
  expect(items.map(({ body }) => body)).toEqual(
    [2, 1, 0].flatMap((rest) => Array.from({ length: 20 }, (_, index) => index * 3 + rest)),
  )
  expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 60, SUCCESS: 0, FAIL: 0 })
})

describe('queueExists', () => {
  test('says whether the queue was opened before, and writes nothing', async () => {
    const made = await server()
    expect(await queueExists(optionsOn(made))).toBe(false)
    expect(made.keys()).toEqual([])
    opened.push(await openQueue(optionsOn(made)))
    const before = made.keys()
    expect(await queueExists(optionsOn(made))).toBe(true)
    expect(await queueExists(optionsOn(made, made.main, 'contrac'))).toBe(false)
    expect(made.keys()).toEqual(before)
  })

  test('rejects as openQueue does when it cannot know', async () => {
    const made = await server()
    await expect(queueExists({ ...optionsOn(made), bucket: 'nowhere' })).rejects.toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
    })
    // @ts-expect-error -- as a caller without types
    await expect(queueExists({})).rejects.toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
  })
})
