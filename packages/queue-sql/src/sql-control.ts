import type { ControlState } from '@sluice/core'
import type { ControlBackend } from '@sluice/core/backend'
import { sql, type RawBuilder } from 'kysely'
import type { CallGate } from './calls/call-gate.js'
import { exists, type StoredAs } from './queue-row.js'
import { QueueGoneError } from './sql-errors.js'
import type { SqlStore } from './sql-store.js'

/**
 * The control state in the tables. Each call changes only its own columns or rows, so writers on several
 * machines do not overwrite each other.
 */
export class SqlControl implements ControlBackend {
  readonly #store: SqlStore
  readonly #gate: CallGate
  readonly #as: StoredAs

  constructor(store: SqlStore, gate: CallGate, as: StoredAs) {
    this.#store = store
    this.#gate = gate
    this.#as = as
  }

  read(): Promise<ControlState> {
    return this.#gate.run('read the control state', async () => {
      const { db, names } = this.#store
      const rows = await db
        .selectFrom(`${names.queues} as q`)
        .leftJoin(`${names.limits} as l`, 'l.queue_id', 'q.id')
        .select(['q.paused_at', 'q.pause_reason', 'q.syncs', 'l.name', 'l.value'])
        .where('q.id', '=', this.#as.queueId)
        .where('q.name', '=', this.#as.name)
        .execute()
      if (rows.length === 0) throw new QueueGoneError()
      const limits = rows.flatMap(({ name, value }) =>
        name === null || value === null ? [] : [[name, value]],
      )
      const syncs = rows[0]?.syncs ?? 0
      return {
        ...pauseOf(rows[0]),
        limits: Object.fromEntries(limits),
        ...(syncs === 0 ? {} : { syncs }),
      }
    })
  }

  pause(reason: string | undefined): Promise<void> {
    return this.#update('pause the queue', {
      paused_at: sql<number>`coalesce(paused_at, ${this.#store.nowMs})`,
      pause_reason: reason ?? null,
    })
  }

  resume(): Promise<void> {
    return this.#update('resume the queue', { paused_at: null, pause_reason: null })
  }

  /** One statement: concurrent calls get a number each [Q-CTRL-2]. */
  sync(): Promise<number> {
    return this.#gate.run('ask for a sync', async () => {
      const row = await this.#store.db
        .updateTable(this.#store.names.queues)
        .set({ syncs: sql<number>`syncs + 1` })
        .where('id', '=', this.#as.queueId)
        .where('name', '=', this.#as.name)
        .where(this.#store.durably)
        .returning('syncs')
        .executeTakeFirst()
      if (row === undefined) throw new QueueGoneError()
      return row.syncs
    })
  }

  /** In the order of the names, so that two calls lock the rows in the same order. */
  setLimits(limits: readonly (readonly [name: string, limit: number | null])[]): Promise<void> {
    const { db, names } = this.#store
    const { queueId } = this.#as
    return this.#gate.run('set limits', () =>
      db.transaction().execute(async (trx) => {
        const found = await sql`select 1 where ${exists(this.#store, this.#as)}`.execute(trx)
        if (found.rows.length === 0) throw new QueueGoneError()
        for (const [name, value] of limits) {
          if (value === null) {
            await trx
              .deleteFrom(names.limits)
              .where('queue_id', '=', queueId)
              .where('name', '=', name)
              .execute()
          } else {
            await trx
              .insertInto(names.limits)
              .values({ queue_id: queueId, name, value })
              .onConflict((known) => known.columns(['queue_id', 'name']).doUpdateSet({ value }))
              .execute()
          }
        }
      }),
    )
  }

  #update(
    what: string,
    columns: { paused_at: RawBuilder<number> | null; pause_reason: string | null },
  ): Promise<void> {
    return this.#gate.run(what, async () => {
      const { db, names, durably } = this.#store
      const row = await db
        .updateTable(names.queues)
        .set(columns)
        .where('id', '=', this.#as.queueId)
        .where('name', '=', this.#as.name)
        .where(durably)
        .returning('id')
        .executeTakeFirst()
      if (row === undefined) throw new QueueGoneError()
    })
  }
}

function pauseOf(
  row: { paused_at: number | null; pause_reason: string | null } | undefined,
): Omit<ControlState, 'limits'> {
  if (row === undefined || row.paused_at === null) return { paused: false }
  return {
    paused: true,
    pausedAt: row.paused_at,
    ...(row.pause_reason === null ? {} : { reason: row.pause_reason }),
  }
}
