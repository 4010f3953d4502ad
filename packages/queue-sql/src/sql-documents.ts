import type { DocumentVersion, JsonValue, Lease } from '@sluice/core'
import type { DocumentBackend, DocumentCondition, DocumentVerdict } from '@sluice/core/backend'
import { sql, type RawBuilder } from 'kysely'
import type { CallGate } from './calls/call-gate.js'
import { exists, type StoredAs } from './queue-row.js'
import { QueueGoneError } from './sql-errors.js'
import type { SqlStore } from './sql-store.js'

/**
 * Sorts after everything that can follow a prefix in a name, which has room for 32 characters of four bytes.
 */
const LAST = '\u{10FFFF}'.repeat(32)

/** A write or a removal, if it is allowed. */
interface Change {
  readonly what: string
  readonly query: (isAllowed: RawBuilder<boolean>) => RawBuilder<unknown>
  readonly lease: Lease | undefined
}

/**
 * The documents of one queue: a row each, which stays when the document is removed, so that its version never
 * repeats. A write compares version and lease in its one statement [Q-DOC-2, Q-DOC-3].
 */
export class SqlDocuments implements DocumentBackend {
  readonly #store: SqlStore
  readonly #gate: CallGate
  readonly #as: StoredAs

  constructor(store: SqlStore, gate: CallGate, as: StoredAs) {
    this.#store = store
    this.#gate = gate
    this.#as = as
  }

  /** In byte order, which is that of the column [Q-DOC-4]. */
  async names(prefix: string): Promise<string[]> {
    const { db, names } = this.#store
    const rows = await this.#gate.run('list documents', () =>
      db
        .selectFrom(names.documents)
        .select('name')
        .where('queue_id', '=', this.#as.queueId)
        .where('name', '>=', prefix)
        .where('name', '<=', prefix + LAST)
        .where('value', 'is not', null)
        .orderBy('name')
        .execute(),
    )
    return rows.map(({ name }) => name)
  }

  async read(name: string): Promise<DocumentVersion | undefined> {
    const { db, names } = this.#store
    const row = await this.#gate.run(`read the document ${JSON.stringify(name)}`, () =>
      db
        .selectFrom(names.documents)
        .select(['version', 'value'])
        .where('queue_id', '=', this.#as.queueId)
        .where('name', '=', name)
        .executeTakeFirst(),
    )
    if (row === undefined || row.value === null) return undefined
    const value: JsonValue = JSON.parse(row.value)
    return { value, version: row.version }
  }

  write(name: string, text: string, { ifVersion, lease }: DocumentCondition): Promise<DocumentVerdict> {
    const documents = sql.table(this.#store.names.documents)
    const { queueId } = this.#as
    const query: Change['query'] = (isAllowed) =>
      ifVersion === undefined
        ? sql`insert into ${documents} (queue_id, name, version, value)
            select cast(${queueId} as integer), cast(${name} as text), 1, cast(${text} as text) where ${isAllowed}
            on conflict (queue_id, name) do update set version = ${documents}.version + 1, value = excluded.value
              where ${documents}.value is null
            returning version`
        : sql`update ${documents} set version = version + 1, value = ${text}
            where queue_id = ${queueId} and name = ${name} and version = ${ifVersion} and value is not null
              and ${isAllowed}
            returning version`
    return this.#change({ what: `write the document ${JSON.stringify(name)}`, query, lease })
  }

  remove(name: string, { ifVersion, lease }: DocumentCondition): Promise<DocumentVerdict> {
    const isWanted = ifVersion === undefined ? sql`1 = 1` : sql`version = ${ifVersion}`
    const query: Change['query'] = (isAllowed) =>
      sql`update ${sql.table(this.#store.names.documents)} set version = version + 1, value = null
        where queue_id = ${this.#as.queueId} and name = ${name} and value is not null and ${isWanted} and ${isAllowed}
        returning version`
    return this.#change({ what: `remove the document ${JSON.stringify(name)}`, query, lease })
  }

  /**
   * A second statement only if nothing changed, to distinguish another version, a lost lease and a dropped
   * queue.
   */
  async #change({ what, query, lease }: Change): Promise<DocumentVerdict> {
    const { db, shared, durably } = this.#store
    const isAllowed = sql<boolean>`${this.#isHeld(lease, shared)} and ${exists(this.#store, this.#as)} and ${durably}`
    const { rows } = await this.#gate.run(what, () => query(isAllowed).execute(db))
    if (rows.length > 0) return 'done'
    return this.#gate.run(what, async () => {
      const found = await sql<{ held: number | boolean; there: number | boolean }>`select
        ${this.#isHeld(lease, sql.raw(''))} as held, ${exists(this.#store, this.#as, 'unlocked')} as there`.execute(
        db,
      )
      const [row] = found.rows
      if (row === undefined || !row.there) throw new QueueGoneError()
      return row.held ? 'other-version' : 'lease-lost'
    })
  }

  #isHeld(lease: Lease | undefined, locking: RawBuilder<unknown>): RawBuilder<boolean> {
    if (lease === undefined) return sql<boolean>`1 = 1`
    const { name, holder, fencingToken } = lease
    const { names, nowMs } = this.#store
    return sql<boolean>`exists (select 1 from ${sql.table(names.leases)}
      where queue_id = ${this.#as.queueId} and name = ${name} and holder = ${holder} and fence = ${fencingToken}
        and expires_at > ${nowMs} ${locking})`
  }
}
