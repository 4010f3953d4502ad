import type { Runtime } from '@sluice/core'
import { CompiledQuery } from 'kysely'
import { DURABLY } from './durability.js'
import { CLOCK, NOW } from './statements/parts.js'
import type { TableNames } from '../schema/tables.js'

/** A step of the server's clock by less holds nothing for longer than that. */
const MIN_STEP_MS = 2_000
/** So many of the newest items are asked whether they were put in the future. */
const NEWEST = 1_000

/** What it needs of a database. */
interface Statements {
  executeQuery(query: CompiledQuery): Promise<{ readonly rows: readonly unknown[] }>
}

/**
 * Keeps items that nobody delayed from waiting for the clock of a server that was set back. An item is given out from the instant at which it became available,
 * which is a reading of that clock: set back by an hour, it would hold for an hour what was put before. So the instants that lie ahead of it are moved back
 * with it, all by the same span, so that their order stays, among what was put before a process notices it too. What was delayed waits for the instant that was asked for.
 *
 * A process notices the step by its own clock, which is never set, beside the instants in the answers to its claims; and one that has just been started by
 * what was put in the future.
 */
export class PostgresSetBack {
  readonly #db: Statements
  readonly #queueId: number
  readonly #texts: ReturnType<typeof textsOf>
  readonly #runtime: Pick<Runtime, 'monotonicMs'>
  /** By how much the server's clock is ahead of that of this process at least. */
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
    this.#texts = textsOf(names)
    this.#runtime = runtime
  }

  /** Whether it was asked already what was put in the future: a claim that gets all that it asked for does without. */
  get hasStarted(): boolean {
    return this.#aheadMs !== undefined
  }

  /**
   * An answer may be long on its way, and a statement may wait: the server's clock was read at some instant between the two that this process knows.
   *
   * @param serverMs what the server's clock showed in an answer
   * @param sentAtMonotonic when the statement was sent, by the clock of this process
   * @returns whether items may have become due by what was done
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
    // Rather too far than not far enough: what was put before goes first.
    const stepMs = knownMs === undefined ? 0 : Math.ceil(this.#atMostMs - atLeastMs)
    // Noted only once it is done: a failure is met again by the next claim.
    await (this.#moving ??= this.#move(stepMs).finally(() => (this.#moving = undefined)))
    this.#aheadMs = atLeastMs
    this.#atMostMs = serverMs - sentAtMonotonic
    return true
  }

  async #isBehind(): Promise<boolean> {
    const { rows } = await this.#db.executeQuery(CompiledQuery.raw(this.#texts.isBehind, [this.#queueId]))
    return rows.length > 0
  }

  /**
   * One statement: of several processes that do it at once, each row is moved by one.
   *
   * @param stepMs 0: not known; then as far as is needed
   */
  async #move(stepMs: number): Promise<void> {
    await this.#db.executeQuery(CompiledQuery.raw(this.#texts.move, [this.#queueId, stepMs]))
  }
}

function textsOf(t: TableNames) {
  return {
    isBehind: `with ${CLOCK} select 1 as behind
      from (select queue_id, put_at from ${t.items} order by seq desc limit ${NEWEST}) i where queue_id = $1 and put_at > ${NOW} limit 1`,
    // Released at once, an item has the instant of its release, which its attempt has as well.
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
