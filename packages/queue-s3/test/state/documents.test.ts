import type { Queue } from '@sluice/core'
import {
  answerWithStatus,
  startS3Server,
  type S3Request,
  type S3Server,
  type S3ServerOptions,
} from '@sluice/fake-s3'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { decodeDocumentFolder, encodeDocumentFolder } from '../../src/format/key-encoding.js'
import { openQueue } from '../../src/index.js'
import { optionsOn } from '../s3-harness.js'
import { LeapingRuntime } from '../leaping-runtime.js'

const ROOT = 'queues/contract/DOCUMENTS/'
const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function serverOf(options: S3ServerOptions = {}): Promise<S3Server> {
  const server = await startS3Server(options)
  opened.push(server)
  return server
}

async function queueOn(server: S3Server, options: object = {}): Promise<Queue> {
  const queue = await openQueue({ ...optionsOn(server), ...options })
  opened.push(queue)
  return queue
}

function keysIn(server: S3Server): string[] {
  return server.keys().filter((key) => key.startsWith(ROOT))
}

function isDocumentPut({ operation, key }: S3Request): boolean {
  return operation === 'PutObject' && (key ?? '').startsWith(ROOT)
}

describe('the folder of a document', () => {
  const names = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 128 })
    .filter((name) => Buffer.byteLength(name) <= 128 && !name.includes('\0'))

  test('is another for another name, where upper and lower case are the same too, and gives the name back', () => {
    fc.assert(
      fc.property(names, names, (one, two) => {
        const folder = encodeDocumentFolder(one)
        expect(folder).toBe(folder.toLowerCase())
        expect(folder).toMatch(/^(?:[a-z0-9_-]{200}_\/)*[a-z0-9_-]{1,200}$/)
        expect(decodeDocumentFolder(folder)).toBe(one)
        expect(encodeDocumentFolder(two) === folder).toBe(one === two)
      }),
    )
    expect(encodeDocumentFolder('Engine/é')).toBe('_45ngine_2f_c3_a9')
  })

  test('begins with the folder of each beginning of the name, and no folder is below that of a document', () => {
    fc.assert(
      fc.property(names, names, (one, two) => {
        const whole = one + two
        if (Buffer.byteLength(whole) > 128) return
        expect(encodeDocumentFolder(whole).startsWith(encodeDocumentFolder(one))).toBe(true)
        expect(`${encodeDocumentFolder(whole)}/`.startsWith(`${encodeDocumentFolder(one)}/`)).toBe(false)
      }),
    )
    const longest = encodeDocumentFolder('é'.repeat(64))
    expect(Math.max(...longest.split('/').map((part) => part.length))).toBeLessThanOrEqual(201)
  })
})

describe('a document in a bucket', () => {
  test('is not written twice by a write whose first answer was lost: it says true, and the next version is one more', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    let lost = 0
    server.main.onRequest = (request) =>
      isDocumentPut(request) && lost++ === 0 ? { do: 'drop-reply' } : undefined
    const rates = queue.document('rates')
    expect(await rates.write({ perSecond: 1 }, { ifVersion: undefined })).toBe(true)
    expect(lost).toBe(1)
    expect(await rates.read()).toEqual({ value: { perSecond: 1 }, version: 1 })
    expect(await rates.write({ perSecond: 2 }, { ifVersion: 1 })).toBe(true)
    expect(await rates.read()).toEqual({ value: { perSecond: 2 }, version: 2 })
  })

  test('says true of a write whose request arrived twice, the second time being refused for the first', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    server.main.onRequest = (request) =>
      isDocumentPut(request) ? { do: 'duplicate', answer: 'second' } : undefined
    expect(await queue.document('rates').write(1, { ifVersion: undefined })).toBe(true)
    expect(await queue.document('rates').remove({ ifVersion: 1 })).toBe(true)
  })

  test('keeps 39 versions at most, of any writers', async () => {
    const server = await serverOf()
    const [one, two] = [await queueOn(server), await queueOn(server)]
    for (let version = 0; version < 100; version++) {
      const document = (version % 2 === 0 ? one : two).document('A/b')
      const ifVersion = version === 0 ? undefined : version
      expect(await document.write(version, { ifVersion })).toBe(true)
      expect(keysIn(server).length).toBeLessThanOrEqual(39)
    }
    expect(await one.document('A/b').read()).toEqual({ value: 99, version: 100 })
  })

  test('is removed by an empty version, which no listing names', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    for (const name of ['b', 'a/1', 'A/1', 'a'])
      await queue.document(name).write(name, { ifVersion: undefined })
    expect(await queue.document('a').remove()).toBe(true)
    expect(await queue.documents()).toEqual(['A/1', 'a/1', 'b'])
    expect(await queue.documents('a')).toEqual(['a/1'])
    expect(server.textOf(`${ROOT}a/999999999997`)).toBe('')
    expect(await queue.document('a').write('again', { ifVersion: undefined })).toBe(true)
    expect(await queue.document('a').read()).toEqual({ value: 'again', version: 3 })
  })

  test('costs a LIST to read unchanged, a GET more when another process changed it; two LISTs and a PUT to write', async () => {
    const server = await serverOf()
    const runtime = new LeapingRuntime(true)
    const [one, two] = [await queueOn(server, { runtime }), await queueOn(server, { runtime })]
    const document = one.document('rates')
    const requests = async (work: () => Promise<unknown>) => {
      server.resetCounts()
      await work()
      return Object.fromEntries(Object.entries(server.counts()).filter(([, count]) => count > 0))
    }
    expect(await requests(() => document.write(1, { ifVersion: undefined }))).toEqual({
      ListObjectsV2: 2,
      PutObject: 1,
    })
    expect(await requests(() => document.read())).toEqual({ ListObjectsV2: 1 })
    await two.document('rates').write(2, { ifVersion: 1 })
    expect(await requests(() => document.read())).toEqual({ ListObjectsV2: 1, GetObject: 1 })
    const lease = await one.lease('dispatcher', 'me', 10_000)
    const leased = { ifVersion: 2, ...(lease === undefined ? {} : { lease }) }
    expect(await requests(() => document.write(3, leased))).toEqual({
      ListObjectsV2: 2,
      PutObject: 1,
      HeadObject: 1,
    })
  })

  test('whose newest object an operator has damaged is an error that names it, and can be written again', async () => {
    const server = await serverOf()
    const queue = await queueOn(server)
    await queue.document('rates').write(1, { ifVersion: undefined })
    server.seed([[`${ROOT}rates/999999999997`, '{"sluice":1']])
    const reading = (await queueOn(server)).document('rates').read()
    await expect(reading).rejects.toMatchObject({
      code: 'SLUICE_QUEUE_CORRUPT',
      message: expect.stringContaining('DOCUMENTS/rates/999999999997'),
    })
    expect(await queue.document('rates').write(3, { ifVersion: 2 })).toBe(true)
    expect(await queue.document('rates').read()).toEqual({ value: 3, version: 3 })
  })
})

describe('where LIST shows what was written some changes later', () => {
  const late = { listLag: 3 }

  test('a process reads and goes on from what it wrote itself', async () => {
    const server = await serverOf(late)
    const queue = await queueOn(server)
    const document = queue.document('rates')
    for (let version = 0; version < 5; version++) {
      expect(await document.write(version, { ifVersion: version === 0 ? undefined : version })).toBe(true)
      expect(await document.read()).toEqual({ value: version, version: version + 1 })
    }
  })

  test('pause and limits of two processes end, after some requests each, and both are kept', async () => {
    const server = await serverOf(late)
    const [one, two] = [await queueOn(server), await queueOn(server)]
    await one.control.setLimits({ a: 1 })
    server.resetCounts()
    await two.control.pause('why')
    await one.control.setLimits({ b: 2 })
    expect(server.main.requests.length).toBeLessThan(30)
    expect(await one.control.read()).toMatchObject({ paused: true, limits: { a: 1, b: 2 } })
  })

  test('a version that was pruned and is still listed is read a few times, and the call ends', async () => {
    const runtime = new LeapingRuntime()
    const server = await serverOf({ runtime })
    const one = await queueOn(server, { runtime })
    for (let version = 0; version < 3; version++)
      await one.document('rates').write(version, { ifVersion: version === 0 ? undefined : version })
    const two = await queueOn(server, { runtime, timeoutMs: 300 })
    server.resetCounts()
    server.main.onRequest = ({ operation }) =>
      operation === 'GetObject' ? answerWithStatus(404, 'NoSuchKey') : undefined
    await expect(two.document('rates').read()).rejects.toMatchObject({
      code: 'SLUICE_QUEUE_CORRUPT',
      message: expect.stringContaining('DOCUMENTS/rates/'),
    })
    expect(server.main.requests.length).toBeLessThanOrEqual(20)
  })
})
