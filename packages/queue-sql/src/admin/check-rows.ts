import { CompiledQuery, type Kysely } from 'kysely'
import type { TableNames, Tables } from '../schema/tables.js'

/** A row that a check writes into one table, as SQL literals by column, and what it then does with it. */
interface ProbeRow {
  readonly table: string
  readonly values: Readonly<Record<string, string | number>>
  /** The column by which it is found again. */
  readonly key: string
  readonly verbs: readonly ('update' | 'delete')[]
}

const UID = "'00000000-0000-4000-8000-000000000000'"

/** What the work of a queue does with its tables. */
function probeRows(t: TableNames, number: number): readonly ProbeRow[] {
  const queue = { queue_id: number }
  const claim = { seq: number, claimed_at: 0 }
  const named = { ...queue, name: "'check'" }
  const counts = { waiting: 0, processing: 0, success: 0, fail: 0 }
  const item = { seq: number, available_at: 0, put_at: 0, ...queue, attempt: 0, refunds: 0, priority: 0 }
  const row = (
    table: string,
    values: ProbeRow['values'],
    ...verbs: readonly ('update' | 'delete')[]
  ): ProbeRow => ({ table, values, key: Object.keys(values)[0] ?? '', verbs })
  return [
    row(t.queues, { id: number, name: `'check ${number}'` }, 'update'),
    row(t.limits, { ...named, value: 0 }, 'update', 'delete'),
    row(t.leases, { ...named, holder: "'check'", fence: 0, expires_at: 0, ttl_ms: 0 }, 'update'),
    row(t.documents, { ...named, version: 0, value: "'{}'" }, 'update'),
    row(t.counters, { ...queue, slot: 0, ...counts }, 'update'),
    row(t.items, { ...item, uid: UID, id: "'check'", body: "'{}'" }, 'update', 'delete'),
    row(t.waiting, { ...queue, rank: 0, available_at: 0, seq: number }, 'update', 'delete'),
    row(t.processing, { ...queue, ...claim, attempt: 1, uid: UID, id: "'check'" }, 'delete'),
    row(t.finished, { ...queue, ...claim, ended_at: 0, attempt: 1, stage: 2 }, 'update', 'delete'),
    row(t.attempts, { ...claim, ended_at: 0, attempt: 1, outcome: 0 }, 'delete'),
  ]
}

/**
 * Writes a row into each table, changes it and deletes it, as far as a queue does so, in a transaction that the caller rolls back: no other one ever sees
 * them. No sequence is advanced.
 *
 * @param trx of either database; `overriding` is what PostgreSQL needs to be given the number of a queue
 */
export async function tryRows(
  trx: Kysely<Tables>,
  { names, overriding }: { readonly names: TableNames; readonly overriding: string },
): Promise<void> {
  // No queue and no item has a number below 0, and a check beside this one has another.
  const number = -1 - Math.floor(Math.random() * 2_000_000_000)
  const run = (text: string) => trx.executeQuery(CompiledQuery.raw(text))
  for (const { table, values, key, verbs } of probeRows(names, number)) {
    const columns = Object.keys(values).join(', ')
    const last = Object.keys(values).at(-1)
    const own = table === names.queues ? overriding : ''
    await run(`insert into ${table} (${columns}) ${own} values (${Object.values(values).join(', ')})`)
    const where = `where ${key} = ${number}`
    if (verbs.includes('update')) await run(`update ${table} set ${last} = ${last} ${where}`)
    if (verbs.includes('delete')) await run(`delete from ${table} ${where}`)
  }
}
