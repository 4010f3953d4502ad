import { systemRuntime } from '@sluice/core/backend'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { RaceTrack } from '../../src/probe/race-track.js'

const closing: (() => void)[] = []

afterEach(() => {
  for (const close of closing.splice(0).toReversed()) close()
})

async function listen(
  host: string,
  serve: (incoming: IncomingMessage, reply: ServerResponse) => void,
  onConnection?: (socket: Socket) => void,
): Promise<number> {
  const server = createServer(serve)
  if (onConnection !== undefined) server.on('connection', onConnection)
  server.listen(0, host)
  await once(server, 'listening')
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}

function trackOn(addresses: readonly string[], untilRead = async (): Promise<void> => undefined): RaceTrack {
  const resolve = async () => addresses.map((address) => ({ address, family: 4 }))
  const track = new RaceTrack({ runtime: systemRuntime, resolve, untilRead })
  closing.push(() => track.close())
  return track
}

async function sendOn(
  track: RaceTrack,
  port: number,
  { token, body = 'body' }: { token: string; body?: string },
) {
  const { response } = await track.requestHandler.handle({
    method: 'PUT',
    protocol: 'http:',
    hostname: 'store.test',
    port,
    path: '/bucket/key',
    query: { 'x-id': 'PutObject' },
    headers: { host: 'store.test', 'content-length': String(body.length), 'x-amz-meta-token': token },
    body: Buffer.from(body),
  })
  response.body.resume()
  await once(response.body, 'end')
  return response.statusCode
}

const TOKENS = ['a', 'b', 'c', 'd']

test('all have sent all but the last byte before the first of them sends that', async () => {
  const events: string[] = []
  const read = Promise.withResolvers<void>()
  const port = await listen('127.0.0.1', (incoming, reply) => {
    events.push(`head ${incoming.url}`)
    incoming.on('data', (chunk: Buffer) => {
      events.push(String(chunk))
      if (events.filter((event) => event === 'held').length === 4) read.resolve()
    })
    incoming.on('end', () => reply.end())
  })
  const track = trackOn(['127.0.0.1'], () => read.promise)
  expect(await track.run(TOKENS, (token) => sendOn(track, port, { token, body: 'held!' }))).toEqual([
    200, 200, 200, 200,
  ])
  const ahead = events.slice(0, events.indexOf('!'))
  expect(ahead.filter((event) => event.startsWith('head'))).toEqual(
    Array.from({ length: 4 }, () => 'head /bucket/key?x-id=PutObject'),
  )
  expect(ahead.filter((event) => event === 'held')).toHaveLength(4)
})

test('without a body all are connected before the first of them sends anything', async () => {
  let connected = 0
  const all = Promise.withResolvers<void>()
  const seen: number[] = []
  const port = await listen(
    '127.0.0.1',
    (incoming, reply) => {
      seen.push(connected)
      incoming.resume()
      reply.end()
    },
    () => {
      if (++connected === 4) all.resolve()
    },
  )
  const track = trackOn(['127.0.0.1'], () => all.promise)
  await track.run(TOKENS, (token) => sendOn(track, port, { token, body: '' }))
  expect(seen).toEqual([4, 4, 4, 4])
})

test('connections are used again, until one turns out to be closed without notice', async () => {
  const sockets = new Set<Socket>()
  let dropped = 0
  let drop = false
  const port = await listen('127.0.0.1', (incoming, reply) => {
    sockets.add(incoming.socket)
    incoming.resume()
    incoming.on('end', () => {
      if (drop && ++dropped <= 4) incoming.socket.destroy()
      else reply.end()
    })
  })
  const track = trackOn(['127.0.0.1'])
  const go = () =>
    track.run(TOKENS, async (token) => {
      try {
        return await sendOn(track, port, { token })
      } catch {
        return 'lost'
      }
    })
  await go()
  expect(await go()).toEqual([200, 200, 200, 200])
  expect(sockets.size).toBe(4)
  drop = true
  expect(await go()).toEqual(['lost', 'lost', 'lost', 'lost'])
  expect(await go()).toEqual([200, 200, 200, 200])
  expect(await go()).toEqual([200, 200, 200, 200])
  expect(sockets.size).toBe(12)
})

// Other systems have one address of the loopback.
test.skipIf(process.platform !== 'linux')(
  'every address of the name is used, except one that refuses connections',
  async () => {
    const used: string[] = []
    const serve = (incoming: IncomingMessage, reply: ServerResponse) => {
      used.push(incoming.socket.localAddress ?? '')
      incoming.resume()
      incoming.on('end', () => reply.end())
    }
    const port = await listen('127.0.0.1', serve)
    for (const host of ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5', '127.0.0.6']) {
      const server = createServer(serve)
      server.listen(port, host)
      await once(server, 'listening')
      closing.push(() => {
        server.closeAllConnections()
        server.close()
      })
    }
    const names = ['1', '2', '3', '4', '5', '6', '7'].map((last) => `127.0.0.${last}`)
    const track = trackOn(names)
    const go = () => track.run(TOKENS, (token) => sendOn(track, port, { token }))
    await go()
    expect(used.toSorted()).toEqual(names.slice(0, 4))
    await go()
    expect(used.slice(4).toSorted()).toEqual(['127.0.0.1', '127.0.0.2', '127.0.0.5', '127.0.0.6'])
  },
)

test('one that fails before it is ready does not keep the others', async () => {
  const port = await listen('127.0.0.1', (incoming, reply) => {
    incoming.resume()
    incoming.on('end', () => reply.end())
  })
  const track = trackOn(['127.0.0.1'])
  const go = track.run(TOKENS, async (token) => {
    if (token === 'b') throw new Error('no credentials')
    return sendOn(track, port, { token })
  })
  await expect(go).rejects.toThrow('no credentials')
})
