import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { S3Client, GetObjectCommand } from '@aws-sdk/client-s3'
import { isSluiceError } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { afterEach, describe, expect, test } from 'vitest'
import { RequestWatch } from '../../../src/store/sending/request-watch.js'
import { S3Store } from '../../../src/store/s3-store.js'

const closing: (() => void)[] = []

afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** A server with given answers, and its address. */
async function serverOf(
  answer: (incoming: IncomingMessage, reply: ServerResponse) => unknown,
): Promise<string> {
  const server = createServer((incoming, reply) => void answer(incoming, reply))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  return urlOf(server.address())
}

/** A server that takes connections and reads nothing of them. */
async function deafServer(): Promise<string> {
  const sockets: Socket[] = []
  const server = createTcpServer((socket) => {
    socket.pause()
    sockets.push(socket)
  })
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  return urlOf(server.address())
}

function urlOf(address: unknown): string {
  if (typeof address !== 'object' || address === null || !('port' in address)) throw new Error('no port')
  return `http://127.0.0.1:${String(address.port)}`
}

function storeAt(endpoint: string, timeoutMs: number): S3Store {
  const store = new S3Store({
    client: {
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: 'AK', secretAccessKey: 'SK' },
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    },
    place: { bucket: 'b', root: 'r/' },
    concurrency: 4,
    timeoutMs,
    runtime: systemRuntime,
  })
  closing.push(() => store.close())
  return store
}

/** Without it an answer is not believed. */
const HEAD = { etag: '"e-1"', 'last-modified': 'Sun, 01 Nov 2026 10:00:00 GMT' }
/** What is no object of a queue may have any content. */
const OTHER = 'r/other/a'

const never = new AbortController().signal

/** When a watch ends the request whose bytes go as given, in turns of `stepMs`. */
async function endOf(watch: RequestWatch): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<void>()
  watch.signal.addEventListener('abort', () => resolve(), { once: true })
  await promise
  return watch.signal.reason instanceof Error ? watch.signal.reason.name : 'no error'
}

describe('a request', () => {
  test('whose answer does not begin ends after timeoutMs, is sent once more, and the call ends by an error that names the object', async () => {
    let count = 0
    const url = await serverOf(() => count++)
    const store = storeAt(url, 1_000)
    const reading = store.send({ do: 'read', key: 'r/ITEMS/a' }, store.patience())
    const error: unknown = await reading.catch((thrown: unknown) => thrown)
    expect(isSluiceError(error, 'SLUICE_QUEUE_UNAVAILABLE')).toBe(true)
    expect(String(error)).toMatch(/Cannot read "ITEMS\/a" .*no answer came in time/)
    expect(count).toBe(2)
  })

  test('whose answer begins only shortly before timeoutMs is not sent again', async () => {
    let count = 0
    const url = await serverOf(async (_, reply) => {
      count += 1
      // Half of it: today's limit was a third.
      await pause(1_000)
      reply.writeHead(200, HEAD).end('late')
    })
    const store = storeAt(url, 2_000)
    const { object } = await store.send({ do: 'read', key: OTHER }, store.patience())
    expect([object?.content, count]).toEqual(['late', 1])
  })

  test('whose answer comes slowly, for longer than timeoutMs, is waited for as long as bytes come', async () => {
    const url = await serverOf(async (_, reply) => {
      reply.writeHead(200, { ...HEAD, 'content-length': 8 * 65_536 })
      for (let piece = 0; piece < 8; piece++) {
        reply.write(Buffer.alloc(65_536, 'x'))
        await pause(150)
      }
      reply.end()
    })
    const store = storeAt(url, 300)
    const { object } = await store.send({ do: 'read', key: OTHER }, store.patience())
    expect(object?.content).toHaveLength(8 * 65_536)
  })

  test('whose answer stops in its middle ends by the time that its bytes account for, as no answer in time', async () => {
    const url = await serverOf((_, reply) => {
      reply.writeHead(200, { 'content-length': 20_000 })
      reply.write('half of it')
    })
    const store = storeAt(url, 200)
    const error: unknown = await store
      .send({ do: 'read', key: 'r/ITEMS/a' }, store.patience())
      .catch((thrown: unknown) => thrown)
    expect(String(error)).toMatch(/no answer came in time/)
  })

  test('with a body that the server does not read ends as well', async () => {
    const store = storeAt(await deafServer(), 200)
    const op = { do: 'create', key: 'r/ITEMS/a', content: 'x'.repeat(65_536), meta: { token: 't' } } as const
    await expect(store.send(op, store.patience())).resolves.toEqual({ outcome: 'unclear' })
    await expect(store.send(op, store.patience())).resolves.toEqual({ outcome: 'unclear' })
  })

  test('sends a large body whole, in pieces', async () => {
    const got: number[] = []
    const url = await serverOf(async (incoming, reply) => {
      let bytes = 0
      for await (const piece of incoming) bytes += Buffer.isBuffer(piece) ? piece.length : 0
      got.push(bytes, Number(incoming.headers['content-length']))
      reply.writeHead(200, HEAD).end()
    })
    const store = storeAt(url, 5_000)
    const content = 'é'.repeat(500_000)
    const op = { do: 'create', key: 'r/ITEMS/a', content, meta: { token: 't' } } as const
    expect(await store.send(op, store.patience())).toEqual({ outcome: 'created' })
    expect(got).toEqual([1_000_000, 1_000_000])
  })
})

describe('a watch ends a request', () => {
  test('timeoutMs after it was sent', async () => {
    const watch = new RequestWatch({ runtime: systemRuntime, timeoutMs: 50, idleMs: 60_000, ended: never })
    watch.sent(undefined)
    expect(await endOf(watch)).toBe('TimeoutError')
    expect(watch.isLate).toBe(true)
  })

  test('idleMs after the last byte of the answer, whatever timeoutMs is', async () => {
    const socket = { bytesRead: 100 }
    const watch = new RequestWatch({ runtime: systemRuntime, timeoutMs: 60_000, idleMs: 50, ended: never })
    watch.sent(undefined)
    watch.answered({ body: { socket }, bytes: 100_000 })
    expect(await endOf(watch)).toBe('TimeoutError')
  })

  test('idleMs after the connection took a piece of the body', async () => {
    const watch = new RequestWatch({ runtime: systemRuntime, timeoutMs: 60_000, idleMs: 50, ended: never })
    expect(watch.sent(Buffer.alloc(1_000_000))).not.toBeInstanceOf(Uint8Array)
    expect(await endOf(watch)).toBe('TimeoutError')
  })

  test('in any case after timeoutMs and what its bytes account for, however steadily they come', async () => {
    const began = performance.now()
    const socket = {
      get bytesRead() {
        return performance.now()
      },
    }
    const watch = new RequestWatch({ runtime: systemRuntime, timeoutMs: 50, idleMs: 60_000, ended: never })
    watch.sent(undefined)
    watch.answered({ body: { socket }, bytes: 6_554 })
    expect(await endOf(watch)).toBe('TimeoutError')
    // A timer may fire a fraction of a millisecond early, and there are several.
    expect(performance.now() - began).toBeGreaterThanOrEqual(145)
  })

  test('and no longer once it is done, or from outside', async () => {
    const done = new RequestWatch({ runtime: systemRuntime, timeoutMs: 20, ended: never })
    done.done()
    const outside = new AbortController()
    const ended = new RequestWatch({ runtime: systemRuntime, timeoutMs: 60_000, ended: outside.signal })
    outside.abort()
    await pause(60)
    expect([done.signal.aborted, ended.signal.aborted, ended.isLate]).toEqual([false, true, false])
    ended.done()
  })
})

test('the SDK ends the body of an answer with its signal', async () => {
  // What the limit relies on: where a later SDK does otherwise, a stalled body would never end.
  const url = await serverOf((_, reply) => {
    reply.writeHead(200, { 'content-length': 20_000 })
    reply.write('half of it')
  })
  const client = new S3Client({
    endpoint: url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'AK', secretAccessKey: 'SK' },
  })
  const abort = new AbortController()
  const { Body } = await client.send(new GetObjectCommand({ Bucket: 'b', Key: 'k' }), {
    abortSignal: abort.signal,
  })
  const reading = Body?.transformToString()
  abort.abort()
  await expect(reading).rejects.toThrow(/abort/iu)
  client.destroy()
})
