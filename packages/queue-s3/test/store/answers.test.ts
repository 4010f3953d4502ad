import { isSluiceError, type Queue } from '@sluice/core'
import {
  answerWith,
  startS3Server,
  type S3Answer,
  type S3Fault,
  type S3Operation,
  type S3Request,
  type S3Server,
} from '@sluice/fake-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { optionsOn } from '../s3-harness.js'
import { LeapingRuntime } from '../leaping-runtime.js'

const ROOT = 'queues/contract/'
const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function serverOf(options: Parameters<typeof startS3Server>[0] = {}): Promise<S3Server> {
  const server = await startS3Server(options)
  opened.push(server)
  return server
}

async function queueOn(server: S3Server, options: object = {}): Promise<Queue> {
  const queue = await openQueue({ ...optionsOn(server), ...options })
  opened.push(queue)
  return queue
}

const PAGE = '<!DOCTYPE html><html><head><title>Sorry</title></head><body>We are busy.</body></html>'
const html: S3Answer = { status: 200, headers: { 'content-type': 'text/html' }, body: PAGE }
const html404: S3Answer = { ...html, status: 404 }
const html412: S3Answer = { ...html, status: 412 }
const empty: S3Answer = { status: 200, headers: {} }

/** Answers the first of the requests that fit, and none after it. */
function once(server: S3Server, fits: (request: S3Request) => boolean, fault: S3Fault): () => boolean {
  let done = false
  server.main.onRequest = (request) => {
    if (done || !fits(request)) return undefined
    done = true
    return fault
  }
  return () => done
}

const of = (operation: S3Operation, folder: string) => (request: S3Request) =>
  request.operation === operation &&
  (request.key || (request.query.get('prefix') ?? '')).startsWith(ROOT + folder)

async function whole(server: S3Server) {
  const other = await queueOn(server)
  return other.sizes()
}

/** The object as the store keeps it, cut in its middle. */
function halfOf(server: S3Server, folder: string): S3Answer {
  const key = server.keys().find((one) => one.startsWith(ROOT + folder)) ?? ''
  const text = server.textOf(key) ?? ''
  const headers = { etag: '"0123456789abcdef0123456789abcdef"', 'last-modified': new Date(0).toUTCString() }
  return { status: 200, headers, body: text.slice(0, text.length / 2) }
}

const wrongAnswers: readonly (readonly [string, S3Answer])[] = [
  ['a proxy’s page under 200', html],
  ['an empty 200', empty],
  ['a proxy’s 404', html404],
]

describe('one bad answer to a GET', () => {
  test.each([
    ...wrongAnswers,
    ['a 404 like the store’s', answerOf('NoSuchKey')],
    ['half a body', undefined],
    ['the body of another item', 'other'],
  ] as const)('%s hides no item, and deletes none', async (_, answer) => {
    const server = await serverOf()
    const queue = await queueOn(server)
    await queue.put('a', { of: 'a' })
    const body = JSON.stringify({ ...JSON.parse(server.textOf(`${ROOT}ITEMS/a`) ?? ''), id: 'b' })
    const other = {
      status: 200,
      headers: { etag: '"x-1"', 'last-modified': new Date(0).toUTCString() },
      body,
    }
    const bad = answer === 'other' ? other : (answer ?? halfOf(server, 'ITEMS/'))
    const wasBad = once(server, of('GetObject', 'ITEMS/'), { do: 'answer', answer: bad })
    expect((await queue.get(1)).map(({ id, body }) => [id, body])).toEqual([['a', { of: 'a' }]])
    expect(wasBad()).toBe(true)
  })

  test('that goes on is an outage, and when it is over the same process gives the item out', async () => {
    const server = await serverOf()
    const queue = await queueOn(server, { timeoutMs: 300 })
    await queue.put('a', 1)
    for (const answer of [html, empty, html404, halfOf(server, 'ITEMS/')]) {
      server.main.onRequest = ({ operation }) =>
        operation === 'GetObject' ? { do: 'answer', answer } : undefined
      await expect(queue.get(1)).rejects.toMatchObject({ code: 'SLUICE_QUEUE_UNAVAILABLE', retryable: true })
    }
    server.main.onRequest = undefined
    expect((await queue.get(1)).map(({ id }) => id)).toEqual(['a'])
  })

  test('a missing index object, said again and again, hides its item for a second and not for life', async () => {
    const runtime = new LeapingRuntime()
    const server = await serverOf({ runtime })
    const queue = await queueOn(server, { runtime })
    await queue.put('a', 1)
    server.main.onRequest = (request) =>
      of('GetObject', 'ITEMS/')(request) ? answerWith('NoSuchKey') : undefined
    expect(await queue.get(1)).toEqual([])
    server.main.onRequest = undefined
    await runtime.advance(1_000)
    expect((await queue.get(1)).map(({ id }) => id)).toEqual(['a'])
  })

  test('of an item that was released: neither half a body nor none loses its history', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    await queue.put('a', 1)
    await queue.get(1)
    await queue.release('a', { reason: 'evicted' })
    for (const bad of [halfOf(server, 'WAITING/'), empty]) {
      once(server, of('GetObject', 'WAITING/'), { do: 'answer', answer: bad })
      expect((await queue.lookup('a'))?.history.map(({ reason }) => reason)).toEqual(['evicted'])
    }
  })

  test('of the control neither unpauses the queue nor stays', async () => {
    const server = await serverOf()
    await (await queueOn(server)).control.pause('why')
    for (const bad of [halfOf(server, 'CONTROL/'), empty, html]) {
      const queue = await queueOn(server)
      const wasBad = once(server, of('GetObject', 'CONTROL/'), { do: 'answer', answer: bad })
      expect(await queue.control.read()).toMatchObject({ paused: true, reason: 'why' })
      expect(wasBad()).toBe(true)
    }
  })

  test('of a document is no removal of it', async () => {
    const server = await serverOf()
    await (await queueOn(server)).document('d').write({ of: 'd' }, { ifVersion: undefined })
    for (const bad of [halfOf(server, 'DOCUMENTS/'), empty, html]) {
      const queue = await queueOn(server)
      once(server, of('GetObject', 'DOCUMENTS/'), { do: 'answer', answer: bad })
      expect(await queue.document('d').read()).toMatchObject({ value: { of: 'd' } })
    }
    const queue = await queueOn(server)
    server.main.onRequest = undefined
    await queue.document('d').remove()
    expect(await (await queueOn(server)).document('d').read()).toBeUndefined()
  })
})

describe('one bad answer to a HEAD', () => {
  test.each(wrongAnswers)(
    '%s after a claim neither loses the item nor gives it out twice',
    async (_, answer) => {
      const server = await serverOf()
      const queue = await queueOn(server)
      await queue.put('a', 1)
      const wasBad = once(server, of('HeadObject', 'SUCCESS/'), { do: 'answer', answer })
      expect((await queue.get(1)).map(({ id }) => id)).toEqual(['a'])
      expect(wasBad()).toBe(true)
      expect(await whole(server)).toMatchObject({ WAITING: 0, PROCESSING: 1 })
    },
  )

  test.each([...wrongAnswers, ['a 404 like the store’s', answerOf('NoSuchKey')]] as const)(
    '%s makes no item unknown',
    async (_, answer) => {
      const server = await serverOf()
      const queue = await queueOn(server)
      await queue.put('a', 1)
      once(server, of('HeadObject', 'ITEMS/'), { do: 'answer', answer })
      expect(await queue.lookupStatus('a')).toBe('WAITING')
    },
  )

  test.each(['PROCESSING/', 'SUCCESS/'])(
    'a 404 like the store’s of an item under %s adds none',
    async (folder) => {
      const server = await serverOf()
      const queue = await queueOn(server)
      await queue.put('a', 1)
      await queue.get(1)
      if (folder === 'SUCCESS/') await queue.success('a')
      const other = await queueOn(server)
      once(server, of('HeadObject', folder), answerWith('NoSuchKey'))
      await other.lookupStatus('a')
      const stage = folder === 'SUCCESS/' ? 'SUCCESS' : 'PROCESSING'
      expect(await other.lookupStatus('a')).toBe(stage)
      expect(await whole(server)).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 0, FAIL: 0, [stage]: 1 })
    },
  )
})

describe('one bad answer to a PUT', () => {
  test.each(['ITEMS/', 'WAITING/', 'PROCESSING/'])(
    'a page under 200 is no creation, of %s',
    async (folder) => {
      const server = await serverOf()
      const queue = await queueOn(server)
      const wasBad = once(server, of('PutObject', folder), { do: 'answer', answer: html })
      await queue.put('a', 1)
      expect((await queue.get(1)).map(({ id }) => id)).toEqual(['a'])
      expect(wasBad()).toBe(true)
      await queue.success('a')
      expect(await whole(server)).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 1, FAIL: 0 })
    },
  )

  test.each([html412, answerOf('PreconditionFailed')])('a 412 that is none loses no item', async (answer) => {
    const server = await serverOf()
    const queue = await queueOn(server)
    await queue.put('a', 1)
    once(server, of('PutObject', 'PROCESSING/'), { do: 'answer', answer })
    const first = await queue.get(1)
    expect([...first, ...(await queue.get(1))].map(({ id }) => id)).toEqual(['a'])
  })

  test('a page under 200 to the emptying of an object is no removal', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    await queue.put('a', 1)
    await queue.get(1)
    await queue.success('a')
    const wasBad = once(server, of('PutObject', 'ITEMS/'), { do: 'answer', answer: html })
    await queue.remove(['a'])
    expect(wasBad()).toBe(true)
    expect(server.textOf(`${ROOT}ITEMS/a`)).toBe('')
  })

  test('one refusal of a key for its length is no verdict on all of that length', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    once(server, of('PutObject', 'WAITING/'), answerWith('KeyTooLongError'))
    await queue.put('a', 1)
    await queue.put('b', 1)
    expect(await queue.size('WAITING')).toBe(2)
  })
})

const bare = (content: string): S3Answer => ({
  status: 200,
  headers: { 'content-type': 'application/xml' },
  body: `<ListBucketResult><Name>sluice-test</Name>${content}</ListBucketResult>`,
})

describe('one bad answer to a LIST', () => {
  test.each([
    ['a page', html],
    ['an empty 200', empty],
    ['a listing of another prefix', bare('<Prefix>other/</Prefix><IsTruncated>false</IsTruncated>')],
    ['fewer entries than it says', bare('<KeyCount>3</KeyCount><IsTruncated>false</IsTruncated>')],
    ['an empty page that is cut', bare('<IsTruncated>true</IsTruncated>')],
    [
      'an empty page with a token, which does not say that it is cut',
      bare('<NextContinuationToken>MTo</NextContinuationToken>'),
    ],
  ])('%s is neither an empty queue nor an end of the pause', async (_, answer) => {
    const server = await serverOf()
    await (await queueOn(server)).put('a', 1)
    await (await queueOn(server)).control.pause('why')
    const queue = await queueOn(server)
    const wasBad = once(server, of('ListObjectsV2', 'WAITING/'), { do: 'answer', answer })
    expect(await queue.size('WAITING')).toBe(1)
    expect(wasBad()).toBe(true)
    once(server, of('ListObjectsV2', 'CONTROL/'), { do: 'answer', answer })
    expect(await queue.control.read()).toMatchObject({ paused: true })
    once(server, of('ListObjectsV2', 'WAITING/'), { do: 'answer', answer })
    expect(await queue.get(1)).toHaveLength(1)
  })

  test('an empty page that is cut and says where it goes on is followed', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    await queue.put('a', 1)
    const token = Buffer.from(`1:${ROOT}WAITING/`).toString('base64url')
    server.main.onRequest = (request) => {
      const isFirst = of('ListObjectsV2', 'WAITING/')(request) && !request.query.has('continuation-token')
      const content = `<IsTruncated>true</IsTruncated><NextContinuationToken>${token}</NextContinuationToken>`
      return isFirst ? { do: 'answer', answer: bare(content) } : undefined
    }
    expect(await queue.size('WAITING')).toBe(1)
    expect(await queue.get(1)).toHaveLength(1)
  })

  test('empty pages that are cut and go nowhere end a call by an error', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    await queue.put('a', 1)
    server.main.onRequest = (request) =>
      of('ListObjectsV2', 'WAITING/')(request)
        ? { do: 'answer', answer: bare('<IsTruncated>true</IsTruncated>') }
        : undefined
    const error: unknown = await queue.get(1).catch((why: unknown) => why)
    expect(isSluiceError(error, 'SLUICE_QUEUE_CORRUPT')).toBe(true)
  })

  test('a last page that says that there is more, and an empty one behind it, are the end', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    await queue.put('a', 1)
    const key = server.keys().find((one) => one.includes('WAITING')) ?? ''
    server.main.onRequest = (request) => {
      const isFirst =
        of('ListObjectsV2', 'WAITING/')(request) && (request.query.get('start-after') ?? '') < key
      const entry = `<IsTruncated>true</IsTruncated><Contents><Key>${key}</Key><Size>9</Size></Contents>`
      return isFirst ? { do: 'answer', answer: bare(entry) } : undefined
    }
    expect(await queue.size('WAITING')).toBe(1)
    expect(await queue.get(5)).toHaveLength(1)
  })

  test('keys that are not encoded although asked for come as they are', async () => {
    const server = await serverOf({ rules: { listEncoding: 'ignored' } })
    const queue = await queueOn(server, { prefix: 'a+b %20' })
    await queue.put('a b', 1)
    expect((await queue.get(1)).map(({ id }) => id)).toEqual(['a b'])
  })
})

test('a page under 200 to DeleteObjects deletes nothing, and the keys are deleted all the same', async () => {
  const server = await serverOf()
  const queue = await queueOn(server)
  await queue.put('a', 1)
  await queue.get(1)
  const wasBad = once(server, ({ operation }) => operation === 'DeleteObjects', {
    do: 'answer',
    answer: html,
  })
  await queue.success('a')
  expect(wasBad()).toBe(true)
  expect(server.keys().filter((key) => /WAITING|PROCESSING/u.test(key))).toEqual([])
})

function answerOf(code: 'NoSuchKey' | 'PreconditionFailed'): S3Answer {
  const fault = answerWith(code)
  if (fault.do !== 'answer') throw new Error('an answer is one')
  return fault.answer
}
