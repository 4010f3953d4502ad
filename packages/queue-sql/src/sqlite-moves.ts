import { MAX_HISTORY } from '@sluice/core'
import { CompiledQuery, type Kysely, type Transaction } from 'kysely'
import type { ClaimedRow, ClaimScope, Moves, NewRow, RankRow, RequeueOrder, WantedRow } from './moves.js'
import { sqliteTexts, type SqliteTexts } from './sqlite-texts.js'
import type { TableNames, Tables } from './tables.js'

type Trx = Transaction<Tables>

interface MovedRow {
  readonly seq: number
  readonly id: string
  readonly attempt: number
  readonly claimed_at: number
}

/**
 * The moves on SQLite. There is one writer at a time, from BEGIN IMMEDIATE on, so nothing changes under a transaction; a process
 * killed in it leaves a write-ahead log without its commit, which the next reader ignores [Q-GET-4, Q-MOVE-4].
 */
export class SqliteMoves implements Moves {
  readonly #db: Kysely<Tables>
  readonly #queueId: number
  readonly #texts: SqliteTexts

  constructor(db: Kysely<Tables>, names: TableNames, queueId: number) {
    this.#db = db
    this.#queueId = queueId
    this.#texts = sqliteTexts(names)
  }

  put(rows: readonly NewRow[]): Promise<string[]> {
    return this.#write(async (trx) => {
      const added = await all<{ seq: number; id: string }>(trx, this.#texts.insertItems, [
        this.#queueId,
        JSON.stringify(rows.map((row) => [row.id, row.uid, row.priority, row.not_before_at, row.delay_ms])),
      ])
      if (added.length === 0) return []
      const bodies = new Map<string, string>()
      for (const { id, body } of rows) bodies.set(id, body)
      const pairs = added.map(({ seq, id }) => [seq, bodies.get(id)])
      await all(trx, this.#texts.insertBodies, [JSON.stringify(pairs)])
      await this.#enterWaiting(trx, added)
      await this.#count(trx, { waiting: added.length })
      return added.map(({ id }) => id)
    })
  }

  async claim(scope: ClaimScope, max: number): Promise<ClaimedRow[]> {
    const due = this.#scope(scope)
    // Readers don't wait in SQLite: a poll of an idle queue takes no lock and writes nothing.
    if ((await all(this.#db, due.text, [...due.parameters, 1])).length === 0) return []
    return this.#write(async (trx) => {
      const taken = await all<{ seq: number }>(trx, due.deleteText, [...due.parameters, max])
      if (taken.length === 0) return []
      const seqs = seqList(taken)
      const claimed = await all<ClaimedRow>(trx, this.#texts.claimItems, [seqs])
      await all(trx, this.#texts.insertProcessing, [this.#queueId, seqs])
      await this.#count(trx, { waiting: -taken.length, processing: claimed.length })
      return claimed
    })
  }

  async ranks(limit: number): Promise<RankRow[]> {
    const id = this.#queueId
    const rows = await all<{ rank: number; due: number }>(this.#db, this.#texts.ranks, [id, id, limit, id])
    return rows.map(({ rank, due }) => ({ rank, due: due === 1 }))
  }

  settle(rows: readonly WantedRow[]): Promise<string[]> {
    return this.#write(async (trx) => {
      const asked = rows.map(({ reason: _reason, result: _result, details: _details, ...row }) => row)
      const moved = await all<MovedRow>(trx, this.#texts.settleItems, [JSON.stringify(asked), this.#queueId])
      if (moved.length === 0) return []
      const wanted = new Map(rows.map((row) => [row.id, row]))
      const ended = moved.flatMap((row) => {
        const { stage = 0, reason = null, result = null, details = null } = wanted.get(row.id) ?? {}
        return [{ ...row, stage, reason, result, details }]
      })
      await all(trx, this.#texts.deleteProcessing, [this.#queueId, seqList(moved)])
      await all(trx, this.#texts.insertAttempts, [this.#queueId, JSON.stringify(ended)])
      for (const { seq, attempt } of moved.filter(({ attempt }) => attempt > MAX_HISTORY)) {
        await all(trx, this.#texts.trimAttempts, [seq, attempt])
      }
      const released = ended.filter(({ stage }) => stage === 0)
      await this.#enterWaiting(trx, released)
      await this.#count(trx, {
        waiting: released.length,
        processing: -ended.length,
        success: ended.filter(({ stage }) => stage === 2).length,
        fail: ended.filter(({ stage }) => stage === 3).length,
      })
      return moved.map(({ id }) => id)
    })
  }

  requeue(ids: readonly string[], order: RequeueOrder): Promise<string[]> {
    return this.#write(async (trx) => {
      const moved = await all<{ seq: number; id: string }>(trx, this.#texts.requeueItems, [
        order.delayMs,
        order.delayMs,
        order.priority,
        this.#queueId,
        JSON.stringify(ids),
      ])
      if (moved.length === 0) return []
      await all(trx, this.#texts.requeueAttempts, [order.reason, seqList(moved)])
      await this.#enterWaiting(trx, moved)
      await this.#count(trx, { waiting: moved.length, fail: -moved.length })
      return moved.map(({ id }) => id)
    })
  }

  remove(ids: readonly string[], stages: readonly number[]): Promise<string[]> {
    return this.#write(async (trx) => {
      const gone = await all<{ seq: number; id: string; stage: number }>(trx, this.#texts.findRemovable, [
        this.#queueId,
        JSON.stringify(ids),
        JSON.stringify(stages),
      ])
      if (gone.length === 0) return []
      const seqs = seqList(gone)
      for (const text of this.#texts.deleteEverywhere) await all(trx, text, [seqs])
      const counted = (number: number) => -gone.filter(({ stage }) => stage === number).length
      await this.#count(trx, { waiting: counted(0), success: counted(2), fail: counted(3) })
      return gone.map(({ id }) => id)
    })
  }

  #write<T>(run: (trx: Trx) => Promise<T>): Promise<T> {
    return this.#db.transaction().execute(run)
  }

  #scope(scope: ClaimScope): { text: string; deleteText: string; parameters: number[] } {
    const id = this.#queueId
    const parameters = scope.kind === 'top' ? [id, id] : [id, scope.rank]
    return { ...this.#texts.due[scope.kind], parameters }
  }

  async #enterWaiting(trx: Trx, rows: readonly { seq: number }[]): Promise<void> {
    if (rows.length > 0) await all(trx, this.#texts.insertWaiting, [seqList(rows)])
  }

  async #count(
    trx: Trx,
    { waiting = 0, processing = 0, success = 0, fail = 0 }: Partial<Record<string, number>>,
  ): Promise<void> {
    await all(trx, this.#texts.count, [waiting, processing, success, fail, this.#queueId])
  }
}

async function all<Row>(db: Kysely<Tables>, text: string, parameters: readonly unknown[]): Promise<Row[]> {
  const { rows } = await db.executeQuery<Row>(CompiledQuery.raw(text, [...parameters]))
  return rows
}

function seqList(rows: readonly { seq: number }[]): string {
  return JSON.stringify(rows.map(({ seq }) => seq))
}
