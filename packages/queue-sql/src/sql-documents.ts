import {
  assertDocumentVersion,
  encodeJson,
  type DocumentRemoveOptions,
  type DocumentVersion,
  type DocumentWriteOptions,
  type JsonValue,
  type Lease,
  type QueueDocument,
} from '@sluice/core'
import { sql, type RawBuilder } from 'kysely'
import type { CallGate } from './calls/call-gate.js'
import { leaseLost } from './items/item-errors.js'
import { QueueGoneError } from './sql-errors.js'
import { isThere } from './queue-row.js'
import type { SqlStore } from './sql-store.js'

/** Sorts behind whatever can follow a prefix in a name, which has room for 32 characters of four bytes. */
const LAST = '\u{10FFFF}'.repeat(32)

export interface DocumentsParts {
  readonly queue: string
  readonly store: SqlStore
  readonly gate: CallGate
  readonly queueId: number
  readonly maxBytes: number
}

/** What a write or a removal changes, if the lease is held. */
interface Change {
  readonly what: string
  readonly query: (isAllowed: RawBuilder<boolean>) => RawBuilder<unknown>
  readonly lease: Lease | undefined
}

/**
 * The documents of one queue: a row each, which stays when the document is removed, so that its number goes on. A write compares version and
 * lease itself, in its one statement [Q-DOC-2, Q-DOC-3].
 */
export class SqlDocuments {
  readonly #parts: DocumentsParts

  constructor(parts: DocumentsParts) {
    this.#parts = parts
  }

  document(name: string): QueueDocument {
    return {
      name,
      read: async () => this.#read(name),
      write: async (value, options) => this.#write(name, value, options),
      remove: async (options = {}) => this.#remove(name, options),
    }
  }

  /** In the order of their bytes, which is that of the column [Q-DOC-4]. */
  async names(prefix: string): Promise<string[]> {
    const { store, gate, queueId } = this.#parts
    const rows = await gate.run('list documents', () =>
      store.db
        .selectFrom(store.names.documents)
        .select('name')
        .where('queue_id', '=', queueId)
        .where('name', '>=', prefix)
        .where('name', '<=', prefix + LAST)
        .where('value', 'is not', null)
        .orderBy('name')
        .execute(),
    )
    return rows.map(({ name }) => name)
  }

  async #read(name: string): Promise<DocumentVersion | undefined> {
    const { store, gate, queueId } = this.#parts
    const row = await gate.run(`read the document ${JSON.stringify(name)}`, () =>
      store.db
        .selectFrom(store.names.documents)
        .select(['version', 'value'])
        .where('queue_id', '=', queueId)
        .where('name', '=', name)
        .executeTakeFirst(),
    )
    if (row === undefined || row.value === null) return undefined
    const value: JsonValue = JSON.parse(row.value)
    return { value, version: row.version }
  }

  async #write(name: string, value: JsonValue, { ifVersion, lease }: DocumentWriteOptions): Promise<boolean> {
    this.#parts.gate.assertOpen()
    assertDocumentVersion(ifVersion)
    const { store, queueId, maxBytes } = this.#parts
    const text = encodeJson(value, maxBytes, 'value')
    const documents = sql.table(store.names.documents)
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

  async #remove(name: string, { ifVersion, lease }: DocumentRemoveOptions): Promise<boolean> {
    this.#parts.gate.assertOpen()
    assertDocumentVersion(ifVersion)
    const { store, queueId } = this.#parts
    const isWanted = ifVersion === undefined ? sql`1 = 1` : sql`version = ${ifVersion}`
    const query: Change['query'] = (isAllowed) =>
      sql`update ${sql.table(store.names.documents)} set version = version + 1, value = null
        where queue_id = ${queueId} and name = ${name} and value is not null and ${isWanted} and ${isAllowed}
        returning version`
    return this.#change({ what: `remove the document ${JSON.stringify(name)}`, query, lease })
  }

  /** Asks again only where nothing changed, to tell another version from a lease that is lost, and from a queue that is gone. */
  async #change({ what, query, lease }: Change): Promise<boolean> {
    const { store, gate, queue } = this.#parts
    const isHeld = lease === undefined ? sql<boolean>`1 = 1` : this.#isHeld(lease, store.shared)
    const there = { queueId: this.#parts.queueId, name: queue }
    const isAllowed = sql<boolean>`${isHeld} and ${isThere(store, there)} and ${store.durably}`
    const { rows } = await gate.run(what, () => query(isAllowed).execute(store.db))
    if (rows.length > 0) return true
    const held = lease === undefined ? sql<boolean>`1 = 1` : this.#isHeld(lease, sql.raw(''))
    const isHeldStill = await gate.run(what, async () => {
      const found = await sql<{ held: number | boolean; there: number | boolean }>`select ${held} as held,
        ${isThere(store, there, 'as it is')} as there`.execute(store.db)
      const [row] = found.rows
      if (row === undefined || !row.there) throw new QueueGoneError()
      return Boolean(row.held)
    })
    if (!isHeldStill && lease !== undefined) throw leaseLost(queue, lease)
    return false
  }

  #isHeld({ name, holder, fencingToken }: Lease, locking: RawBuilder<unknown>): RawBuilder<boolean> {
    const { store, queueId } = this.#parts
    return sql<boolean>`exists (select 1 from ${sql.table(store.names.leases)}
      where queue_id = ${queueId} and name = ${name} and holder = ${holder} and fence = ${fencingToken}
        and expires_at > ${store.nowMs} ${locking})`
  }
}
