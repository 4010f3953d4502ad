import pg from 'pg'

/** The most that was seen of a table, and the last. */
export interface DeadRows {
  readonly most: number
  readonly last: number
}

/** What a statement cost in a span of time. */
export interface StatementCost {
  readonly text: string
  readonly calls: number
  readonly meanMs: number
  readonly totalMs: number
  readonly rowsEach: number
  /** Pages read of the buffers or the disk, for each call. */
  readonly pagesEach: number
}

interface Row {
  readonly queryid: string
  readonly query: string
  readonly calls: number
  readonly ms: number
  readonly rows: number
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
      total_exec_time as ms, rows::float8, (shared_blks_hit + shared_blks_read)::float8 as pages
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

/** The statements that took most between two readings, the most expensive first. */
export function costsBetween(before: Statements, after: Statements, most = 8): StatementCost[] {
  const costs = [...after].flatMap(([id, row]): StatementCost[] => {
    const earlier = before.get(id)
    const calls = row.calls - (earlier?.calls ?? 0)
    if (calls <= 0) return []
    const totalMs = row.ms - (earlier?.ms ?? 0)
    const rowsEach = (row.rows - (earlier?.rows ?? 0)) / calls
    const pagesEach = (row.pages - (earlier?.pages ?? 0)) / calls
    return [{ text: row.query, calls, meanMs: totalMs / calls, totalMs, rowsEach, pagesEach }]
  })
  return costs.toSorted((a, b) => b.totalMs - a.totalMs).slice(0, most)
}
