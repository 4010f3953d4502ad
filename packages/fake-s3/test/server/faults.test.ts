import { once } from 'node:events'
import { connect } from 'node:net'
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  answerWith,
  answerWithStatus,
  startS3Server,
  type S3ErrorCode,
  type S3Fault,
  type S3Server,
} from '../../src/index.ts'
import { clientOf } from '../facts/target.ts'

const Bucket = 'sluice-test'
let server: S3Server
let client: S3Client

beforeEach(async () => {
  server = await startS3Server()
  client = clientOf(server.clientOptions())
})

afterEach(async () => {
  client.destroy()
  await server.close()
})

const put = (Key: string, Body: string, more = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))
const remove = (Key: string) => client.send(new DeleteObjectCommand({ Bucket, Key }))
const create = (Key: string, Body: string) => put(Key, Body, { IfNoneMatch: '*' })

/** The next request goes wrong so; later ones don't. */
function next(fault: S3Fault): void {
  server.main.onRequest = () => {
    server.main.onRequest = undefined
    return fault
  }
}

describe('a request', () => {
  test('that is dropped never takes effect', async () => {
    next({ do: 'drop-request' })
    await expect(put('key', 'x')).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(server.keys()).toEqual([])
    await put('key', 'x')
    expect(server.keys()).toEqual(['key'])
  })

  test('whose reply is dropped has taken effect', async () => {
    next({ do: 'drop-reply' })
    await expect(create('key', 'x')).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(server.textOf('key')).toBe('x')
    await expect(create('key', 'x')).rejects.toMatchObject({ name: 'PreconditionFailed' })
  })

  test('that is held takes effect when it is released, and is answered then', async () => {
    const { promise: until, resolve: letGo } = Promise.withResolvers<void>()
    next({ do: 'hold', until })
    const held = put('key', 'late')
    await create('other', 'x')
    expect(server.keys()).toEqual(['other'])
    letGo()
    await held
    expect(server.keys()).toEqual(['key', 'other'])
  })

  test('that is held takes effect after its sender gave up', async () => {
    const { promise: until, resolve: letGo } = Promise.withResolvers<void>()
    await put('key', 'before')
    next({ do: 'hold', until, reply: 'dropped' })
    await expect(remove('key')).rejects.toMatchObject({ code: 'ECONNRESET' })
    await put('key', 'after')
    letGo()
    await server.settled()
    expect(server.textOf('key')).toBeUndefined()
  })

  test('that is held takes effect after its sender has aborted it, and when what it waits for fails', async () => {
    const { promise: until, reject: letGo } = Promise.withResolvers<void>()
    const arrived = Promise.withResolvers<void>()
    server.main.onRequest = () => {
      arrived.resolve()
      return { do: 'hold', until }
    }
    const abort = new AbortController()
    const sent = client.send(new PutObjectCommand({ Bucket, Key: 'key', Body: 'x' }), {
      abortSignal: abort.signal,
    })
    await arrived.promise
    abort.abort()
    await expect(sent).rejects.toMatchObject({ name: 'AbortError' })
    expect(server.keys()).toEqual([])
    letGo(new Error('let go'))
    await server.settled()
    expect(server.keys()).toEqual(['key'])
  })

  test('that is duplicated takes effect twice; the second time may be much later', async () => {
    const { promise: until, resolve: letGo } = Promise.withResolvers<void>()
    await put('key', 'first')
    next({ do: 'duplicate', until })
    await remove('key')
    await put('key', 'second')
    expect(server.textOf('key')).toBe('second')
    letGo()
    await server.settled()
    expect(server.textOf('key')).toBeUndefined()
  })

  test('that is duplicated may get the second answer: 412 for its own write', async () => {
    next({ do: 'duplicate', answer: 'second' })
    await expect(create('key', 'mine')).rejects.toMatchObject({ name: 'PreconditionFailed' })
    expect(server.textOf('key')).toBe('mine')
  })

  test.each<[S3ErrorCode, number]>([
    ['SlowDown', 503],
    ['InternalError', 500],
    ['ConditionalRequestConflict', 409],
    ['AccessDenied', 403],
    ['ExpiredToken', 400],
    ['RequestTimeTooSkewed', 403],
    ['PermanentRedirect', 301],
  ])('is refused with %s on demand, and has no effect', async (code, status) => {
    next(answerWith(code))
    await expect(put('key', 'x')).rejects.toMatchObject({ name: code, $metadata: { httpStatusCode: status } })
    expect(server.keys()).toEqual([])
  })

  test('is answered by any status and code', async () => {
    next(answerWithStatus(507, 'Full', 'No room'))
    await expect(put('key', 'x')).rejects.toMatchObject({ name: 'Full', message: 'No room' })
  })

  test('may be answered 500 and have taken effect', async () => {
    next(answerWith('InternalError', { applied: true }))
    await expect(put('key', 'x')).rejects.toMatchObject({ name: 'InternalError' })
    expect(server.keys()).toEqual(['key'])
  })

  test('is shown to the hook as it is', async () => {
    const seen: unknown[] = []
    server.main.onRequest = async ({ index, operation, bucket, key, body, headers }) => {
      await Promise.resolve()
      seen.push({ index, operation, bucket, key, body: body.toString(), condition: headers['if-none-match'] })
      return undefined
    }
    await create('a/b', 'x')
    const expected = {
      index: 0,
      operation: 'PutObject',
      bucket: Bucket,
      key: 'a/b',
      body: 'x',
      condition: '*',
    }
    expect(seen).toEqual([expected])
  })

  test('that is cut off in its body has not arrived', async () => {
    const socket = connect(Number(new URL(server.endpoint).port), '127.0.0.1')
    socket.end('PUT /sluice-test/key HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf')
    await once(socket.resume(), 'close')
    await server.settled()
    expect([server.counts().PutObject, server.keys()]).toEqual([0, []])
  })

  test('of a hook that throws is dropped, and `settled` rejects with the hook’s error', async () => {
    server.main.onRequest = () => {
      throw new Error('a mistake of the test')
    }
    await expect(put('key', 'x')).rejects.toMatchObject({ code: 'ECONNRESET' })
    await expect(server.settled()).rejects.toThrow('a mistake of the test')
    expect(server.keys()).toEqual([])
  })
})

describe('a process', () => {
  test('that dies at a request passes nothing more on, others do', async () => {
    const endpoint = await server.addEndpoint({ crashAt: 1 })
    const dying = clientOf(server.clientOptions(endpoint))
    const send = (Key: string) => dying.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }))
    await send('first')
    expect(endpoint.crashed()).toBe(false)
    await expect(send('second')).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(endpoint.crashed()).toBe(true)
    await expect(send('third')).rejects.toMatchObject({ $metadata: { attempts: 1 } })
    await put('other', 'x')
    expect(server.keys()).toEqual(['first', 'other'])
    dying.destroy()
  })

  test('may die just after a request took effect', async () => {
    next({ do: 'crash', applied: true })
    await expect(put('key', 'x')).rejects.toMatchObject({ code: 'ECONNRESET' })
    await expect(put('later', 'x')).rejects.toMatchObject({ $metadata: { attempts: 1 } })
    expect([server.main.crashed(), server.keys()]).toEqual([true, ['key']])
  })

  test('that dies with many requests in flight passes on only those that came before', async () => {
    const endpoint = await server.addEndpoint({ crashAt: 5, latencyMs: 20 })
    const dying = clientOf(server.clientOptions(endpoint))
    const sent = Array.from({ length: 20 }, (_, n) =>
      dying.send(new PutObjectCommand({ Bucket, Key: `k${n}`, Body: 'x' })),
    )
    await Promise.allSettled(sent)
    await server.settled()
    expect(server.keys()).toHaveLength(5)
    dying.destroy()
  })

  test('closing twice is fine, and a closed server is out of reach', async () => {
    await server.close()
    await server.close()
    await expect(client.send(new GetObjectCommand({ Bucket, Key: 'key' }))).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    })
  })
})
