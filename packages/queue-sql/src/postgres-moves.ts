import { MAX_HISTORY } from '@sluice/core'
import { CompiledQuery, type Kysely } from 'kysely'
import type { ClaimedRow, ClaimScope, Moves, NewRow, RankRow, RequeueOrder, WantedRow } from './moves.js'
import { PLANNED_EACH_TIME } from './postgres-pool.js'
import { postgresTexts, type PostgresTexts } from './postgres-texts.js'
import type { TableNames, Tables } from './tables.js'

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
    return ids(await this.#all(this.#texts.put, [JSON.stringify(rows)]))
  }

  claim(scope: ClaimScope, max: number): Promise<ClaimedRow[]> {
    const where = scope.kind === 'top' ? [] : [scope.rank]
    return this.#all<ClaimedRow>(this.#texts.claim[scope.kind], [...where, max])
  }

  ranks(limit: number): Promise<RankRow[]> {
    return this.#all<RankRow>(this.#texts.ranks, [limit])
  }

  async settle(rows: readonly WantedRow[]): Promise<string[]> {
    const moved = await this.#all<{ seq: number; id: string; attempt: number }>(this.#texts.settle, [
      JSON.stringify(rows),
    ])
    for (const { seq, attempt } of moved.filter(({ attempt }) => attempt > MAX_HISTORY)) {
      // Killed before this, the history is one attempt too long until the next one.
      await this.#db.executeQuery(CompiledQuery.raw(this.#texts.trimAttempts, [seq, attempt]))
    }
    return ids(moved)
  }

  async requeue(itemIds: readonly string[], { delayMs, priority, reason }: RequeueOrder): Promise<string[]> {
    return ids(await this.#all(this.#texts.requeue, [itemIds, delayMs, priority, reason]))
  }

  async remove(itemIds: readonly string[], stages: readonly number[]): Promise<string[]> {
    return ids(await this.#all(PLANNED_EACH_TIME + this.#texts.remove, [itemIds, stages]))
  }

  async #all<Row = { id: string }>(text: string, parameters: readonly unknown[]): Promise<Row[]> {
    const { rows } = await this.#db.executeQuery<Row>(CompiledQuery.raw(text, [this.#queueId, ...parameters]))
    return rows
  }
}

function ids(rows: readonly { id: string }[]): string[] {
  return rows.map(({ id }) => id)
}
