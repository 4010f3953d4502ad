import type { Runtime } from '@sluice/core'
import { CompiledQuery, type Kysely } from 'kysely'
import { ClaimSizes, isTooLarge } from './claim-sizes.js'
import type {
  ChangeRow,
  Claimed,
  ClaimedRow,
  ClaimScope,
  Expired,
  ExpiryOrder,
  HeldLease,
  Moves,
  NewRow,
  NotAdded,
  PutOrder,
  RankRow,
  RequeueOrder,
  WantedRow,
} from '../items/moves.js'
import { inOrder } from '../items/claims.js'
import { LowWater, type Mark } from './low-water.js'
import { lines, optionalTexts, plain, texts, uuids, plainBatch } from './parameters.js'
import { isPlain } from '../items/item-rows.js'
import { PLANNED_EACH_TIME } from './pool.js'
import { PostgresPuts } from './puts.js'
import { PostgresSetBack } from './set-back.js'
import { postgresTexts, type PostgresTexts } from './statements/statements.js'
import { STAGE_NUMBERS, type TableNames, type Tables } from '../schema/tables.js'

/**
 * The moves on PostgreSQL, each one statement without a transaction around it: a process killed anywhere in it has sent the whole of it
 * or nothing, and the server does it whole or not at all [Q-GET-4, Q-MOVE-4]. What no process can know is whether a statement
 * whose answer was lost was done; a move may be repeated [Q-MOVE-2], and a claim that nobody heard of is PROCESSING, listed.
 */
export class PostgresMoves implements Moves {
  readonly #db: Kysely<Tables>
  readonly #queueId: number
  readonly #runtime: Pick<Runtime, 'monotonicMs'>
  readonly #texts: PostgresTexts
  readonly #low: LowWater
  readonly #setBack: PostgresSetBack
  /** Where the last look at all ranks began. */
  #start: Mark | undefined
  readonly #puts: PostgresPuts
  readonly #sizes = new ClaimSizes()

  constructor(
    db: Kysely<Tables>,
    { names, queueId, runtime }: { names: TableNames; queueId: number; runtime: Runtime },
  ) {
    this.#db = db
    this.#queueId = queueId
    this.#texts = postgresTexts(names)
    this.#puts = new PostgresPuts(db, this.#texts.puts, queueId)
    this.#setBack = new PostgresSetBack(db, { names, queueId, runtime })
    this.#low = new LowWater(runtime)
    this.#runtime = runtime
  }

  put(rows: readonly NewRow[], order: PutOrder): () => Promise<NotAdded> {
    return this.#puts.put(rows, order)
  }

  async update(rows: readonly ChangeRow[]): Promise<readonly string[]> {
    const told = await this.#one<Told>(PLANNED_EACH_TIME + this.#texts.update, [
      texts(rows.map(({ id }) => id)),
      uuids(rows.map(({ uid }) => uid)),
      lines(rows.map(({ body }) => body)),
      plain(rows.map(({ priority }) => priority)),
      plain(rows.map(({ not_before_at }) => not_before_at)),
      1,
      rows.length,
    ])
    return told.ids ?? rows.map(({ id }) => id)
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
    if (scope.kind === 'at') return this.#claim('at', [scope.rank, max, this.#since(scope.rank)], lease)
    return this.#claimTop(max, lease)
  }

  async #claimTop(max: number, lease: HeldLease | undefined): Promise<ClaimedRow[] | undefined> {
    if (this.#low.wantsVersion()) await this.#readVersion()
    const sentAtMonotonic = this.#runtime.monotonicMs()
    const mark = this.#low.mark()
    const note = this.#low.notes()
    const from = [mark?.rank ?? null, mark?.availableAt ?? null, mark?.version ?? null]
    const rows = await this.#claim('top', [max, ...from], lease)
    if (rows !== undefined) note(rows, max)
    if (this.#setBack.hasStarted) await this.#isSetBack(rows?.[0]?.claimed_at, sentAtMonotonic)
    return rows
  }

  /** Before the claim whose mark it is to be of: a place that is given after it is then one that the next claim has not reckoned with. */
  async #readVersion(): Promise<void> {
    const note = this.#low.versions()
    const { version } = await this.#one<{ version: number }>(this.#texts.placesVersion, [])
    note(version)
  }

  async #claim(
    kind: ClaimScope['kind'],
    backlog: readonly unknown[],
    lease: HeldLease | undefined,
  ): Promise<ClaimedRow[] | undefined> {
    const { claim, claimUnderLease } = this.#texts
    if (lease === undefined) return inOrder(await this.#all<ClaimedRow>(claim[kind], backlog))
    const { name, holder, fencingToken } = lease
    const rows = await this.#all<ClaimedRow | LostRow>(claimUnderLease[kind], [
      ...backlog,
      name,
      holder,
      fencingToken,
    ])
    const picked = rows.filter(isPicked)
    return picked.length < rows.length ? undefined : inOrder(picked)
  }

  /** Whether the clock of the server was set back, and items may be due that were not. */
  async #isSetBack(serverMs: number | undefined, sentAtMonotonic: number): Promise<boolean> {
    // What is claimed is given out, and what is due claimed, whatever comes of this: a failure is met again by the next claim.
    if (serverMs === undefined || !(await this.#setBack.saw(serverMs, sentAtMonotonic).catch(() => false)))
      return false
    this.#low.forget()
    return true
  }

  /** Looks again where the clock of the server was set back, and what that held is due now. */
  async ranks(limit: number): Promise<RankRow[]> {
    const sentAtMonotonic = this.#runtime.monotonicMs()
    const { ranks, seenAt } = await this.#look(limit)
    if (!(await this.#isSetBack(seenAt, sentAtMonotonic))) return ranks
    return (await this.#look(limit)).ranks
  }

  async #look(limit: number): Promise<{ ranks: RankRow[]; seenAt: number | undefined }> {
    const start = this.#low.start()
    this.#start = start
    const note = this.#low.looks()
    const rows = await this.#all<SeenRow>(this.#texts.ranks, [
      limit,
      start?.rank ?? NO_RANK,
      start?.availableAt ?? 0,
      this.#low.isNumbered(),
    ])
    const ranks = rows.flatMap(({ rank, due }) => (rank === null ? [] : [{ rank, due }]))
    const [seen] = rows
    const isDue = ranks.length >= limit || ranks.some(({ due }) => due)
    if (seen !== undefined) note({ seenAt: seen.seen_at, oldest: seen.oldest, own: seen.own, isDue })
    return { ranks, seenAt: seen?.seen_at }
  }

  /** A claim from one rank begins where the look began that found it. */
  #since(rank: number): number {
    return this.#start?.rank === rank ? this.#start.availableAt : 0
  }

  async settle(rows: readonly WantedRow[]): Promise<readonly string[]> {
    const alike = plainBatch(rows)
    if (alike !== undefined) {
      const told = await this.#one<Told>(this.#texts[alike.text], alike.parameters)
      return told.ids ?? rows.map(({ id }) => id)
    }
    const returns = rows.some(({ stage }) => stage === STAGE_NUMBERS.WAITING)
    const outcomes = !rows.every(isPlain)
    const told = await this.#one<Settled>(this.#settleText(returns, outcomes), [
      1,
      rows.length,
      texts(rows.map(({ id }) => id)),
      plain(rows.map(({ attempt }) => attempt)),
      uuids(rows.map(({ uid }) => uid)),
      plain(rows.map(({ stage }) => stage)),
      optionalTexts(rows.map(({ reason }) => reason)),
      lines(rows.map(({ result }) => result)),
      lines(rows.map(({ details }) => details)),
      ...(returns ? [plain(rows.map((row) => row.delay_ms)), plain(rows.map((row) => row.refund))] : []),
      ...(outcomes ? outcomeColumns(rows) : []),
      ...(returns && outcomes ? returnColumns(rows) : []),
    ])
    // They may lie before what this process has claimed so far.
    if (rows.some(({ keep_place }) => keep_place === 1)) this.#low.forget()
    await this.#trim(told.overlong ?? [])
    return told.ids ?? rows.map(({ id }) => id)
  }

  #settleText(returns: boolean, outcomes: boolean): string {
    const { finish, finishOutcomes, settle, settleOutcomes } = this.#texts
    if (returns) return outcomes ? settleOutcomes : settle
    return outcomes ? finishOutcomes : finish
  }

  /** Killed before this, a history is one attempt too long until the next one. */
  async #trim(overlong: readonly { readonly seq: number; readonly attempt: number }[]): Promise<void> {
    if (overlong.length === 0) return
    const seqs = plain(overlong.map(({ seq }) => seq))
    const attempts = plain(overlong.map(({ attempt }) => attempt))
    await this.#db.executeQuery(CompiledQuery.raw(this.#texts.trimAttempts, [seqs, attempts, 1]))
  }

  async requeue(itemIds: readonly string[], { delayMs, priority, reason }: RequeueOrder): Promise<string[]> {
    return ids(await this.#all(this.#texts.requeue, [itemIds, delayMs, priority, reason, 1]))
  }

  async remove(itemIds: readonly string[], stages: readonly number[]): Promise<string[]> {
    return ids(await this.#all(PLANNED_EACH_TIME + this.#texts.remove, [itemIds, stages]))
  }

  expire({ retentionMs, fromMs, max }: ExpiryOrder): Promise<Expired> {
    return this.#one<Expired>(this.#texts.expire, [retentionMs, fromMs, max])
  }

  async #one<Row>(text: string, parameters: readonly unknown[]): Promise<Row> {
    const [row] = await this.#all<Row>(text, parameters)
    if (row === undefined) throw new Error('a statement that always gives a row gave none')
    return row
  }

  async #all<Row = { id: string }>(text: string, parameters: readonly unknown[]): Promise<Row[]> {
    const { rows } = await this.#db.executeQuery<Row>(CompiledQuery.raw(text, [this.#queueId, ...parameters]))
    return rows
  }
}

/** The columns of a batch, in the order in which the statement has them. */
function outcomeColumns(rows: readonly WantedRow[]): readonly (string | null)[] {
  return [
    optionalTexts(rows.map((row) => row.failure_class)),
    plain(rows.map((row) => row.exit_code)),
    optionalTexts(rows.map((row) => row.job_uid)),
  ]
}

function returnColumns(rows: readonly WantedRow[]): readonly (string | null)[] {
  return [
    plain(rows.map((row) => row.unsent)),
    plain(rows.map((row) => row.keep_place)),
    lines(rows.map((row) => row.retry_state)),
  ]
}

/** What a statement says of the rows that it was given: their ids, unless it did what was asked for all of them. */
interface Told {
  readonly ids: readonly string[] | null
}

interface Settled extends Told {
  /** Items whose history has become too long. */
  readonly overlong: readonly { readonly seq: number; readonly attempt: number }[] | null
}

/** A rank of the backlog, or none, beside the snapshot of the statement. */
interface SeenRow {
  readonly rank: number | null
  readonly due: boolean
  readonly seen_at: number
  readonly oldest: number
  readonly own: number | null
}

/** Behind all ranks, which are integers of four bytes. */
const NO_RANK = 2_147_483_648

/** Says that the lease of a claim is lost. */
interface LostRow {
  readonly id: null
}

function isPicked(row: ClaimedRow | LostRow): row is ClaimedRow {
  return row.id !== null
}

function ids(rows: readonly { id: string }[]): string[] {
  return rows.map(({ id }) => id)
}
