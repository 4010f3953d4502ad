import type { Queue } from '@sluice/core'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { IDLE_TIMEOUT_MS, MIN_BYTES_PER_SECOND, systemRuntime } from '@sluice/core/backend'
import { ManualRuntime } from '@sluice/testkit'
import { CompiledQuery } from 'kysely'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { optionsSchema } from '../../src/sql-options.js'
import { StatementWatch } from '../../src/postgres/connection/statement-watch.js'
import { wrapStatements } from '../support/crashing-dialect.js'
import { freshPrefix, startRelay, type Relay } from '../support/postgres-harness.js'
import { freshDirectory } from '../support/sqlite-harness.js'

const UNAVAILABLE = expect.objectContaining({ code: 'SLUICE_QUEUE_UNAVAILABLE', retryable: true })

describe('the watch of a statement', () => {
  const timeoutMs = 5_000
  let stream: PassThrough
  let overdue: string[]
  let runtime: ManualRuntime
  let watch: StatementWatch

  beforeEach(() => {
    runtime = new ManualRuntime()
    stream = new PassThrough()
    overdue = []
    watch = new StatementWatch(stream, { timeoutMs, runtime }, ({ message }) => overdue.push(message))
  })

  async function pass(ms: number): Promise<string[]> {
    await runtime.advance(ms)
    return overdue
  }

  test('ends one without an answer at the timeout', async () => {
    watch.start(() => 0)
    expect(await pass(timeoutMs - 1)).toEqual([])
    expect(await pass(1)).toEqual(['no answer within 5000 ms'])
  })

  test('gives a large request the time of its bytes', async () => {
    watch.start(() => 3 * MIN_BYTES_PER_SECOND)
    expect(await pass(timeoutMs + 2_999)).toEqual([])
    expect(await pass(1)).toHaveLength(1)
  })

  test('allows an answer to continue while its bytes arrive at the minimum rate', async () => {
    const end = watch.start(() => 0)
    for (let second = 0; second < 60; second++) {
      stream.write(Buffer.alloc(MIN_BYTES_PER_SECOND))
      expect(await pass(1_000)).toEqual([])
    }
    end()
    expect(await pass(100_000)).toEqual([])
  })

  test('ends an answer that stops, after the idle limit', async () => {
    watch.start(() => 0)
    stream.write(Buffer.alloc(100 * MIN_BYTES_PER_SECOND))
    await pass(2_000)
    stream.write(Buffer.alloc(1))
    expect(await pass(IDLE_TIMEOUT_MS - 1)).toEqual([])
    expect(await pass(1)).toHaveLength(1)
  })

  test('ends each of several statements by its own start, with one timer', async () => {
    for (let n = 0; n < 10; n++) {
      const end = watch.start(() => 0)
      expect(await pass(timeoutMs - 1)).toEqual([])
      end()
      expect(runtime.sleeping).toBeLessThanOrEqual(1)
    }
    watch.start(() => 0)
    expect(await pass(timeoutMs - 1)).toEqual([])
    expect(await pass(1)).toEqual(['no answer within 5000 ms'])
  })

  test('begins the time of a statement behind others when the answer before it is complete', async () => {
    const [first, second] = [watch.start(() => 0), watch.start(() => 0)]
    watch.start(() => 0)
    for (const end of [first, second]) {
      stream.write(Buffer.alloc(1))
      expect(await pass(timeoutMs - 1)).toEqual([])
      end()
    }
    expect(await pass(timeoutMs - 1)).toEqual([])
    expect(await pass(1)).toEqual(['no answer within 5000 ms'])
    expect(await pass(10 * timeoutMs)).toHaveLength(1)
  })

  test('ends an answer that drips', async () => {
    watch.start(() => 0)
    for (let spentMs = 0; spentMs < timeoutMs; spentMs += 100) {
      stream.write(Buffer.alloc(1))
      await pass(100)
    }
    expect(await pass(100)).toHaveLength(1)
  })
})

test('the watch of a statement ends a large request that is no longer sent', async () => {
  const server = createServer((socket) => socket.pause())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const socket = connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1')
  await once(socket, 'connect')
  const overdue: string[] = []
  const watch = new StatementWatch(
    socket,
    { timeoutMs: 100, idleMs: 300, runtime: systemRuntime },
    ({ message }) => overdue.push(message),
  )
  const request = Buffer.alloc(64_000_000)
  socket.write(request)
  const end = watch.start(() => request.length)
  await expect.poll(() => overdue, { timeout: 20_000 }).toEqual(['no answer within 300 ms'])
  end()
  socket.destroy()
  server.close()
})

describe('on PostgreSQL', () => {
  const url = inject('postgresUrl')
  const timeoutMs = 1_000
  let relay: Relay
  let tablePrefix: string
  let queue: Queue
  let client: pg.Client

  beforeEach(async () => {
    relay = await startRelay(url)
    tablePrefix = freshPrefix()
    queue = await openSqlQueue(
      optionsSchema.parse({
        name: 'time',
        url: relay.url,
        tablePrefix,
        timeoutMs,
        poolSize: 2,
      }),
    )
    client = new pg.Client({ connectionString: url })
    await client.connect()
  })

  afterEach(async () => {
    await queue.close()
    await relay.cut()
    await client.end()
  })

  test('a slow line within the limit carries bodies for longer than the timeout', async () => {
    const body = 'x'.repeat(400_000)
    relay.slow(160_000)
    const startedAt = performance.now()
    await queue.put('large', body)
    expect((await queue.get(1))[0]?.body).toBe(body)
    expect(performance.now() - startedAt).toBeGreaterThan(2 * timeoutMs)
  })

  test('a stopped server process affects no other call, and its connection is closed', async () => {
    await queue.put('a', 1)
    const { rows } = await client.query<{ pid: number }>(
      `select pid from pg_stat_activity where application_name = 'sluice' and query like '%' || $1 || '%'`,
      [tablePrefix],
    )
    expect(rows).toHaveLength(1)
    for (const { pid } of rows) process.kill(pid, 'SIGSTOP')
    try {
      await expect(queue.put('b', 2)).rejects.toEqual(UNAVAILABLE)
      // Another connection, to another process of the server.
      expect(await queue.size('WAITING')).toBe(1)
      await queue.put('c', 3)
    } finally {
      for (const { pid } of rows) process.kill(pid, 'SIGCONT')
    }
    await expect.poll(async () => (await alive(rows[0]?.pid ?? 0)).length).toBe(0)
  })

  async function alive(pid: number): Promise<unknown[]> {
    return (await client.query('select 1 from pg_stat_activity where pid = $1', [pid])).rows
  }

  test('a statement that takes too long is also cancelled on the server', async () => {
    const mark = `/* ${freshPrefix()} */`
    let isSlow = false
    const slow = await openSqlQueue(
      optionsSchema.parse({ name: 'slow', url, tablePrefix: freshPrefix(), timeoutMs: 300, poolSize: 1 }),
      {
        wrap: (dialect) =>
          wrapStatements(dialect, (query, execute) =>
            execute(isSlow ? CompiledQuery.raw(`select ${mark} pg_sleep(300)`) : query),
          ),
      },
    )
    isSlow = true
    await expect(slow.sizes()).rejects.toEqual(UNAVAILABLE)
    isSlow = false
    expect(await slow.size('WAITING')).toBe(0)
    const running = async () =>
      (
        await client.query(
          `select 1 from pg_stat_activity where state = 'active' and query like 'select ${mark}%'`,
        )
      ).rowCount
    await expect.poll(running).toBe(0)
    await slow.close()
  })
})

describe('a database whose every statement is slow', () => {
  const url = inject('postgresUrl')
  const timeoutMs = 300
  let isSlow: boolean
  let queue: Queue

  beforeEach(async () => {
    isSlow = false
    queue = await openSqlQueue(
      optionsSchema.parse({ name: 'slow', url, tablePrefix: freshPrefix(), timeoutMs }),
      {
        wrap: (dialect) =>
          wrapStatements(dialect, async (query, execute) => {
            const result = await execute(query)
            if (isSlow) await pause(0.7 * timeoutMs)
            return result
          }),
      },
    )
  })
  afterEach(() => queue.close())

  test('returns the claimed items when the time of a claim is over, and loses none', async () => {
    await queue.putMany(Array.from({ length: 9 }, (_, n) => ({ id: `i${n}`, body: n, priority: -n })))
    isSlow = true
    const first = await queue.get(9)
    isSlow = false
    expect(first.map(({ id }) => id)).toEqual(['i0'])
    const rest = Array.from({ length: 8 }, (_, n) => `i${n + 1}`)
    expect((await queue.get(9)).map(({ id }) => id)).toEqual(rest)
  })

  test('ends a settle whose refusals cannot be explained in time; moves that were done are kept', async () => {
    await queue.put('a', 1)
    await queue.get(1)
    const outcomes = ['a', 'unknown'].map((id) => ({ id, attempt: 1, stage: 'SUCCESS' }) as const)
    isSlow = true
    await expect(queue.settle(outcomes)).rejects.toEqual(UNAVAILABLE)
    isSlow = false
    expect(await queue.lookupStatus('a')).toBe('SUCCESS')
    const refused = [{ id: 'unknown', attempt: 1, reason: 'not-found' }]
    expect(await queue.settle(outcomes)).toEqual({ settled: 1, refused })
  })
})

describe('on SQLite, while another process holds the write lock', () => {
  const directory = freshDirectory()
  const path = join(directory, 'queue.db')
  const timeoutMs = 300
  let queue: Queue
  let holder: ChildProcess

  beforeEach(async () => {
    queue = await openSqlQueue(optionsSchema.parse({ name: 'time', url: `sqlite:${path}`, timeoutMs }))
    await queue.putMany([
      { id: 'claimed', body: 1 },
      { id: 'waiting', body: 2 },
    ])
    await queue.get(1)
    const text = `const { DatabaseSync } = require('node:sqlite')
      const database = new DatabaseSync(process.argv[1])
      database.exec('begin immediate')
      process.stdout.write('locked')
      process.stdin.on('end', () => process.exit()).resume()`
    holder = spawn(process.execPath, ['-e', text, path], { stdio: ['pipe', 'pipe', 'ignore'] })
    if (holder.stdout !== null) await once(holder.stdout, 'data')
  })

  afterEach(async () => {
    await queue.close()
    rmSync(directory, { recursive: true, force: true })
  })

  test('each call that writes ends in time, those that read go on, and all goes on once it is free', async () => {
    const lease = { name: 'dispatcher', holder: 'me', fencingToken: 1, ttlMs: 1_000 }
    const writes: (() => Promise<unknown>)[] = [
      () => queue.put('a', 1),
      () => queue.get(1),
      () => queue.success('claimed'),
      () => queue.settle([{ id: 'claimed', attempt: 1, stage: 'SUCCESS' }]),
      () => queue.requeue(['claimed']),
      () => queue.remove(['waiting']),
      () => queue.lease(lease.name, lease.holder, lease.ttlMs),
      () => queue.control.sync(),
      () => queue.control.setLimits({ maxProcessing: 1 }),
      () => queue.document('notes').write(1, { ifVersion: undefined }),
    ]
    const startedAt = performance.now()
    const outcomes = Promise.allSettled(writes.map(async (write) => write()))
    expect(await queue.sizes()).toMatchObject({ WAITING: 1, PROCESSING: 1 })
    expect(await queue.lookup('waiting')).toMatchObject({ body: 2 })
    for (const outcome of await outcomes) expect(outcome).toEqual({ status: 'rejected', reason: UNAVAILABLE })
    expect(performance.now() - startedAt).toBeLessThan(queue.supports.longestCallMs ?? 0)
    holder.stdin?.end()
    await once(holder, 'close')
    for (const write of writes) await write()
  })
})
