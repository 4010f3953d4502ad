import { cutReason, type ControlState, type QueueControl } from '@sluice/core'
import { sql } from 'kysely'
import type { CallGate } from './calls/call-gate.js'
import { QueueGoneError } from './sql-errors.js'
import { isThere, type StoredAs } from './queue-row.js'
import type { SqlStore } from './sql-store.js'

/** The control state in the tables. Each call changes its own columns or rows, so writers on several machines don't undo each other. */
export class SqlControl implements QueueControl {
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

  /** Paused again, it takes the new reason and keeps the instant of the first. */
  async pause(reason?: string): Promise<void> {
    const pauseReason = cutReason(reason) ?? null
    await this.#gate.run('pause the queue', () =>
      this.#update({
        paused_at: sql<number>`coalesce(paused_at, ${this.#store.nowMs})`,
        pause_reason: pauseReason,
      }),
    )
  }

  async resume(): Promise<void> {
    await this.#gate.run('resume the queue', () => this.#update({ paused_at: null, pause_reason: null }))
  }

  /** One statement: each of several at once gets a number of its own [Q-CTRL-2]. */
  async sync(): Promise<number> {
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

  async setLimits(limits: Readonly<Record<string, number | null>>): Promise<void> {
    const rows = checkedLimits(limits)
    await this.#gate.run('set limits', () =>
      this.#store.db.transaction().execute(async (trx) => {
        const found = await sql`select 1 where ${isThere(this.#store, this.#as)}`.execute(trx)
        if (found.rows.length === 0) throw new QueueGoneError()
        for (const { name, value } of rows) {
          if (value === null) {
            await trx
              .deleteFrom(this.#store.names.limits)
              .where('queue_id', '=', this.#as.queueId)
              .where('name', '=', name)
              .execute()
          } else {
            await trx
              .insertInto(this.#store.names.limits)
              .values({ queue_id: this.#as.queueId, name, value })
              .onConflict((known) => known.columns(['queue_id', 'name']).doUpdateSet({ value }))
              .execute()
          }
        }
      }),
    )
  }

  async #update(columns: {
    paused_at: ReturnType<typeof sql<number>> | null
    pause_reason: string | null
  }): Promise<void> {
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

/** By name, so that two calls lock the rows in the same order. */
function checkedLimits(limits: Readonly<Record<string, unknown>>): { name: string; value: number | null }[] {
  return Object.entries(limits)
    .map(([name, value]) => {
      const isLimit = value === null || (typeof value === 'number' && Number.isFinite(value) && value >= 0)
      if (!isLimit || name.includes('\0') || !name.isWellFormed()) {
        const shown = JSON.stringify(name.slice(0, 60))
        throw new TypeError(`limit ${shown} must be a number of 0 or more, or null to take it away`)
      }
      return { name, value }
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}
