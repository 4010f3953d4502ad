import pg from 'pg'
import type { Adapter, Claimed, Store } from '../adapter.ts'

const TABLES = `
  create table items (id text primary key, seq bigint generated always as identity, state smallint not null default 0,
    body jsonb not null, at timestamptz not null default now());
  create index items_waiting on items (seq) where state = 0`

const PUT_ONE = { name: 'put1', text: 'insert into items (id, body) values ($1, $2)' }
const PUT = {
  name: 'put',
  text: 'insert into items (id, body) select * from unnest($1::text[], $2::jsonb[])',
}
const CLAIM = {
  name: 'claim',
  text: `update items set state = 1, at = now() where id = any (array(
    select id from items where state = 0 order by seq limit $1 for update skip locked)) returning id, body`,
}
const SETTLE_ONE = {
  name: 'settle1',
  text: 'update items set state = 2, at = now() where id = $1 and state = 1',
}
const SETTLE = {
  name: 'settle',
  text: 'update items set state = 2, at = now() where id = any ($1::text[]) and state = 1',
}
const COUNT = { name: 'count', text: 'select count(*) as n from items where state = 0' }
const LOOKUP = { name: 'lookup', text: 'select state from items where id = $1' }

/**
 * The limit of one table: SQL written directly over `pg`, prepared under names, a partial index on what
 * waits, finished items kept. It has no priorities, attempts, fences, history, counters or checks of input.
 */
export const limit: Adapter = {
  name: 'limit',
  open: async ({ postgresUrl }, clients) => {
    const pool = new pg.Pool({ connectionString: postgresUrl, max: clients })
    // Its database is dropped while connections say goodbye.
    pool.on('error', () => {})
    await pool.query(TABLES)
    return limitStore(pool)
  },
}

function limitStore(pool: pg.Pool): Store {
  return {
    put: async (items) => {
      const [first] = items
      if (items.length === 1 && first !== undefined) {
        await pool.query({ ...PUT_ONE, values: [first.id, JSON.stringify(first.body)] })
        return
      }
      const values = [items.map(({ id }) => id), items.map(({ body }) => JSON.stringify(body))]
      await pool.query({ ...PUT, values })
    },
    claim: async (max) => {
      const { rows } = await pool.query<{ id: string }>({ ...CLAIM, values: [max] })
      return rows.map(({ id }): Claimed => ({ id, attempt: 1 }))
    },
    settle: async (claimed) => {
      const [first] = claimed
      if (claimed.length === 1) await pool.query({ ...SETTLE_ONE, values: [first?.id] })
      else await pool.query({ ...SETTLE, values: [claimed.map(({ id }) => id)] })
    },
    countWaiting: async () => {
      const { rows } = await pool.query<{ n: string }>(COUNT)
      return Number(rows[0]?.n)
    },
    lookup: async (id) => (await pool.query({ ...LOOKUP, values: [id] })).rows[0],
    close: () => pool.end(),
  }
}
