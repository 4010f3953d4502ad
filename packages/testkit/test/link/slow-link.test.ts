import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { SlowLink } from '../../src/link/index.js'

const closing: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function serverOf(onConnection: (socket: Socket) => void): Promise<{ host: string; port: number }> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => void server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { host: '127.0.0.1', port: address.port }
}

async function linkTo(...[target, speed]: Parameters<typeof SlowLink.open>): Promise<SlowLink> {
  const link = await SlowLink.open(target, speed)
  closing.push(() => link.close())
  return link
}

/** Sends, ends, and gives all that comes back. */
async function exchange(link: SlowLink, bytes: Buffer): Promise<Buffer> {
  const socket = connect(link.address)
  const parts: Buffer[] = []
  socket.on('data', (part) => parts.push(part))
  socket.end(bytes)
  await once(socket, 'close')
  return Buffer.concat(parts)
}

const echo = (socket: Socket): void => void socket.pipe(socket)

test('all bytes arrive as they were sent, over all connections no faster than the link, and are counted each way', async () => {
  const link = await linkTo(await serverOf(echo), { bytesPerSecond: 4_000_000, latencyMs: 5 })
  const startedAt = performance.now()
  const sent = Array.from({ length: 4 }, (_, index) => Buffer.alloc(500_000, `${index}`))
  const back = await Promise.all(sent.map((bytes) => exchange(link, bytes)))
  expect(back.map((bytes, index) => bytes.equals(sent[index] ?? Buffer.alloc(0)))).toEqual(
    Array(4).fill(true),
  )
  expect(link.bytes).toEqual({ up: 2_000_000, down: 2_000_000 })
  // A burst may go at once; a busy machine only makes it longer.
  expect(performance.now() - startedAt).toBeGreaterThan((2_000_000 - 300_000) / 4_000)
})

test('a connection that stops reading holds up no other', async () => {
  const link = await linkTo(
    await serverOf((socket) => {
      socket.once('data', (bytes) => {
        if (bytes[0] === 0x73) socket.pause()
        else socket.end(bytes)
      })
    }),
    { bytesPerSecond: 50_000_000 },
  )
  const stuck = connect(link.address)
  stuck.on('error', () => stuck.destroy())
  stuck.write(Buffer.alloc(20_000_000, 's'))
  expect((await exchange(link, Buffer.from('quick'))).toString()).toBe('quick')
  stuck.destroy()
})

test('a connection that breaks on one side breaks on the other', async () => {
  const sockets = Promise.withResolvers<Socket>()
  const link = await linkTo(await serverOf(sockets.resolve), { bytesPerSecond: 1_000_000 })
  const near = connect(link.address)
  near.on('error', () => near.destroy())
  near.write('hello')
  const far = await sockets.promise
  far.on('data', () => far.destroy())
  await once(near, 'close')
  expect([near.destroyed, far.destroyed]).toEqual([true, true])
  await link.close()
  closing.pop()
})
