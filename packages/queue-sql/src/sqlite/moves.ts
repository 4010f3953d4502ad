import { MAX_HISTORY, type ItemRef } from '@sluice/core'
import type { Kysely } from 'kysely'
import { aheadInSqlite } from './ahead.js'
import type {
  AheadOrder,
  AheadPage,
  BulkPuts,
  ChangeRow,
  Claimed,
  ClaimedRow,
  ClaimScope,
  Expired,
  ExpiryOrder,
  HeldLease,
  Moves,
  NamedClaim,
  NewRow,
  NotAdded,
  PutMode,
  RankRow,
  RequeueRow,
  WantedRow,
} from '../items/moves.js'
import { isPlain } from '../items/item-rows.js'
import { SqliteBulkPuts, type SqliteBulkPutsOptions } from './bulk-puts.js'
import {
  putInSqlite,
  all,
  seqList,
  SqliteWrites,
  type Trx,
  type WaitingPlace,
  updateInSqlite,
} from './writes.js'
import { sqliteStatements, type SqliteStatements } from './statements.js'
import { STAGE_NUMBERS, type TableNames, type Tables } from '../schema/tables.js'

interface ReturnedRow extends WaitingPlace {
  readonly id: string
}

interface MovableRow {
  readonly seq: number
  readonly id: string
  readonly attempt: number
  readonly claimed_at: number
  readonly turn: number
  readonly now: number
}

/** An item that leaves PROCESSING, and its move. */
interface Leaving extends MovableRow {
  readonly wanted: WantedRow
}

interface StagedRow {
  readonly seq: number
  readonly stage: number
}

interface FreedRow {
  readonly seq: number
  readonly attempt: number
  readonly claimed_at: number
  readonly ended_at: number
  readonly reason: string | null
  readonly details: string | null
  readonly failure_class: string | null
  readonly exit_code: number | null
  readonly job_uid: string | null
  readonly now: number
}

const NOTHING: Claimed = { rows: [], isCut: false }

/**
 * The moves on SQLite. There is one writer at a time, from BEGIN IMMEDIATE on, so nothing changes during a
 * transaction; a process killed in it leaves a write-ahead log without its commit, which readers ignore
 * [Q-GET-4, Q-MOVE-4].
 */
export class SqliteMoves implements Moves {
  readonly bulk: BulkPuts
  readonly #db: Kysely<Tables>
  readonly #queueId: number
  readonly #statements: SqliteStatements
  readonly #writes: SqliteWrites

  constructor(
    db: Kysely<Tables>,
    { names, queueId, ...bulk }: { names: TableNames; queueId: number } & SqliteBulkPutsOptions,
  ) {
    this.#db = db
    this.#queueId = queueId
    this.#statements = sqliteStatements(names)
    this.#writes = new SqliteWrites(db, this.#statements, queueId)
    this.bulk = new SqliteBulkPuts(this.#writes, bulk)
  }

  put(rows: readonly NewRow[], order: PutMode): () => Promise<NotAdded> {
    return () => putInSqlite(this.#writes, rows, order)
  }

  update(rows: readonly ChangeRow[]): Promise<string[]> {
    return updateInSqlite(this.#writes, rows)
  }

  async claim(scope: ClaimScope, max: number, lease?: HeldLease): Promise<Claimed | undefined> {
    const due = this.#scope(scope)
    if (!(await this.#holds(this.#db, lease))) return undefined
    // Readers do not wait in SQLite: a claim from an idle queue takes no lock and writes nothing.
    if ((await all(this.#db, due.text, [...due.parameters, 1])).length === 0) return NOTHING
    const rows = await this.#take({ text: due.deleteText, parameters: [...due.parameters, max] }, lease)
    return rows && { rows, isCut: false }
  }

  async claimNamed(refs: readonly ItemRef[], lease?: HeldLease): Promise<NamedClaim | undefined> {
    const parameters = [JSON.stringify(refs.map(({ id, uid }) => [id, uid])), this.#queueId]
    const { named, deleteNamed } = this.#statements
    if (!(await this.#holds(this.#db, lease))) return undefined
    if ((await all(this.#db, named, parameters)).length === 0) return { rows: [], tried: refs.length }
    const rows = await this.#take({ text: deleteNamed, parameters }, lease)
    return rows && { rows, tried: refs.length }
  }

  /** Claims the items whose rows a statement deletes from the backlog. */
  #take(
    { text, parameters }: { readonly text: string; readonly parameters: readonly unknown[] },
    lease: HeldLease | undefined,
  ): Promise<ClaimedRow[] | undefined> {
    return this.#writes.write(async (trx) => {
      if (!(await this.#holds(trx, lease))) return undefined
      const taken = await all<{ seq: number }>(trx, text, parameters)
      if (taken.length === 0) return []
      const seqs = seqList(taken)
      await all(trx, this.#statements.insertProcessing, [seqs])
      const claimed = await all<ClaimedRow>(trx, this.#statements.claimed, [seqs])
      await this.#writes.count(trx, { waiting: -taken.length, processing: claimed.length })
      return claimed
    })
  }

  ahead(order: AheadOrder): Promise<AheadPage> {
    return aheadInSqlite({ db: this.#db, queueId: this.#queueId, statements: this.#statements }, order)
  }

  async #holds(db: Kysely<Tables>, lease: HeldLease | undefined): Promise<boolean> {
    if (lease === undefined) return true
    const { name, holder, fencingToken } = lease
    return (await all(db, this.#statements.held, [this.#queueId, name, holder, fencingToken])).length > 0
  }

  async ranks(limit: number): Promise<RankRow[]> {
    const id = this.#queueId
    const rows = await all<{ rank: number; due: number }>(this.#db, this.#statements.ranks, [
      id,
      id,
      limit,
      id,
    ])
    return rows.map(({ rank, due }) => ({ rank, due: due === 1 }))
  }

  settle(rows: readonly WantedRow[]): Promise<string[]> {
    const asked = JSON.stringify(rows.map(({ id, attempt, uid }) => [id, attempt, uid]))
    return this.#writes.write(async (trx) => {
      const movable = await all<MovableRow>(trx, this.#statements.movable, [asked, this.#queueId])
      if (movable.length === 0) return []
      const leaving = movable.flatMap((row): Leaving[] => {
        const wanted = rows[row.turn]
        return wanted === undefined ? [] : [{ ...row, wanted }]
      })
      const ids = leaving.map(({ id }) => id)
      const keys = ids.map((id) => [this.#queueId, id])
      await all(trx, this.#statements.deleteProcessing, keys)
      const released = leaving.filter(({ wanted }) => wanted.stage === STAGE_NUMBERS.WAITING)
      const finished = leaving.filter(({ wanted }) => wanted.stage !== STAGE_NUMBERS.WAITING)
      await this.#finish(trx, finished)
      await this.#release(trx, released)
      for (const { seq, attempt } of leaving.filter(({ attempt }) => attempt > MAX_HISTORY)) {
        await all(trx, this.#statements.trimAttempts, [seq, attempt])
      }
      const success = finished.filter(({ wanted }) => wanted.stage === STAGE_NUMBERS.SUCCESS).length
      const fail = finished.length - success
      await this.#writes.count(trx, { waiting: released.length, processing: -leaving.length, success, fail })
      return ids
    })
  }

  requeue(ids: readonly string[], order: RequeueRow): Promise<string[]> {
    const { delayMs, priority, reason } = order
    const id = this.#queueId
    return this.#writes.write(async (trx) => {
      const freed = await all<FreedRow>(trx, this.#statements.freeFailed, [id, id, JSON.stringify(ids)])
      if (freed.length === 0) return []
      const attempts = freed.map((row) => [
        row.seq,
        row.attempt,
        STAGE_NUMBERS.FAIL,
        row.claimed_at,
        row.ended_at,
        row.reason,
        row.details,
        reason,
        row.failure_class,
        row.exit_code,
        row.job_uid,
        null,
      ])
      await all(trx, this.#statements.insertAttempts, attempts)
      // All attempts so far become uncounted.
      const returned = freed.map((row) => [
        row.seq,
        row.attempt,
        row.claimed_at,
        row.attempt,
        0,
        priority,
        row.now + delayMs,
        null,
        null,
        delayMs > 0 ? 1 : 0,
      ])
      const moved = await this.#return(trx, returned)
      await this.#writes.count(trx, { waiting: moved.length, fail: -moved.length })
      return moved.map((row) => row.id)
    })
  }

  remove(ids: readonly string[], stages: readonly number[]): Promise<string[]> {
    return this.#writes.write(async (trx) => {
      const gone = await all<StagedRow & { id: string }>(trx, this.#statements.findRemovable, [
        this.#queueId,
        JSON.stringify(ids),
        JSON.stringify(stages),
      ])
      await this.#delete(trx, gone)
      return gone.map(({ id }) => id)
    })
  }

  async expire({ retentionMs, fromAt, max }: ExpiryOrder): Promise<Expired> {
    const parameters = [this.#queueId, fromAt, retentionMs]
    const [due] = await all(this.#db, this.#statements.findExpired, [...parameters, 1])
    if (due === undefined) return { removed: 0, lastAt: null }
    return this.#writes.write(async (trx) => {
      const old = await all<StagedRow & { ended_at: number }>(trx, this.#statements.findExpired, [
        ...parameters,
        max,
      ])
      await this.#delete(trx, old)
      return { removed: old.length, lastAt: old.at(-1)?.ended_at ?? null }
    })
  }

  async #delete(trx: Trx, rows: readonly StagedRow[]): Promise<void> {
    if (rows.length === 0) return
    const seqs = seqList(rows)
    for (const text of this.#statements.deleteEverywhere) await all(trx, text, [seqs])
    const counted = (number: number) => -rows.filter(({ stage }) => stage === number).length
    await this.#writes.count(trx, { waiting: counted(0), success: counted(2), fail: counted(3) })
  }

  #scope(scope: ClaimScope): { text: string; deleteText: string; parameters: number[] } {
    const id = this.#queueId
    const parameters = scope.kind === 'top' ? [id, id] : [id, scope.rank]
    return { ...this.#statements.due[scope.kind], parameters }
  }

  async #finish(trx: Trx, rows: readonly Leaving[]): Promise<void> {
    if (rows.length === 0) return
    const outcomes = !rows.every(({ wanted }) => isPlain(wanted))
    const values = rows.map(({ wanted, seq, attempt, claimed_at, now }) => [
      this.#queueId,
      wanted.stage,
      seq,
      attempt,
      claimed_at,
      now,
      wanted.reason,
      wanted.details,
      wanted.result,
      ...(outcomes ? [wanted.failure_class, wanted.exit_code, wanted.job_uid] : []),
    ])
    const { insertFinished, insertFinishedOutcomes } = this.#statements
    await all(trx, outcomes ? insertFinishedOutcomes : insertFinished, values)
  }

  async #release(trx: Trx, rows: readonly Leaving[]): Promise<void> {
    if (rows.length === 0) return
    const attempts = rows.map(({ wanted, seq, attempt, claimed_at, now }) => [
      seq,
      attempt,
      STAGE_NUMBERS.WAITING,
      claimed_at,
      now,
      wanted.reason,
      wanted.details,
      null,
      wanted.failure_class,
      wanted.exit_code,
      wanted.job_uid,
      wanted.unsent,
    ])
    await all(trx, this.#statements.insertAttempts, attempts)
    const returned = rows.map(({ wanted, seq, attempt, claimed_at, now }) => [
      seq,
      attempt,
      claimed_at,
      null,
      wanted.uncounted,
      null,
      now + wanted.delay_ms,
      wanted.keep_place,
      wanted.retry_state,
      wanted.delay_ms > 0 ? 1 : 0,
    ])
    await this.#return(trx, returned)
  }

  /** Updates the rows of returned items, and inserts them into the backlog. */
  async #return(trx: Trx, values: readonly (readonly (number | string | null)[])[]): Promise<ReturnedRow[]> {
    const places = await all<ReturnedRow>(trx, this.#statements.returnItems, [JSON.stringify(values)])
    await this.#writes.enterWaiting(trx, places)
    return places
  }
}
