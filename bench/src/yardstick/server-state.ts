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
  readonly label: string
  readonly queryid: string
  readonly query: string
  readonly calls: number
  readonly ms: number
  readonly pages: number
}

/** All statements so far, by their ids. */
export type Statements = ReadonlyMap<string, Row>

/** Of each table, since it was made. */
export type Walked = ReadonlyMap<string, number>

/** For each item; tables with hardly any are left out. */
export function walkedBetween(before: Walked, after: Walked, items: number): Record<string, number> {
  const each = [...after].map(
    ([table, count]) => [table, (count - (before.get(table) ?? 0)) / items] as const,
  )
  return Object.fromEntries(each.filter(([, count]) => count >= 0.1))
}

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

  /**
   * Rows of each table that scans of its indexes found, and of which they fetched none: dead ones, mostly.
   */
  async walked(): Promise<Walked> {
    const { rows } = await this.#client.query<{ relname: string; walked: number }>(
      `select t.relname, greatest(0, sum(i.idx_tup_read) - max(t.idx_tup_fetch))::float8 as walked
      from pg_stat_user_tables t join pg_stat_user_indexes i using (relid) group by t.relid, t.relname`,
    )
    return new Map(rows.map(({ relname, walked }) => [relname, walked]))
  }

  async statements(): Promise<Statements> {
    const { rows } = await this.#client.query<Omit<Row, 'label'>>(`select queryid::text, query, calls::float8,
      total_exec_time as ms, (shared_blks_hit + shared_blks_read)::float8 as pages
      from pg_stat_statements s join pg_database d on d.oid = s.dbid where d.datname = current_database()`)
    return new Map(rows.map((row) => [row.queryid, { ...row, label: labelOf(row.query) }]))
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
  const labels = new Set(readings.flatMap((reading) => [...reading.values()].map(({ label }) => label)))
  const costs = [...labels].map((label) => {
    const sums = readings.map((reading) => sumOf(reading, label))
    const parts = sums.slice(1).map((sum, index) => difference(sum, sums[index]))
    return { label, parts, spentMs: parts.reduce((all, { ms }) => all + ms, 0) }
  })
  const dearest = costs.toSorted((a, b) => b.spentMs - a.spentMs).slice(0, most)
  return dearest.map(({ label, parts }) => ({
    statement: label,
    calls: parts.map(({ calls }) => calls),
    meanMs: parts.map(({ calls, ms }) => ms / Math.max(1, calls)),
    pagesEach: parts.map(({ calls, pages }) => pages / Math.max(1, calls)),
  }))
}

type Sum = Pick<Row, 'calls' | 'ms' | 'pages'>

/** One statement has several ids, such as one for each type of a parameter. */
function sumOf(reading: Statements, label: string): Sum {
  const sum = { calls: 0, ms: 0, pages: 0 }
  for (const row of reading.values()) {
    if (row.label !== label) continue
    sum.calls += row.calls
    sum.ms += row.ms
    sum.pages += row.pages
  }
  return sum
}

function difference(after: Sum, before: Sum | undefined): Sum {
  return {
    calls: after.calls - (before?.calls ?? 0),
    ms: after.ms - (before?.ms ?? 0),
    pages: after.pages - (before?.pages ?? 0),
  }
}

/** The same for any layout of the tables. */
function labelOf(query: string): string {
  const written = [...query.matchAll(/(insert into|delete from|(?<!for )update) "?(?!set )([a-z_0-9]+)/gu)]
  if (written.length > 0)
    return written.map(([, verb = '', table]) => `${verb.split(' ')[0]} ${table}`).join(', ')
  const read = new Set(
    [...query.matchAll(/(?:from|join) "?(?!lateral)([a-z_0-9]+)/gu)].map(([, table]) => table),
  )
  return `select ${[...read].join(', ')}`
}
