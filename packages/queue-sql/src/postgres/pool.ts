import { createHash } from 'node:crypto'
import { Socket } from 'node:net'
import { requestTimeMs, type Runtime } from '@sluice/core'
import { startTimer } from '@sluice/core/backend'
import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely'
import pg from 'pg'
import { isStalePlan } from '../sql-errors.js'
import { splitCommitLevel, withCommitLevel, type CommitLevel } from './durability.js'
import type { SqlQueueSettings } from '../sql-options.js'
import { cancelStatement, StatementWatch, type ServerProcess } from './statement-watch.js'

/** Starts a statement that is to be planned at every call, since the best plan depends on how large the tables have become. */
export const PLANNED_EACH_TIME = '/* planned each time */ '

/** Starts a statement that may take as long as it needs, such as one that rewrites a large table: it ends with its connection alone. */
export const UNLIMITED = '/* unlimited */ '

/** The server ends a statement by itself once an answer of this size would have gone at the slowest rate: whoever asked is long gone then. */
const LARGEST_ANSWER_BYTES = 67_108_864
/** A connection that is not there by then has failed: two lost packets are made up for within it. */
const CONNECT_MS = 4_000
/** A connection whose other side is gone without a word is found so soon, and then within seconds. */
const KEEP_ALIVE_MS = 30_000

/**
 * How each of our connections plans: once, and by the indexes. Every statement here has an index for what it looks up; planned anew at
 * each call, it would cost half as much again, and a plan made while a table is small would go on reading it whole as it grows.
 */
const PLANNING = '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off'

/**
 * A pool of `pg` as kysely wants it. Statements are prepared under a name, so that PostgreSQL parses and plans each once a connection;
 * kysely never names them.
 */
export function postgresPool(url: string, settings: SqlQueueSettings, runtime: Runtime): PostgresPool {
  const sockets = new Set<Socket>()
  const { url: plainUrl, level } = splitCommitLevel(url)
  const pool = new pg.Pool({
    ...poolConfig(plainUrl, settings),
    stream: () => trackedSocket(sockets, runtime),
  })
  // A connection that breaks between two statements: the next one is told, and without listeners Node would end the process.
  pool.on('error', ignore)
  pool.on('connect', (client) => client.on('error', ignore))
  const adapted = new WeakMap<pg.PoolClient, PostgresPoolClient>()
  const plans = new PlanGeneration()
  return {
    options: {},
    connect: async () => {
      const client = await currentClient(pool, plans)
      const known = adapted.get(client)
      if (known !== undefined) return known
      const made = adaptClient(client, { ...settings, level, plans, runtime })
      adapted.set(client, made)
      return made
    },
    end: async () => {
      // A server that is gone without a word would keep the goodbye, and with it the process, waiting for many minutes.
      const ended = new AbortController()
      const overdue = runtime.sleep(settings.timeoutMs, ended.signal).then(() => {
        if (!ended.signal.aborted) for (const socket of sockets) socket.destroy()
      })
      await Promise.race([pool.end(), overdue])
      ended.abort()
      await overdue
    },
  }
}

/** One whose prepared statements can be used: others are closed, and the pool makes new ones. */
async function currentClient(pool: pg.Pool, plans: PlanGeneration): Promise<pg.PoolClient> {
  for (;;) {
    const client = await pool.connect()
    if (plans.isCurrent(client)) return client
    client.release(true)
  }
}

function poolConfig(url: string, settings: SqlQueueSettings): pg.PoolConfig {
  const { timeoutMs, poolSize, preparedStatements } = settings
  const session = {
    application_name: 'sluice',
    statement_timeout: requestTimeMs(timeoutMs, LARGEST_ANSWER_BYTES),
    // The server gives up a little before the client does: its word is worth more than silence.
    lock_timeout: Math.ceil(timeoutMs * 0.9),
    idle_in_transaction_session_timeout: timeoutMs,
  }
  return {
    connectionString: preparedStatements ? withPlanning(url) : url,
    max: poolSize,
    connectionTimeoutMillis: timeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    // Old poolers refuse a connection that wants session settings.
    ...(preparedStatements ? session : {}),
    // `bigint` as a number: instants, sequence numbers and counts stay far below 2^53. Only for our own connections.
    types: {
      getTypeParser: (oid, format) =>
        oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format),
    },
  }
}

function trackedSocket(sockets: Set<Socket>, runtime: Runtime): Socket {
  const socket = new Socket()
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
  limitConnecting(socket, runtime)
  return socket
}

/** An address that nobody answers at would else cost the whole of a call's time, each time. */
function limitConnecting(socket: Socket, runtime: Runtime): void {
  const late = async (): Promise<void> => {
    // After a turn of the event loop that was too long, what has come meanwhile is read first.
    await runtime.yield()
    if (!socket.connecting) return
    const error = new Error(`connect ETIMEDOUT: no connection within ${CONNECT_MS / 1_000} s`)
    socket.destroy(Object.assign(error, { code: 'ETIMEDOUT' }))
  }
  // It never rejects.
  const timer = startTimer(runtime, { ms: CONNECT_MS, background: true }, () => void late())
  socket.once('connect', timer.cancel)
  socket.once('close', timer.cancel)
}

/** Beside what the url itself asks of the session, which comes last and so wins. */
export function withPlanning(url: string): string {
  const planned = new URL(url)
  const given = planned.searchParams.get('options')
  planned.searchParams.set('options', given === null ? PLANNING : `${PLANNING} ${given}`)
  return planned.href
}

interface ClientSettings extends SqlQueueSettings {
  /** Of the url. */
  readonly level: CommitLevel | undefined
  readonly plans: PlanGeneration
  readonly runtime: Runtime
}

/** Statements of one client come one after the other, so that one watch serves them all. */
function adaptClient(
  client: pg.PoolClient,
  { preparedStatements, timeoutMs, level, plans, runtime }: ClientSettings,
): PostgresPoolClient {
  let broken = false
  const { stream } = client.connection
  const watch = new StatementWatch(stream, { timeoutMs, runtime }, (error) => {
    // An answer that is still to come would be taken for that of the next statement.
    broken = true
    const server = serverProcessOf(client)
    if (server !== undefined) cancelStatement(server, timeoutMs)
    stream.destroy(error)
  })
  async function query<R>(compiled: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    const isNamed = preparedStatements && parameters.length > 0 && !compiled.startsWith(PLANNED_EACH_TIME)
    const leveled = withCommitLevel(compiled, level)
    const text = isNamed ? plans.textOf(leveled) : leveled
    const answer = client.query({
      text,
      values: [...parameters],
      ...(isNamed ? { name: statementName(text) } : {}),
    })
    const end = text.startsWith(UNLIMITED) ? undefined : watch.start(() => bytesOf(text, parameters))
    try {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- pg allows for results without a command or a count; ours have both
      return lastOf((await answer) as unknown as PostgresQueryResult<R> | PostgresQueryResult<R>[])
    } catch (error) {
      if (isNamed && isStalePlan(error)) plans.end()
      // The connection ends with it, and whoever got it next would be told that, if its end has not come by then.
      broken ||= isEndOfConnection(error)
      throw error
    } finally {
      end?.()
    }
  }
  return {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- kysely's type has a second form, for cursors, which is not used here
    query: query as PostgresPoolClient['query'],
    release: (destroy) => client.release(destroy === true || broken),
  }
}

/** The last word of a server or a pooler on a connection. The severity is in the server's language, the codes are not. */
function isEndOfConnection(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return false
  const { severity, code = '' } = error
  return severity === 'FATAL' || severity === 'PANIC' || code.startsWith('57P') || code.startsWith('08')
}

/** What is sent together, without parameters, has an answer for each of its statements. */
function lastOf<R>(answer: PostgresQueryResult<R> | PostgresQueryResult<R>[]): PostgresQueryResult<R> {
  if (!Array.isArray(answer)) return answer
  const last = answer.at(-1)
  if (last === undefined) throw new Error('a query without an answer')
  return last
}

function bytesOf(text: string, parameters: readonly unknown[]): number {
  const texts = parameters.flatMap((each) => (Array.isArray(each) ? each : [each])).map(String)
  return texts.reduce((sum, each) => sum + Buffer.byteLength(each), Buffer.byteLength(text))
}

/** What a server says of itself when a connection is made; some poolers say nothing. */
function serverProcessOf(client: pg.PoolClient): ServerProcess | undefined {
  const { host, port } = client
  if (!('processID' in client) || !('secretKey' in client)) return undefined
  const { processID: processId, secretKey } = client
  if (typeof processId !== 'number' || typeof secretKey !== 'number') return undefined
  return { host, port, processId, secretKey }
}

const names = new Map<string, string>()

/** PostgreSQL cuts names at 63 bytes; a hash is the same in every process, which a pooler between us and it may rely on. */
function statementName(text: string): string {
  const known = names.get(text)
  if (known !== undefined) return known
  const name = `sluice_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
  names.set(text, name)
  return name
}

function ignore(): void {
  // Whoever uses the connection next finds out.
}

/**
 * Which of the statements that were prepared may still be used. PostgreSQL refuses to run a prepared statement once a table that it reads was changed so
 * that its answer would have other types; it does so before it does anything. All connections may have such statements, a pooler's too, which
 * knows them by their text: so from then on connections are new and texts are others.
 */
export class PlanGeneration {
  #number = 0
  readonly #clients = new WeakMap<pg.PoolClient, number>()

  /** To be called for each connection before it is used: whether it was made since statements were last found to be stale. */
  isCurrent(client: pg.PoolClient): boolean {
    const number = this.#clients.get(client) ?? this.#number
    this.#clients.set(client, number)
    return number === this.#number
  }

  /** Two connections that find it out at once are two generations, which costs no more than a connection each. */
  end(): void {
    this.#number += 1
  }

  textOf(text: string): string {
    return this.#number === 0 ? text : `/* plan ${this.#number} */ ${text}`
  }
}
