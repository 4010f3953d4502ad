import { MAX_HISTORY } from '@sluice/core'
import { CompiledQuery, type Kysely } from 'kysely'
import type { ClaimedRow, ClaimScope, Moves, NewRow, RankRow, RequeueOrder, WantedRow } from './moves.js'
import { PLANNED_EACH_TIME } from './postgres-pool.js'
import { postgresTexts, type PostgresTexts } from './postgres-texts.js'
import { STAGE_NUMBERS, type TableNames, type Tables } from './tables.js'

/**
 * The moves on PostgreSQL, each one statement without a transaction around it: a process killed anywhere in it has sent the whole of it
 * or nothing, and the server does it whole or not at all [Q-GET-4, Q-MOVE-4]. What no process can know is whether a statement
 * whose answer was lost was done; a move may be repeated [Q-MOVE-2], and a claim that nobody heard of is PROCESSING, listed.
 */
export class PostgresMoves implements Moves {
  readonly #db: Kysely<Tables>
  readonly #queueId: number
  readonly #texts: PostgresTexts

  constructor(db: Kysely<Tables>, names: TableNames, queueId: number) {
    this.#db = db
    this.#queueId = queueId
    this.#texts = postgresTexts(names)
  }

  async put(rows: readonly NewRow[]): Promise<string[]> {
    // By id, as every statement locks; `turn` keeps the order in which they were given.
    const turns = rows.map((row, turn) => ({ ...row, turn }))
    const sorted = turns.toSorted((a, b) => (a.id < b.id ? -1 : 1))
    return ids(
      await this.#all(this.#texts.put, [
        sorted.map(({ id }) => id),
        numbers(sorted, ({ uid }) => uid),
        numbers(sorted, ({ turn }) => turn),
        lines(sorted, ({ body }) => body),
        sorted.some(({ priority }) => priority !== 0) ? numbers(sorted, ({ priority }) => priority) : null,
        numbers(sorted, ({ not_before_at }) => not_before_at),
        numbers(sorted, ({ delay_ms }) => delay_ms),
      ]),
    )
  }

  claim(scope: ClaimScope, max: number): Promise<ClaimedRow[]> {
    const where = scope.kind === 'top' ? [] : [scope.rank]
    return this.#all<ClaimedRow>(this.#texts.claim[scope.kind], [...where, max])
  }

  ranks(limit: number): Promise<RankRow[]> {
    return this.#all<RankRow>(this.#texts.ranks, [limit])
  }

  async settle(rows: readonly WantedRow[]): Promise<string[]> {
    const finishes = rows.every(({ stage }) => stage !== STAGE_NUMBERS.WAITING)
    const moved = await this.#all<{ seq: number; id: string; attempt: number }>(
      finishes ? this.#texts.finish : this.#texts.settle,
      [
        rows.map(({ id }) => id),
        numbers(rows, ({ attempt }) => attempt),
        some(rows.map(({ uid }) => uid)),
        numbers(rows, ({ stage }) => stage),
        some(rows.map(({ reason }) => reason)),
        lines(rows, ({ result }) => result),
        lines(rows, ({ details }) => details),
        finishes ? null : numbers(rows, ({ delay_ms }) => delay_ms),
        finishes ? null : numbers(rows, ({ refund }) => refund),
        1,
        ...(finishes ? [] : [1]),
      ],
    )
    for (const { seq, attempt } of moved.filter(({ attempt }) => attempt > MAX_HISTORY)) {
      // Killed before this, the history is one attempt too long until the next one.
      await this.#db.executeQuery(CompiledQuery.raw(this.#texts.trimAttempts, [seq, attempt]))
    }
    return ids(moved)
  }

  async requeue(itemIds: readonly string[], { delayMs, priority, reason }: RequeueOrder): Promise<string[]> {
    return ids(await this.#all(this.#texts.requeue, [itemIds, delayMs, priority, reason, 1]))
  }

  async remove(itemIds: readonly string[], stages: readonly number[]): Promise<string[]> {
    return ids(await this.#all(PLANNED_EACH_TIME + this.#texts.remove, [itemIds, stages]))
  }

  async #all<Row = { id: string }>(text: string, parameters: readonly unknown[]): Promise<Row[]> {
    const { rows } = await this.#db.executeQuery<Row>(CompiledQuery.raw(text, [this.#queueId, ...parameters]))
    return rows
  }
}

/** An array of values that need no quotes: numbers and uuids. All null is no array at all, which costs nothing. */
function numbers<Row>(rows: readonly Row[], of: (row: Row) => number | string | null): string | null {
  const values = rows.map(of)
  return values.every((value) => value === null)
    ? null
    : `{${values.map((value) => value ?? 'NULL').join(',')}}`
}

/** JSON texts, in which a line feed is always escaped, joined by line feeds; null is an empty line. */
function lines<Row>(rows: readonly Row[], of: (row: Row) => string | null): string | null {
  const values = rows.map(of)
  return values.every((value) => value === null) ? null : values.map((value) => value ?? '').join('\n')
}

function some(values: readonly (string | null)[]): readonly (string | null)[] | null {
  return values.every((value) => value === null) ? null : values
}

function ids(rows: readonly { id: string }[]): string[] {
  return rows.map(({ id }) => id)
}
