import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { systemRuntime } from '@sluice/core/backend'
import type { PostgresPool, PostgresQueryResult } from 'kysely'
import { beforeEach, describe, expect, inject, onTestFinished, test } from 'vitest'
import { BriefConnections, type TakenConnection } from '../../src/postgres/connection/brief-connections.js'
import { postgresPool } from '../../src/postgres/connection/pool.js'
import { optionsSchema } from '../../src/sql-options.js'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { freshPrefix } from '../support/postgres-harness.js'

/** A pool that answers when told to, and writes down what is asked of it. */
class ScriptedPool {
  readonly log: string[] = []
  isAwaited = false
  readonly connections = new BriefConnections({
    take: () => Promise.resolve(this.#taken()),
    isAwaited: () => this.isAwaited,
  })
  #number = 0
  readonly #answers: ((failure?: Error) => void)[] = []

  ask(text: string): Promise<unknown> {
    return this.connections.connect().query(text, [])
  }

  /** Settles the oldest statement that has no answer. */
  async answer(failure?: Error): Promise<void> {
    await systemRuntime.yield()
    this.#answers.shift()?.(failure)
    await systemRuntime.yield()
  }

  #taken(): TakenConnection {
    const name = `connection ${++this.#number}`
    const query = async <R>(
      text: string,
      parameters: readonly unknown[],
    ): Promise<PostgresQueryResult<R>> => {
      this.log.push([`${name}: ${text}`, ...parameters].join(' '))
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      this.#answers.push((failure) => (failure === undefined ? resolve() : reject(failure)))
      await promise
      return { command: 'SELECT', rowCount: 0, rows: [] }
    }
    return {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the second form, for cursors, is unused
      query: query as TakenConnection['query'],
      release: () => this.log.push(`${name}: released`),
      setPipelining: (isOn) => this.log.push(`${name}: pipelining ${isOn ? 'on' : 'off'}`),
    }
  }
}

describe('the connections of a short command', () => {
  test('concurrent reads share one, which the last releases', async () => {
    const pool = new ScriptedPool()
    const reads = [pool.ask('select 1'), pool.ask('/* planned each time */ SELECT 2')]
    await pool.answer()
    expect(pool.log).not.toContain('connection 1: released')
    await pool.answer()
    await Promise.all(reads)
    expect(pool.log).toEqual([
      'connection 1: pipelining on',
      'connection 1: select 1',
      'connection 1: /* planned each time */ SELECT 2',
      'connection 1: pipelining off',
      'connection 1: released',
    ])
  })

  test('a write, and all of a transaction, have their own', async () => {
    const pool = new ScriptedPool()
    const read = pool.ask('select 1')
    const own = pool.connections.connect()
    for (const text of ['begin', 'select 2']) {
      const asked = own.query(text, [])
      await pool.answer()
      await pool.answer()
      await asked
    }
    own.release()
    await read
    const ofSecond = pool.log.filter((line) => line.startsWith('connection 2'))
    expect(ofSecond).toEqual(['connection 2: begin', 'connection 2: select 2', 'connection 2: released'])
  })

  test('after a failure no read joins, and those under way go on', async () => {
    const pool = new ScriptedPool()
    const [failing, other] = [pool.ask('select 1'), pool.ask('select 2')]
    await Promise.all([pool.answer(new Error('gone')), expect(failing).rejects.toThrow('gone')])
    const next = pool.ask('select 3')
    await pool.answer()
    await pool.answer()
    await Promise.all([other, next])
    expect(pool.log).toContain('connection 2: select 3')
  })

  test.each([
    ['a ninth read', () => 8],
    [
      'a read while another call waits for a connection',
      (pool: ScriptedPool) => Number((pool.isAwaited = true)),
    ],
  ])('%s does not join', async (_, before) => {
    const pool = new ScriptedPool()
    const count = before(pool)
    const reads = Array.from({ length: count + 1 }, (__, index) => pool.ask(`select ${index}`))
    for (let n = 0; n <= count; n++) await pool.answer()
    await Promise.all(reads)
    expect(pool.log).toContain(`connection 2: select ${count}`)
  })
})

type Ask = (text: string, parameters?: readonly unknown[]) => Promise<unknown>

function askOf(pool: PostgresPool): Ask {
  return async (text, parameters = []) => {
    const connection = await pool.connect()
    const { rows } = await connection.query<unknown>(text, parameters).finally(() => connection.release())
    return rows[0]
  }
}

describe('on PostgreSQL', () => {
  const url = inject('postgresUrl')
  const settings = optionsSchema.parse({ name: 'brief', url, timeoutMs: 1_000 })
  let ask: Ask

  beforeEach(() => {
    const pool = postgresPool(url, settings, { runtime: systemRuntime, brief: true })
    ask = askOf(pool)
    return () => pool.end()
  })

  test('each of several reads at once has its own outcome', async () => {
    const same = 'select $1::int + 1 as sum, pg_backend_pid() as pid'
    const outcomes = await Promise.allSettled([
      ask(same, [1]),
      ask('select 1 / 0'),
      ask('select 1 from no_such_table where $1', [true]),
      ask(same, [2]),
      ask('select 7 as plain, pg_backend_pid() as pid'),
    ])
    const pid = expect.any(Number)
    expect(outcomes).toMatchObject([
      { value: { sum: 2, pid } },
      { reason: { code: '22012' } },
      { reason: { code: '42P01' } },
      { value: { sum: 3, pid } },
      { value: { plain: 7, pid } },
    ])
    const pids = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    expect(new Set(pids.map((row) => Object(row).pid)).size).toBe(1)
  })

  test('reads behind one without an answer end with it, and the next ones have another connection', async () => {
    const outcomes = await Promise.allSettled([ask('select pg_sleep(300)'), ask('select 1')])
    const overdue = { status: 'rejected', reason: { name: 'StatementOverdueError' } }
    expect(outcomes).toMatchObject([overdue, overdue])
    expect(await ask('select 2 as two')).toEqual({ two: 2 })
  })

  test('closing does not wait for the server', async () => {
    const target = new URL(url)
    const ended = Promise.withResolvers<void>()
    const server = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect(Number(target.port || 5432), target.hostname)
      for (const socket of [near, far]) socket.on('error', () => socket.destroy())
      near.pipe(far)
      // That the server has closed is kept back.
      far.pipe(near, { end: false })
      near.on('end', () => ended.resolve())
      onTestFinished(() => void near.destroy())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const address = server.address()
    const through = new URL(url)
    through.port = String(typeof address === 'object' ? address?.port : '')
    const patient = { ...settings, timeoutMs: 600_000 }
    const pool = postgresPool(through.href, patient, { runtime: systemRuntime, brief: true })
    await askOf(pool)('select 1')
    await pool.end()
    // The server has been told.
    expect(await ended.promise).toBeUndefined()
  })

  test('an opening warns of settings with which data can be lost, and reports tables of a newer release', async () => {
    const options = { ...settings, tablePrefix: freshPrefix(), url }
    await (await openSqlQueue(options)).close()
    await ask(`alter table ${options.tablePrefix}limits set unlogged`)
    const warnings: string[] = []
    await (await openSqlQueue(options, { brief: true, warn: (text) => warnings.push(text) })).close()
    expect(warnings).toContainEqual(expect.stringContaining(`${options.tablePrefix}limits is unlogged`))
    await ask(`insert into ${options.tablePrefix}schema (version) values (99)`)
    await expect(openSqlQueue(options, { brief: true })).rejects.toMatchObject({
      code: 'SLUICE_QUEUE_CORRUPT',
      message: expect.stringContaining('version 99'),
    })
  })
})
