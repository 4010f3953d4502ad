import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { isSluiceError, type Queue } from '@sluice/core'
import type { CallSize, QueueHarness } from '@sluice/testkit'
import { SlowLink } from '@sluice/testkit/link'
import pg from 'pg'
import { openSqlQueue } from './open-sql-queue.js'
import { optionsSchema, type SqlQueueOptions, type SqlQueueSettings } from '../../src/sql-options.js'
import { tableNames } from '../../src/schema/tables.js'
import type { OpenOptions } from '../../src/sql-store.js'
import { Crash } from './crashing-dialect.js'
import { DEFAULT_NAME, asBeforeText, newerText } from './sqlite-harness.js'
import { startStatementProxy, type StatementProxy } from './statement-proxy.js'

/** A new table prefix; the tables end with the server. */
export function freshPrefix(): string {
  return `t${randomUUID().replaceAll('-', '').slice(0, 12)}_`
}

/** Short, and long enough for a busy machine to make a connection in. */
const TROUBLED_TIMEOUT_MS = 600
/** They wait most of the time. More of them would be late by what the others compute. */
const TROUBLES_AT_ONCE = 4
const MOST_OPENINGS = 20

/** Sets of tables whose harness was closed: emptying them is several times faster than making new ones. */
const spare: string[] = []

async function emptyTables(url: string, prefix: string): Promise<void> {
  const { queues, limits, leases, documents, counters, items, waiting, processing, finished, attempts } =
    tableNames(prefix)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const all = [
    waiting,
    processing,
    finished,
    attempts,
    items,
    counters,
    leases,
    documents,
    limits,
    queues,
  ].map((table) => `delete from ${table}`)
  // In one round trip, and one transaction.
  await client.query([...all, asBeforeText(prefix)].join(';'))
  await client.end()
}

async function runText(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(text)
  await client.end()
}

/**
 * With timeouts that are short for what comes after: nothing goes wrong yet, but on a busy machine a
 * connection may take longer.
 */
async function openPatiently(settings: SqlQueueSettings, how: OpenOptions): Promise<Queue> {
  for (let opening = 1; ; opening++) {
    try {
      return await openSqlQueue(settings, how)
    } catch (error) {
      if (opening === MOST_OPENINGS || !isSluiceError(error, 'SLUICE_QUEUE_UNAVAILABLE')) throw error
    }
  }
}

export async function postgresHarness(
  url: string,
  options: Partial<SqlQueueOptions> = {},
  how: OpenOptions = {},
): Promise<QueueHarness> {
  const tablePrefix = spare.pop() ?? freshPrefix()
  const opened: Queue[] = []
  const proxies: StatementProxy[] = []
  const links: SlowLink[] = []
  const settings = (name: string, more: Partial<SqlQueueOptions> = {}) =>
    optionsSchema.parse({ url, poolSize: 4, tablePrefix, ...options, name, ...more })
  const keep = <T extends Queue>(queue: T): T => {
    opened.push(queue)
    return queue
  }
  return {
    open: async (name = DEFAULT_NAME) => keep(await openSqlQueue(settings(name), how)),
    passTime: async (ms) => {
      // A timer may fire a fraction of a millisecond early.
      await pause(ms + 2)
    },
    openCrashing: async (point) => {
      const crash = new Crash(point, 'select pg_terminate_backend(pg_backend_pid())')
      const queue = keep(await openSqlQueue(settings(DEFAULT_NAME), { ...how, wrap: crash.wrap }))
      crash.arm()
      return { queue, crashed: () => crash.crashed }
    },
    openUnreachable: async () => {
      const relay = await startRelay(url)
      const more = { url: relay.url, timeoutMs: 1_000 }
      const queue = keep(await openPatiently(settings(DEFAULT_NAME, more), how))
      await relay.cut()
      return queue
    },
    openTroubled: async (trouble) => {
      const proxy = await startStatementProxy(url)
      proxies.push(proxy)
      const more = { url: proxy.url, timeoutMs: TROUBLED_TIMEOUT_MS }
      const queue = keep(await openPatiently(settings(DEFAULT_NAME, more), how))
      proxy.arm(trouble)
      return { queue, reached: proxy.reached, callMs: queue.supports.longestCallMs ?? 0 }
    },
    troublesAtOnce: TROUBLES_AT_ONCE,
    upgrade: async () => {
      await runText(url, newerText(tablePrefix))
      return async () => runText(url, asBeforeText(tablePrefix))
    },
    openSlow: async (speed) => {
      const { hostname, port } = new URL(url)
      const link = await SlowLink.open({ host: hostname, port: Number(port || 5432) }, speed)
      links.push(link)
      const queue = keep(await openSqlQueue(settings(DEFAULT_NAME, { url: at(url, link.address) }), how))
      return { queue, timeMs: callTimeMs, passedBytes: () => link.bytes }
    },
    close: async () => {
      await Promise.allSettled(opened.map((queue) => queue.close()))
      await Promise.all([...proxies, ...links].map((way) => way.close()))
      await emptyTables(url, tablePrefix)
      spare.push(tablePrefix)
    },
  }
}

/**
 * The longest of the README's table, for the default `timeoutMs`: five statements, or two for each batch of a
 * put.
 */
function callTimeMs({ items, bytes }: CallSize): number {
  const timeoutMs = 10_000
  const batches = Math.ceil(bytes / 8_000_000) + Math.ceil(items / 1_000)
  return timeoutMs + Math.max(5, 2 * batches) * 2 * timeoutMs + (2 * bytes * 1_000) / 65_536
}

/** The same database by another address. */
function at(url: string, { host, port }: { readonly host: string; readonly port: number }): string {
  const through = new URL(url)
  through.hostname = host
  through.port = String(port)
  return through.href
}

const SLOW_PART_BYTES = 8_192

export interface Relay {
  readonly url: string
  /** Passes nothing on any more, but keeps the connections, as a network does that swallows packets. */
  hold(): void
  /** Passes on what comes at this rate, both ways. */
  slow(bytesPerSecond: number): void
  /** Breaks the connections and refuses new ones. */
  cut(): Promise<void>
}

/** A way to the server that can be cut. */
export async function startRelay(url: string): Promise<Relay> {
  const target = new URL(url)
  const sockets = new Set<Socket>()
  let held = false
  let bytesPerSecond = Infinity
  const pass = async (from: Socket, to: Socket, data: Buffer): Promise<void> => {
    // A small part at a time, as a line does, and no more taken in than is passed on.
    from.pause()
    for (let at = 0; at < data.length; at += SLOW_PART_BYTES) {
      await pause((SLOW_PART_BYTES * 1_000) / bytesPerSecond)
      if (!held) to.write(data.subarray(at, at + SLOW_PART_BYTES))
    }
    from.resume()
  }
  const server = createServer((near) => {
    const far = connect(Number(target.port || 5432), target.hostname)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('data', (data: Buffer) => {
        if (held) return
        if (bytesPerSecond === Infinity) to.write(data)
        else void pass(from, to, data)
      })
      from.on('close', () => to.destroy())
      from.on('error', () => to.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: at(url, { host: '127.0.0.1', port: address.port }),
    hold: () => {
      held = true
    },
    slow: (rate) => {
      bytesPerSecond = rate
    },
    cut: async () => {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
