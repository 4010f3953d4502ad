import type { ItemRef, Runtime } from '@sluice/core'
import { CompiledQuery, type Kysely } from 'kysely'
import { ClaimSizes, isTooLarge } from './claim-sizes.js'
import type {
  AheadOrder,
  AheadPage,
  AheadRow,
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
import { inOrder } from '../items/claims.js'
import { aheadPage, aheadQuery, type NoneAhead } from './ahead.js'
import type { FloorAnswer } from './backlog/backlog-floors.js'
import { LowWater } from './backlog/low-water.js'
import { NO_RANK, type Mark } from './backlog/places.js'
import {
  jsonLines,
  optionalTextArray,
  outcomeColumns,
  plainArray,
  returnColumns,
  textArray,
  uuidArray,
  uniformBatch,
} from './parameters.js'
import { isPlain } from '../items/item-rows.js'
import { PLANNED_EACH_TIME } from './connection/pool.js'
import { PostgresPuts } from './puts.js'
import { PostgresSetBack } from './set-back.js'
import { isPicked, type LostRow } from './statements/claims.js'
import { postgresStatements, type PostgresStatements } from './statements/statements.js'
import { STAGE_NUMBERS, type TableNames, type Tables } from '../schema/tables.js'

interface PostgresMovesParts {
  readonly names: TableNames
  readonly queueId: number
  readonly runtime: Runtime
  /** For tests: see {@link BulkPuts}. */
  readonly minBulkRows?: number | undefined
}

/**
 * The moves on PostgreSQL. Each, but a put of thousands, is one statement without an explicit transaction: a
 * killed process has sent the whole statement or nothing, and the server executes it whole or not at all
 * [Q-GET-4, Q-MOVE-4]. If the answer is lost, the outcome is unknown: a move can be repeated [Q-MOVE-2], and
 * the items of such a claim are listed in PROCESSING.
 */
export class PostgresMoves implements Moves {
  readonly bulk: BulkPuts
  readonly #db: Kysely<Tables>
  readonly #queueId: number
  readonly #runtime: Pick<Runtime, 'monotonicMs'>
  readonly #statements: PostgresStatements
  readonly #low: LowWater
  readonly #setBack: PostgresSetBack
  /** Where the last scan of all ranks began. */
  #start: Mark | undefined
  readonly #puts: PostgresPuts
  readonly #sizes = new ClaimSizes()

  constructor(db: Kysely<Tables>, { names, queueId, runtime, minBulkRows }: PostgresMovesParts) {
    this.#db = db
    this.#queueId = queueId
    this.#statements = postgresStatements(names)
    const { puts: statements } = this.#statements
    this.#puts = new PostgresPuts({ db, queueId, statements, runtime, minRows: minBulkRows })
    this.bulk = this.#puts.bulk
    this.#setBack = new PostgresSetBack(db, { names, queueId, runtime })
    this.#low = new LowWater(runtime)
    this.#runtime = runtime
  }

  put(rows: readonly NewRow[], order: PutMode): () => Promise<NotAdded> {
    return this.#puts.put(rows, order)
  }

  async update(rows: readonly ChangeRow[]): Promise<readonly string[]> {
    const outcome = await this.#one<Outcome>(PLANNED_EACH_TIME + this.#statements.update, [
      textArray(rows.map(({ id }) => id)),
      uuidArray(rows.map(({ uid }) => uid)),
      jsonLines(rows.map(({ body }) => body)),
      plainArray(rows.map(({ priority }) => priority)),
      plainArray(rows.map(({ not_before_at }) => not_before_at)),
      1,
      rows.length,
      optionalTextArray(rows.map(({ resources }) => resources)),
      optionalTextArray(rows.map(({ limit_key }) => limit_key)),
    ])
    return outcome.ids ?? rows.map(({ id }) => id)
  }

  async claim(scope: ClaimScope, max: number, lease?: HeldLease): Promise<Claimed | undefined> {
    try {
      return await this.#claimSome(scope, max, lease)
    } catch (error) {
      if (!isTooLarge(error)) throw error
      this.#sizes.noteTooLarge()
      return this.#claimSome(scope, max, lease)
    }
  }

  async claimNamed(refs: readonly ItemRef[], lease?: HeldLease): Promise<NamedClaim | undefined> {
    try {
      return await this.#claimSomeNamed(refs, lease)
    } catch (error) {
      if (!isTooLarge(error)) throw error
      this.#sizes.noteTooLarge()
      return this.#claimSomeNamed(refs, lease)
    }
  }

  async #claimSomeNamed(
    refs: readonly ItemRef[],
    lease: HeldLease | undefined,
  ): Promise<NamedClaim | undefined> {
    const tried = refs.slice(0, this.#sizes.most)
    const names = [textArray(tried.map(({ id }) => id)), uuidArray(tried.map(({ uid }) => uid)), 1]
    const { claimNamed, claimNamedUnderLease } = this.#statements
    const text = lease === undefined ? claimNamed : claimNamedUnderLease
    const rows = await this.#claimBy(PLANNED_EACH_TIME + text, names, lease)
    if (rows === undefined) return undefined
    this.#sizes.note(rows)
    return { rows, tried: tried.length }
  }

  async ahead(order: AheadOrder): Promise<AheadPage> {
    await this.#check()
    const { from, note } = this.#low.ahead()
    const { text, parameters } = aheadQuery(this.#statements, order, from)
    const rows = await this.#all<AheadRow | NoneAhead>(text, parameters)
    note()
    return aheadPage(rows, order.max)
  }

  async #claimSome(scope: ClaimScope, max: number, lease?: HeldLease): Promise<Claimed | undefined> {
    const limit = Math.min(max, this.#sizes.most)
    const rows = await this.#claimFrom(scope, limit, lease)
    if (rows === undefined) return undefined
    this.#sizes.note(rows)
    return { rows, isCut: limit < max && rows.length === limit }
  }

  async #claimFrom(
    scope: ClaimScope,
    max: number,
    lease: HeldLease | undefined,
  ): Promise<ClaimedRow[] | undefined> {
    if (scope.kind === 'after') return this.#claim('after', [scope.rank, max], lease)
    if (scope.kind === 'at') return this.#claim('at', [scope.rank, max, ...this.#since(scope.rank)], lease)
    return this.#claimTop(max, lease)
  }

  async #claimTop(max: number, lease: HeldLease | undefined): Promise<ClaimedRow[] | undefined> {
    await this.#check()
    const sentAtMonotonic = this.#runtime.monotonicMs()
    const { from, note } = this.#low.claim(max)
    const rows = await this.#claim(
      'top',
      [max, from?.rank ?? null, from?.availableAt ?? 0, from?.seq ?? 0, from?.version ?? null],
      lease,
    )
    if (rows !== undefined) note(rows)
    if (this.#setBack.hasStarted) await this.#noticeSetBack(rows?.[0]?.claimed_at, sentAtMonotonic)
    return rows
  }

  /**
   * Reads the version of the places, among others, before the claim whose mark it belongs to: a place that
   * changes after it then invalidates that mark.
   */
  async #check(): Promise<void> {
    if (!this.#low.wantsCheck()) return
    const { order, note } = this.#low.check()
    const { rank, from, to } = order
    const answer = await this.#one<FloorAnswer>(this.#statements.floor, [
      rank,
      from?.availableAt ?? 0,
      from?.seq ?? 0,
      to?.availableAt ?? null,
      to?.seq ?? null,
    ])
    note(answer)
  }

  async #claim(
    kind: ClaimScope['kind'],
    backlog: readonly unknown[],
    lease: HeldLease | undefined,
  ): Promise<ClaimedRow[] | undefined> {
    const { claim, claimUnderLease } = this.#statements
    return this.#claimBy((lease === undefined ? claim : claimUnderLease)[kind], backlog, lease)
  }

  async #claimBy(
    text: string,
    parameters: readonly unknown[],
    lease: HeldLease | undefined,
  ): Promise<ClaimedRow[] | undefined> {
    if (lease === undefined) return inOrder(await this.#all<ClaimedRow>(text, parameters))
    const { name, holder, fencingToken } = lease
    const rows = await this.#all<ClaimedRow | LostRow>(text, [...parameters, name, holder, fencingToken])
    const picked = rows.filter(isPicked)
    return picked.length < rows.length ? undefined : inOrder(picked)
  }

  /** Whether the server's clock was set back, so that more items may be due. */
  async #noticeSetBack(serverMs: number | undefined, sentAtMonotonic: number): Promise<boolean> {
    // Claimed items are returned in any case; if the failure lasts, the next claim meets it again.
    if (serverMs === undefined || !(await this.#setBack.saw(serverMs, sentAtMonotonic).catch(() => false)))
      return false
    this.#low.reset()
    return true
  }

  /** Scans twice if the server's clock was set back: items that this delayed are due now. */
  async ranks(limit: number): Promise<RankRow[]> {
    const sentAtMonotonic = this.#runtime.monotonicMs()
    const { ranks, seenAt } = await this.#scan(limit)
    if (!(await this.#noticeSetBack(seenAt, sentAtMonotonic))) return ranks
    return (await this.#scan(limit)).ranks
  }

  async #scan(limit: number): Promise<{ ranks: RankRow[]; seenAt: number | undefined }> {
    await this.#check()
    const { from, note } = this.#low.scan()
    this.#start = from
    const rows = await this.#all<ScanRow>(this.#statements.ranks, [
      limit,
      from?.rank ?? NO_RANK,
      from?.availableAt ?? 0,
      from?.seq ?? 0,
      from?.version ?? null,
    ])
    const ranks = rows.flatMap(({ rank, due }) => (rank === null ? [] : [{ rank, due }]))
    const [seen] = rows
    const isDue = ranks.length >= limit || ranks.some(({ due }) => due)
    if (seen !== undefined) note({ seenAt: seen.seen_at, isDue })
    return { ranks, seenAt: seen?.seen_at }
  }

  /** A claim from one rank begins where the scan began that found the rank. */
  #since(rank: number): readonly (number | null)[] {
    const { rank: of, availableAt, seq, version } = this.#start ?? NOWHERE
    return of === rank ? [availableAt, seq, version] : [0, 0, null]
  }

  async settle(rows: readonly WantedRow[]): Promise<readonly string[]> {
    const uniform = uniformBatch(rows)
    if (uniform !== undefined) {
      const outcome = await this.#one<Outcome>(this.#statements[uniform.statement], uniform.parameters)
      return outcome.ids ?? rows.map(({ id }) => id)
    }
    const returns = rows.some(({ stage }) => stage === STAGE_NUMBERS.WAITING)
    const outcomes = !rows.every(isPlain)
    const outcome = await this.#one<SettleOutcome>(this.#settleStatement(returns, outcomes), [
      1,
      rows.length,
      textArray(rows.map(({ id }) => id)),
      plainArray(rows.map(({ attempt }) => attempt)),
      uuidArray(rows.map(({ uid }) => uid)),
      plainArray(rows.map(({ stage }) => stage)),
      optionalTextArray(rows.map(({ reason }) => reason)),
      jsonLines(rows.map(({ result }) => result)),
      jsonLines(rows.map(({ details }) => details)),
      ...(returns
        ? [plainArray(rows.map((row) => row.delay_ms)), plainArray(rows.map((row) => row.uncounted))]
        : []),
      ...(outcomes ? outcomeColumns(rows) : []),
      ...(returns && outcomes ? returnColumns(rows) : []),
    ])
    // Their places may lie before what this process has claimed so far.
    if (rows.some(({ keep_place }) => keep_place === 1)) this.#low.reset()
    await this.#trim(outcome.overlong ?? [])
    return outcome.ids ?? rows.map(({ id }) => id)
  }

  #settleStatement(returns: boolean, outcomes: boolean): string {
    const { finish, finishOutcomes, settle, settleOutcomes } = this.#statements
    if (returns) return outcomes ? settleOutcomes : settle
    return outcomes ? finishOutcomes : finish
  }

  /** If the process is killed before this, a history is one attempt too long until the next attempt. */
  async #trim(overlong: readonly { readonly seq: number; readonly attempt: number }[]): Promise<void> {
    if (overlong.length === 0) return
    const seqs = plainArray(overlong.map(({ seq }) => seq))
    const attempts = plainArray(overlong.map(({ attempt }) => attempt))
    await this.#db.executeQuery(CompiledQuery.raw(this.#statements.trimAttempts, [seqs, attempts, 1]))
  }

  async requeue(itemIds: readonly string[], { delayMs, priority, reason }: RequeueRow): Promise<string[]> {
    return ids(await this.#all(this.#statements.requeue, [itemIds, delayMs, priority, reason, 1]))
  }

  async remove(itemIds: readonly string[], stages: readonly number[]): Promise<string[]> {
    return ids(await this.#all(PLANNED_EACH_TIME + this.#statements.remove, [itemIds, stages]))
  }

  expire({ retentionMs, fromAt, max }: ExpiryOrder): Promise<Expired> {
    return this.#one<Expired>(this.#statements.expire, [retentionMs, fromAt, max])
  }

  async #one<Row>(text: string, parameters: readonly unknown[]): Promise<Row> {
    const [row] = await this.#all<Row>(text, parameters)
    if (row === undefined) throw new Error('a statement that always returns a row returned none')
    return row
  }

  async #all<Row = { id: string }>(text: string, parameters: readonly unknown[]): Promise<Row[]> {
    const { rows } = await this.#db.executeQuery<Row>(CompiledQuery.raw(text, [this.#queueId, ...parameters]))
    return rows
  }
}

/** The outcome of a statement for its batch: the ids that were done, or null if all were. */
interface Outcome {
  readonly ids: readonly string[] | null
}

interface SettleOutcome extends Outcome {
  /** Items whose history is too long. */
  readonly overlong: readonly { readonly seq: number; readonly attempt: number }[] | null
}

/** A rank of the backlog, or none, with the snapshot of the statement. */
interface ScanRow {
  readonly rank: number | null
  readonly due: boolean
  readonly seen_at: number
}

const NOWHERE = { rank: undefined, availableAt: 0, seq: 0, version: null }

function ids(rows: readonly { id: string }[]): string[] {
  return rows.map(({ id }) => id)
}
