import type { Runtime } from '@sluice/core'
import type { Kysely } from 'kysely'
import { all, seqList } from './writes.js'
import { SQLITE_NOW_MS } from './statements.js'
import type { TableNames, Tables } from '../schema/tables.js'

interface EarlyRow {
  readonly seq: number
  readonly available_at: number
  readonly now: number
}

/**
 * Keeps items without a delay claimable when the clock is set back. An item is claimable from its
 * `available_at`, a reading of the clock: a clock set back by an hour would delay all earlier puts by an
 * hour. So all instants ahead of the clock are moved back by one span, which keeps their order. Delayed items
 * keep the instant that was asked for.
 */
export class SqliteSetBack {
  readonly #db: Kysely<Tables>
  readonly #statements: ReturnType<typeof statementsOf>
  readonly #watch: ClockWatch
  readonly #runtime: Pick<Runtime, 'monotonicMs'>
  #moving: Promise<void> | undefined

  constructor(db: Kysely<Tables>, names: TableNames, runtime: Pick<Runtime, 'now' | 'monotonicMs'>) {
    this.#db = db
    this.#statements = statementsOf(names)
    this.#watch = new ClockWatch(runtime)
    this.#runtime = runtime
  }

  /** Called before each call: compares two clocks, and does nothing unless one was set back. */
  prepareCall(atMonotonic: number): Promise<void> | undefined {
    if (!this.#watch.isSetBack(atMonotonic)) return undefined
    return (this.#moving ??= this.#move().finally(() => {
      this.#moving = undefined
    }))
  }

  /**
   * For a step while no process had the file open: the newest item, or a lease, was then written in the
   * future.
   */
  async start(): Promise<void> {
    const found = await all(this.#db, this.#statements.isBehind, [])
    if (found.length > 0) await this.#move()
  }

  async #move(): Promise<void> {
    const { findEarly, moveWaiting, moveItems } = this.#statements
    await this.#db.transaction().execute(async (trx) => {
      const early = await all<EarlyRow>(trx, findEarly, [])
      const [first] = early
      if (first === undefined) return
      const byMs = early.reduce((most, { available_at }) => Math.max(most, available_at - first.now), 0)
      const seqs = seqList(early)
      await all(trx, moveWaiting, [byMs, seqs])
      await all(trx, moveItems, [byMs, seqs])
    })
    this.#watch.accept(this.#runtime.monotonicMs())
  }
}

function statementsOf(t: TableNames) {
  const now = SQLITE_NOW_MS
  return {
    isBehind: `select 1 where (select put_at from ${t.items} order by seq desc limit 1) > ${now}
      or exists (select 1 from ${t.leases} where expires_at - ttl_ms > ${now})`,
    // Claimed items have a place too, to which they may return.
    findEarly: `select i.seq, i.available_at, ${now} as now from ${t.waiting} w cross join ${t.items} i on i.seq = w.seq
        where w.available_at > ${now} and coalesce(i.not_before_at, 0) <= coalesce(i.claimed_at, i.put_at)
      union all
      select i.seq, i.available_at, ${now} as now from ${t.processing} p cross join ${t.items} i on i.seq = p.seq
        where i.available_at > ${now}`,
    moveWaiting: `update ${t.waiting} set available_at = available_at - ? where (queue_id, rank, available_at, seq) in
      (select queue_id, -priority, available_at, seq from ${t.items} where seq in (select value from json_each(?)))`,
    moveItems: `update ${t.items} set available_at = available_at - ? where seq in (select value from json_each(?))`,
  }
}

/** Smaller steps of the clock are ignored: they delay items by no more than this. */
const MIN_STEP_MS = 100

/** Notices that the clock was set back, by comparing it with the monotonic clock. */
export class ClockWatch {
  readonly #runtime: Pick<Runtime, 'now'>
  #aheadMs = Number.NEGATIVE_INFINITY

  constructor(runtime: Pick<Runtime, 'now'>) {
    this.#runtime = runtime
  }

  /** Whether the clock was set back since {@link ClockWatch.accept}, or since the first call. */
  isSetBack(atMonotonic: number): boolean {
    const aheadMs = this.#runtime.now() - atMonotonic
    if (aheadMs < this.#aheadMs - MIN_STEP_MS) return true
    this.#aheadMs = Math.max(this.#aheadMs, aheadMs)
    return false
  }

  /** Accepts the current reading: all that depends on it was adjusted. */
  accept(atMonotonic: number): void {
    this.#aheadMs = this.#runtime.now() - atMonotonic
  }
}
