import { createHash } from 'node:crypto'
import { Socket } from 'node:net'
import { type Runtime } from '@sluice/core'
import { requestTimeMs, startTimer } from '@sluice/core/backend'
import type { PostgresPool, PostgresQueryResult } from 'kysely'
import pg from 'pg'
import { isStalePlan } from '../../sql-errors.js'
import { COPY_IN, copyIn } from '../copy/copy-in.js'
import { BriefConnections, type TakenConnection } from './brief-connections.js'
import { splitCommitLevel, withCommitLevel, type CommitLevel } from './durability.js'
import type { SqlQueueSettings } from '../../sql-options.js'
import type { StoreOptions } from '../../sql-store.js'
import { cancelStatement, StatementWatch, type ServerProcess } from './statement-watch.js'

/**
 * Starts a statement that is planned at every call, because the best plan depends on the size of the tables.
 */
export const PLANNED_EACH_TIME = '/* planned each time */ '

/**
 * Starts a statement without a time limit, such as one that rewrites a large table: only the end of its
 * connection ends it.
 */
export const UNLIMITED = '/* unlimited */ '

/**
 * The server ends a statement once an answer of this size would have been sent at the slowest rate; the
 * client has given up long before.
 */
const LARGEST_ANSWER_BYTES = 67_108_864
/** The limit for connecting: long enough for two lost packets. */
const CONNECT_MS = 4_000
/** TCP keepalive: finds a connection whose peer vanished. */
const KEEP_ALIVE_MS = 30_000

/**
 * Connections plan each statement once, with index scans: every statement has an index for its lookups.
 * Planning at each call would cost half as much again, and a plan made for a small table would keep scanning
 * it as it grows.
 */
const PLANNING = '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off'

/**
 * A pool of `pg` for kysely. Statements are prepared under a name, so PostgreSQL parses and plans each once
 * per connection; kysely does not name statements.
 */
export function postgresPool(
  url: string,
  settings: SqlQueueSettings,
  { runtime, brief = false }: Pick<StoreOptions, 'runtime' | 'brief'>,
): PostgresPool {
  const sockets = new Set<Socket>()
  const { url: plainUrl, level } = splitCommitLevel(url)
  const pool = new pg.Pool({
    ...poolConfig(plainUrl, settings),
    stream: () => trackedSocket(sockets, runtime),
  })
  // A connection that breaks between two statements fails the next one; without listeners Node would end the
  // process.
  pool.on('error', ignore)
  pool.on('connect', (client) => client.on('error', ignore))
  const take = takerOf(pool, { ...settings, level, plans: new PlanGeneration(), runtime })
  // A call that takes an idle connection waits until the next tick.
  const isAwaited = () => pool.waitingCount > pool.idleCount
  const shared = new BriefConnections({ take, isAwaited })
  return {
    options: {},
    connect: brief ? () => Promise.resolve(shared.connect()) : take,
    end: async () => {
      // A server that vanished would keep the closing handshake, and so the process, waiting for minutes.
      const ended = new AbortController()
      const overdue = destroyWhenOverdue(
        sockets,
        runtime.sleep(settings.timeoutMs, ended.signal),
        ended.signal,
      )
      const closed = pool.end()
      await Promise.race([brief ? allSent(sockets) : closed, overdue])
      ended.abort()
      await overdue
    },
  }
}

/** Takes a connection out of a pool. */
function takerOf(pool: pg.Pool, settings: ClientSettings): () => Promise<TakenConnection> {
  const adapted = new WeakMap<pg.PoolClient, TakenConnection>()
  return async () => {
    const client = await currentClient(pool, settings.plans)
    const known = adapted.get(client)
    if (known !== undefined) return known
    const made = adaptClient(client, settings)
    adapted.set(client, made)
    return made
  }
}

/**
 * Until the system has taken the end of all connections. That the server closes them too is a round trip
 * later, and of no use to a short command.
 */
async function allSent(sockets: ReadonlySet<Socket>): Promise<void> {
  const sent = [...sockets].map(async (socket) => {
    if (!socket.writableFinished && !socket.destroyed)
      await new Promise<void>((resolve) => {
        socket.once('finish', resolve).once('close', () => resolve())
      })
    // It keeps no process alive.
    socket.unref()
  })
  await Promise.all(sent)
}

async function destroyWhenOverdue(
  sockets: ReadonlySet<Socket>,
  overdue: Promise<void>,
  ended: AbortSignal,
): Promise<void> {
  await overdue
  if (!ended.aborted) for (const socket of sockets) socket.destroy()
}

/** A connection whose prepared statements are usable; the pool replaces the others. */
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
    // The server gives up before the client does: its error says more than a timeout.
    lock_timeout: Math.ceil(timeoutMs * 0.9),
    idle_in_transaction_session_timeout: timeoutMs,
  }
  return {
    connectionString: preparedStatements ? withPlanning(url) : url,
    max: poolSize,
    connectionTimeoutMillis: timeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    // Some poolers refuse connections with session settings.
    ...(preparedStatements ? session : {}),
    // `bigint` as a number: instants, sequence numbers and counts stay far below 2^53. Only for connections
    // of this pool.
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

/** An address without an answer would otherwise use up the time of every call. */
function limitConnecting(socket: Socket, runtime: Runtime): void {
  const late = async (): Promise<void> => {
    // If the event loop was blocked, what has arrived meanwhile is read first.
    await runtime.yield()
    if (!socket.connecting) return
    const error = new Error(`connect ETIMEDOUT: no connection within ${CONNECT_MS / 1_000} s`)
    socket.destroy(Object.assign(error, { code: 'ETIMEDOUT' }))
  }
  // It never rejects.
  const timer = startTimer(runtime, { ms: CONNECT_MS, background: true }, () => void late())
  const cancel = (): void => timer.cancel()
  socket.once('connect', cancel)
  socket.once('close', cancel)
}

/** Adds the planner settings before the `options` of the url, which take precedence. */
export function withPlanning(url: string): string {
  const planned = new URL(url)
  const given = planned.searchParams.get('options')
  planned.searchParams.set('options', given === null ? PLANNING : `${PLANNING} ${given}`)
  return planned.href
}

interface ClientSettings extends SqlQueueSettings {
  /** The commit level of the url. */
  readonly level: CommitLevel | undefined
  readonly plans: PlanGeneration
  readonly runtime: Runtime
}

/** A statement as it is sent. */
interface Sent {
  readonly text: string
  readonly parameters: readonly unknown[]
  readonly isNamed: boolean
  readonly watch: StatementWatch
}

async function ask<R>(
  client: pg.PoolClient,
  { text, parameters, isNamed, watch }: Sent,
): Promise<PostgresQueryResult<R>> {
  const answer = client.query({
    text,
    values: [...parameters],
    ...(isNamed ? { name: statementName(text) } : {}),
  })
  const end = text.startsWith(UNLIMITED) ? undefined : watch.start(() => bytesOf(text, parameters))
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- these results have a command and a count
    return lastOf((await answer) as unknown as PostgresQueryResult<R> | PostgresQueryResult<R>[])
  } finally {
    end?.()
  }
}

/** The watch begins again with the rows: the answer to them comes after the last. */
async function copy(
  client: pg.PoolClient,
  { text, parameters, watch }: Sent,
): Promise<PostgresQueryResult<never>> {
  const [rows] = parameters
  let sent = 0
  let end: (() => void) | undefined
  const copying = copyIn(client, {
    text,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see COPY_IN
    rows: rows as Iterable<Buffer>,
    onReady: () => {
      end?.()
      end = watch.start(() => sent)
    },
    onSent: (bytes) => (sent += bytes),
  })
  end = watch.start(() => text.length)
  await copying.finally(() => end?.())
  // The type knows no COPY, and nothing reads the command.
  return { command: 'INSERT', rowCount: 0, rows: [] }
}

/** The server runs the statements of one client one after another, so one watch serves them all. */
function adaptClient(
  client: pg.PoolClient,
  { preparedStatements, timeoutMs, level, plans, runtime }: ClientSettings,
): TakenConnection {
  let broken = false
  const { stream } = client.connection
  const watch = new StatementWatch(stream, { timeoutMs, runtime }, (error) => {
    // A late answer would be taken for that of the next statement.
    broken = true
    const server = serverProcessOf(client)
    if (server !== undefined) cancelStatement(server, timeoutMs)
    stream.destroy(error)
  })
  async function query<R>(compiled: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    const isCopy = compiled.startsWith(COPY_IN)
    const isPrepared = parameters.length > 0 && !isCopy && !compiled.startsWith(PLANNED_EACH_TIME)
    const isNamed = preparedStatements && isPrepared
    const leveled = withCommitLevel(compiled, level)
    const text = isNamed ? plans.textOf(leveled) : leveled
    try {
      return await (isCopy ? copy : ask<R>)(client, { text, parameters, isNamed, watch })
    } catch (error) {
      if (isNamed && isStalePlan(error)) plans.end()
      // The connection ends with this error; a reused one would fail the next statement.
      broken ||= isEndOfConnection(error)
      throw error
    }
  }
  return {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- kysely's second form, for cursors, is unused
    query: query as TakenConnection['query'],
    release: (destroy) => client.release(destroy === true || broken),
    // An option of the client, which it reads at each statement. Not set for good: it refuses COPY.
    setPipelining: (isOn) => Reflect.set(client, 'pipeline', isOn),
  }
}

/**
 * Whether a server or a pooler closes the connection with this error. The severity is in the server's
 * language, codes are not.
 */
function isEndOfConnection(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return false
  const { severity, code = '' } = error
  return severity === 'FATAL' || severity === 'PANIC' || code.startsWith('57P') || code.startsWith('08')
}

/** Statements sent together, without parameters, have an answer each. */
function lastOf<R>(answer: PostgresQueryResult<R> | PostgresQueryResult<R>[]): PostgresQueryResult<R> {
  if (!Array.isArray(answer)) return answer
  const last = answer.at(-1)
  if (last === undefined) throw new Error('a query without an answer')
  return last
}

function bytesOf(text: string, parameters: readonly unknown[]): number {
  const statements = parameters.flatMap((each) => (Array.isArray(each) ? each : [each])).map(String)
  return statements.reduce((sum, each) => sum + Buffer.byteLength(each), Buffer.byteLength(text))
}

/** The process that serves a connection; some poolers do not name it. */
function serverProcessOf(client: pg.PoolClient): ServerProcess | undefined {
  const { host, port } = client
  if (!('processID' in client) || !('secretKey' in client)) return undefined
  const { processID: processId, secretKey } = client
  if (typeof processId !== 'number' || typeof secretKey !== 'number') return undefined
  return { host, port, processId, secretKey }
}

const names = new Map<string, string>()

/** PostgreSQL truncates names at 63 bytes. A hash is the same in every process, which poolers may rely on. */
function statementName(text: string): string {
  const known = names.get(text)
  if (known !== undefined) return known
  const name = `sluice_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
  names.set(text, name)
  return name
}

function ignore(): void {
  // The next statement on the connection fails.
}

/**
 * Which prepared statements are still usable. PostgreSQL refuses a prepared statement, before it does
 * anything, if the result type changed because a table was altered. All connections may have such statements,
 * also those of a pooler, which identifies them by their text: so connections are replaced and texts change.
 */
export class PlanGeneration {
  #number = 0
  readonly #clients = new WeakMap<pg.PoolClient, number>()

  /** Called for each connection before use: whether it was opened since statements were last found stale. */
  isCurrent(client: pg.PoolClient): boolean {
    const number = this.#clients.get(client) ?? this.#number
    this.#clients.set(client, number)
    return number === this.#number
  }

  /** Two connections that notice it at once make two generations, which costs a connection each. */
  end(): void {
    this.#number += 1
  }

  textOf(text: string): string {
    return this.#number === 0 ? text : `/* plan ${this.#number} */ ${text}`
  }
}
