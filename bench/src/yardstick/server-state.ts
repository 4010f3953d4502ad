import pg from 'pg'

/** The most that was seen of a table, and the last. */
export interface DeadRows {
  readonly most: number
  readonly last: number
}

/** What a statement cost in each part of a span of time; 0 where it was not called. */
export interface StatementCost {
  /** The tables that it writes, or reads. */
  readonly statement: string
  readonly calls: readonly number[]
  readonly meanMs: readonly number[]
  /** Pages read of the buffers or the disk, for each call. */
  readonly pagesEach: readonly number[]
}

interface Row {
  readonly queryid: string
  readonly query: string
  readonly calls: number
  readonly ms: number
  readonly pages: number
}

/** All statements so far, by their ids. */
export type Statements = ReadonlyMap<string, Row>

/** Reads what the server counts of its tables and its statements. */
export class ServerState {
  readonly #client: pg.Client
  readonly #dead = new Map<string, DeadRows>()

  private constructor(client: pg.Client) {
    this.#client = client
  }

  static async open(url: string): Promise<ServerState> {
    const client = new pg.Client({ connectionString: url })
    // A server that is restarted ends it: what is read next rejects.
    client.on('error', () => undefined)
    await client.connect()
    await client.query('create extension if not exists pg_stat_statements')
    return new ServerState(client)
  }

  /** Notes the dead rows of each table, by the server's own count. */
  async note(): Promise<void> {
    const { rows } = await this.#client.query<{ relname: string; dead: number }>(
      'select relname, n_dead_tup::float8 as dead from pg_stat_user_tables',
    )
    for (const { relname, dead } of rows) {
      const most = Math.max(dead, this.#dead.get(relname)?.most ?? 0)
      this.#dead.set(relname, { most, last: dead })
    }
  }

  /** What was noted since the last call; tables without a dead row are left out. */
  takeDeadRows(): Record<string, DeadRows> {
    const seen = Object.fromEntries([...this.#dead].filter(([, { most }]) => most > 0))
    this.#dead.clear()
    return seen
  }

  async statements(): Promise<Statements> {
    const { rows } = await this.#client.query<Row>(`select queryid::text, query, calls::float8,
      total_exec_time as ms, (shared_blks_hit + shared_blks_read)::float8 as pages
      from pg_stat_statements s join pg_database d on d.oid = s.dbid where d.datname = current_database()`)
    return new Map(rows.map((row) => [row.queryid, row]))
  }

  async diskBytes(): Promise<number> {
    const { rows } = await this.#client.query<{ bytes: number }>(
      'select pg_database_size(current_database())::float8 as bytes',
    )
    return rows[0]?.bytes ?? 0
  }

  async close(): Promise<void> {
    await this.#client.end()
  }
}

/** The statements that took most, the most expensive first, between each reading and the next. */
export function costsOf(readings: readonly Statements[], most = 8): StatementCost[] {
  const [first, last] = [readings[0], readings.at(-1)]
  const rows = [...(last ?? [])].toSorted(([a], [b]) => spent(b).ms - spent(a).ms)
  return rows.slice(0, most).map(([id, { query }]) => {
    const parts = readings.slice(1).map((reading, index) => difference(reading, readings[index], id))
    return {
      statement: labelOf(query),
      calls: parts.map(({ calls }) => calls),
      meanMs: parts.map(({ calls, ms }) => ms / Math.max(1, calls)),
      pagesEach: parts.map(({ calls, pages }) => pages / Math.max(1, calls)),
    }
  })

  function spent(id: string) {
    return difference(last, first, id)
  }
}

function difference(after: Statements | undefined, before: Statements | undefined, id: string) {
  const [to, from] = [after?.get(id), before?.get(id)]
  return {
    calls: (to?.calls ?? 0) - (from?.calls ?? 0),
    ms: (to?.ms ?? 0) - (from?.ms ?? 0),
    pages: (to?.pages ?? 0) - (from?.pages ?? 0),
  }
}

/** The same for any layout of the tables. */
function labelOf(query: string): string {
  const written = [...query.matchAll(/(insert into|delete from|update) "?([a-z_0-9]+)/gu)]
  if (written.length > 0)
    return written.map(([, verb = '', table]) => `${verb.split(' ')[0]} ${table}`).join(', ')
  const read = new Set([...query.matchAll(/(?:from|join) "?([a-z_0-9]+)/gu)].map(([, table]) => table))
  return `select ${[...read].join(', ')}`
}
