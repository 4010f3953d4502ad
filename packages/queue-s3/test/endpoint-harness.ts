import { randomUUID } from 'node:crypto'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { Queue } from '@sluice/core'
import type { QueueHarness } from '@sluice/testkit'
import { openQueue } from '../src/index.js'

const {
  SLUICE_TEST_S3_ENDPOINT: endpoint = '',
  SLUICE_TEST_S3_ACCESS_KEY: accessKeyId = '',
  SLUICE_TEST_S3_SECRET_KEY: secretAccessKey = '',
  SLUICE_TEST_S3_BUCKET: bucket = 'sluice-test',
  SLUICE_TEST_S3_REGION: region = 'us-east-1',
} = process.env

/** Whether a store of one's own is given by the environment. */
export const isEndpointGiven = endpoint !== ''

/** What opens a queue there. */
export function endpointOptions(prefix: string, name = 'contract', at = endpoint) {
  return { name, bucket, prefix, endpoint: at, region, credentials: { accessKeyId, secretAccessKey } }
}

/** A probe is a hundred requests, for each queue and for each address of the store. */
function unprobed(...place: Parameters<typeof endpointOptions>) {
  return { ...endpointOptions(...place), probe: 'off' as const }
}

/** The first queue is opened as a user opens it. */
let isProbed = false

/** A prefix of its own on a real store, whose clock can't be set on: time is waited for. */
export async function endpointHarness(): Promise<QueueHarness> {
  const prefix = `contract-${randomUUID()}`
  const closing: (() => Promise<void>)[] = []
  const open = async (
    options: ReturnType<typeof endpointOptions> & { timeoutMs?: number; probe?: 'off' },
  ): Promise<Queue> => {
    const queue = await openQueue(options)
    closing.push(() => queue.close())
    return queue
  }
  return {
    open: (name) => {
      const how = isProbed ? unprobed : endpointOptions
      isProbed = true
      return open(how(prefix, name))
    },
    // The store's clock has whole seconds: a process may be as much behind.
    passTime: (ms) => pause(ms + 1_000),
    openCrashing: async (point) => {
      const proxy = await startProxy()
      closing.push(proxy.close)
      const queue = await open(unprobed(prefix, 'contract', proxy.url))
      proxy.crashAfter(point, () => void queue.close())
      return { queue, crashed: proxy.crashed }
    },
    openUnreachable: async () => {
      const proxy = await startProxy()
      // A third of it is a request's own: enough for a busy store to answer while the queue is opened.
      const queue = await open({ ...unprobed(prefix, 'contract', proxy.url), timeoutMs: 6_000 })
      await proxy.close()
      return queue
    },
    close: async () => {
      await Promise.all(closing.map((close) => close()))
    },
  }
}

/** Passes requests on until the process behind it dies. */
async function startProxy() {
  const target = new URL(endpoint)
  let left = Number.POSITIVE_INFINITY
  let dead = false
  let died: (() => void) | undefined
  const server = createServer((incoming, reply) => {
    if (left <= 0 && !dead) {
      dead = true
      died?.()
    }
    left -= 1
    if (dead) incoming.socket.destroy()
    else passOn(target, incoming, reply)
  })
  const listening = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', listening.resolve)
  await listening.promise
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    crashAfter: (requests: number, then: () => void) => {
      left = requests
      died = then
    },
    crashed: () => dead,
    close: async () => {
      const closed = Promise.withResolvers<void>()
      server.closeAllConnections()
      server.close(() => closed.resolve())
      await closed.promise
    },
  }
}

/** The host is part of what was signed: it stays as it came. */
function passOn(target: URL, incoming: IncomingMessage, reply: ServerResponse): void {
  const { method, url, headers } = incoming
  const onward = request(
    { host: target.hostname, port: target.port, method, path: url, headers },
    (answer) => {
      reply.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(reply)
    },
  )
  onward.on('error', () => incoming.socket.destroy())
  incoming.pipe(onward)
}
