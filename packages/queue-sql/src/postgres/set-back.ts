import type { Runtime } from '@sluice/core'
import { CompiledQuery } from 'kysely'
import { DURABLY } from './connection/durability.js'
import { CLOCK, NOW } from './statements/parts.js'
import type { TableNames } from '../schema/tables.js'

/** Smaller steps of the server's clock are ignored: they delay items by no more than this. */
const MIN_STEP_MS = 2_000
/** The newest items that are checked for a `put_at` in the future. */
const NEWEST_ITEMS = 1_000

/** What this class needs of a database. */
interface Statements {
  executeQuery(query: CompiledQuery): Promise<{ readonly rows: readonly unknown[] }>
}

/**
 * Keeps items without a delay claimable when the server's clock is set back. An item is claimable from its
 * `available_at`, a reading of that clock: a clock set back by an hour would delay all earlier puts by an
 * hour. So all instants ahead of the clock are moved back by one span, which keeps their order, also relative
 * to items put before a process notices the step. Delayed items keep the instant that was asked for.
 *
 * A process notices the step by comparing the instants in the answers to its claims with its monotonic clock;
 * a process that has just started, by items put in the future.
 */
export class PostgresSetBack {
  readonly #db: Statements
  readonly #queueId: number
  readonly #statements: ReturnType<typeof statementsOf>
  readonly #runtime: Pick<Runtime, 'monotonicMs'>
  /** How far the server's clock is ahead of the monotonic clock of this process, at least and at most. */
  #aheadMs: number | undefined
  #atMostMs = Number.POSITIVE_INFINITY
  #moving: Promise<void> | undefined

  constructor(
    db: Statements,
    {
      names,
      queueId,
      runtime,
    }: { names: TableNames; queueId: number; runtime: Pick<Runtime, 'monotonicMs'> },
  ) {
    this.#db = db
    this.#queueId = queueId
    this.#statements = statementsOf(names)
    this.#runtime = runtime
  }

  /** Whether items put in the future were checked for; a claim that gets all it asked for skips that. */
  get hasStarted(): boolean {
    return this.#aheadMs !== undefined
  }

  /**
   * Statements and answers can be delayed: the server's clock was read between sending and now.
   *
   * @param serverMs the server's clock in an answer
   * @param sentAtMonotonic when the statement was sent
   * @returns whether instants were moved back, so that more items may be due
   */
  async saw(serverMs: number, sentAtMonotonic: number): Promise<boolean> {
    const atLeastMs = serverMs - this.#runtime.monotonicMs()
    const knownMs = this.#aheadMs
    const isSetBack = knownMs !== undefined && serverMs - sentAtMonotonic < knownMs - MIN_STEP_MS
    const isBehind = isSetBack || (knownMs === undefined && (await this.#isBehind()))
    if (!isBehind) {
      this.#aheadMs = Math.max(atLeastMs, this.#aheadMs ?? atLeastMs)
      this.#atMostMs = Math.min(serverMs - sentAtMonotonic, this.#atMostMs)
      return false
    }
    // Too far rather than not far enough: earlier puts go first.
    const stepMs = knownMs === undefined ? 0 : Math.ceil(this.#atMostMs - atLeastMs)
    // Noted only once done: after a failure the next claim tries again.
    await (this.#moving ??= this.#move(stepMs).finally(() => (this.#moving = undefined)))
    this.#aheadMs = atLeastMs
    this.#atMostMs = serverMs - sentAtMonotonic
    return true
  }

  async #isBehind(): Promise<boolean> {
    const { rows } = await this.#db.executeQuery(
      CompiledQuery.raw(this.#statements.isBehind, [this.#queueId]),
    )
    return rows.length > 0
  }

  /**
   * One statement: if several processes do it at once, one of them moves each row.
   *
   * @param stepMs 0: unknown; then as far as needed
   */
  async #move(stepMs: number): Promise<void> {
    await this.#db.executeQuery(CompiledQuery.raw(this.#statements.move, [this.#queueId, stepMs]))
  }
}

function statementsOf(t: TableNames) {
  return {
    isBehind: `with ${CLOCK} select 1 as behind
      from (select queue_id, put_at from ${t.items} order by seq desc limit ${NEWEST_ITEMS}) i where queue_id = $1 and put_at > ${NOW} limit 1`,
    // An item released without a delay has the instant of its release, which its attempt has as `ended_at`.
    move: `with ${CLOCK},
      early as materialized (
        select w.seq, w.rank, w.available_at from ${t.waiting} w cross join lateral (
          select i.not_before_at, i.put_at, i.attempt from ${t.items} i where i.seq = w.seq limit 1) i
        where w.queue_id = $1 and w.available_at > ${NOW} and coalesce(i.not_before_at, 0) <= coalesce(
          (select a.ended_at from ${t.attempts} a where a.seq = w.seq and a.attempt = i.attempt and a.outcome = 0), i.put_at)
      ),
      span as (select greatest($2::bigint, max(available_at) - ${NOW}) as ms from early),
      moved as (
        update ${t.waiting} w set available_at = w.available_at - s.ms from early e cross join span s
        where w.queue_id = $1 and w.rank = e.rank and w.available_at = e.available_at and w.seq = e.seq and ${DURABLY} is not null
        returning w.seq, w.available_at, e.available_at as before
      )
      update ${t.items} i set available_at = m.available_at from moved m where i.seq = m.seq and i.available_at = m.before`,
  }
}
