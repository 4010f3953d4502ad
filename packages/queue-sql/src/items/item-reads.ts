import type { Stage } from '@sluice/core'
import { CompiledQuery, sql, type Kysely, type RawBuilder } from 'kysely'
import { MAX_BATCH_CHARS } from '../calls/batch.js'
import { QueueGoneError } from '../sql-errors.js'
import type { SqlStore } from '../sql-store.js'
import { STAGE_NUMBERS, type TableNames, type Tables } from '../schema/tables.js'

/** Pages of whole items, and peeks, are cut at this size; they have at least one item. */
const MAX_PAGE_BYTES = MAX_BATCH_CHARS

export interface SummaryFacts {
  readonly id: string
  readonly uid: string
  readonly stage: number
  readonly attempt: number
  readonly refunds: number
  readonly priority: number
  /** JSON text. */
  readonly retry_state: string | null
}

export interface ItemFacts extends SummaryFacts {
  readonly seq: number
  readonly available_at: number
  readonly put_at: number
  readonly not_before_at: number | null
  readonly claimed_at: number | null
}

/** An item with the size of its body and history. */
export interface SizedFacts extends ItemFacts {
  readonly bytes: number
}

export interface AttemptFacts {
  readonly seq: number
  readonly attempt: number
  readonly outcome: number
  /** Whether the item is in SUCCESS or FAIL because of it. */
  readonly final: boolean
  readonly claimed_at: number
  readonly ended_at: number
  readonly reason: string | null
  readonly details: string | null
  readonly result: string | null
  readonly requeue_reason: string | null
  readonly failure_class: string | null
  readonly exit_code: number | null
  readonly job_uid: string | null
  readonly unsent: number | null
}

/** Named one by one: a prepared `select *` fails after an upgrade adds a column. */
const ENDED = ['seq', 'attempt', 'claimed_at', 'ended_at', 'reason', 'details'] as const
const JOB_OUTCOME = ['failure_class', 'exit_code', 'job_uid'] as const

/** The columns read from `facts`, with the current stage and attempt. */
const FACTS = sql.raw(`i.seq, i.id, i.uid, i.refunds, i.priority, i.available_at, i.put_at, i.not_before_at,
  i.retry_state,  coalesce(p.attempt, f.attempt, i.attempt) as attempt, coalesce(p.claimed_at, f.claimed_at, i.claimed_at) as claimed_at,
  ${stageColumn()} as stage`)

/** Lengths are known without reading texts that are stored out of line. */
function bytesColumn({ attempts, finished }: TableNames): string {
  const details = `coalesce(octet_length(details), 0)`
  return `octet_length(i.body) + coalesce((select sum(${details}) from ${attempts} a where a.seq = i.seq), 0)
    + coalesce((select sum(${details} + coalesce(octet_length(result), 0)) from ${finished} e
      where e.queue_id = i.queue_id and e.stage in (2, 3) and e.seq = i.seq), 0) as bytes`
}

/** An item has a row in `processing` or in `finished`, or it is waiting. */
function stageColumn(): string {
  return `case when p.attempt is not null then ${STAGE_NUMBERS.PROCESSING} else coalesce(f.stage, ${STAGE_NUMBERS.WAITING}) end`
}

/**
 * The stage of each item `i`. Subqueries cost a quarter less than a join, which reads both tables for every
 * item.
 */
export function itemStageQuery({ items, processing, finished }: TableNames): string {
  return `coalesce(
      (select ${STAGE_NUMBERS.PROCESSING} from ${processing} p where p.queue_id = i.queue_id and p.id = i.id),
      (select f.stage from ${finished} f where f.queue_id = i.queue_id and f.stage in (2, 3) and f.seq = i.seq),
      ${STAGE_NUMBERS.WAITING}) as stage from ${items} i`
}

/** Reads the items of one queue. */
export class ItemReads {
  readonly #store: SqlStore
  readonly #db: Kysely<Tables>
  readonly #queueId: number
  /** Compiled once: compiling is a tenth of the cost of a lookup for this process. */
  readonly #stageStatement: string

  constructor(store: SqlStore, queueId: number) {
    this.#store = store
    this.#db = store.db
    this.#queueId = queueId
    this.#stageStatement = sql`select ${sql.raw(itemStageQuery(store.names))}
      where i.queue_id = ${queueId} and i.id = ${''}`.compile(store.db).sql
  }

  async find(ids: readonly string[]): Promise<ItemFacts[]> {
    return this.#facts(sql<boolean>`i.queue_id = ${this.#queueId} and ${this.#store.among('i.id', ids)}`)
  }

  async stage(id: string): Promise<number | undefined> {
    const query = CompiledQuery.raw(this.#stageStatement, [this.#queueId, id])
    const { rows } = await this.#db.executeQuery<{ stage: number }>(query)
    return rows[0]?.stage
  }

  async stages(ids: readonly string[]): Promise<Map<string, number>> {
    const { rows } = await sql<{
      id: string
      stage: number
    }>`select i.id, ${sql.raw(itemStageQuery(this.#store.names))}
      where i.queue_id = ${this.#queueId} and ${this.#store.among('i.id', ids)}`.execute(this.#db)
    return new Map(rows.map(({ id, stage }) => [id, stage]))
  }

  async bodies(seqs: readonly number[]): Promise<Map<number, string>> {
    const rows = await this.#db
      .selectFrom(this.#store.names.items)
      .select(['seq', 'body'])
      .where(this.#store.among('seq', seqs))
      .execute()
    return new Map(rows.map(({ seq, body }) => [seq, body]))
  }

  /**
   * Ended attempts by item, oldest first. `finished` is read before `attempts`: a requeue moves attempts from
   * the one to the other, and between reads in the other order it would hide them from both.
   */
  async attempts(seqs: readonly number[]): Promise<Map<number, AttemptFacts[]>> {
    const { names } = this.#store
    const last = await this.#db
      .selectFrom(names.finished)
      .select([...ENDED, ...JOB_OUTCOME, 'stage', 'result'])
      .where('queue_id', '=', this.#queueId)
      .where(sql<boolean>`stage in (2, 3)`)
      .where(this.#store.among('seq', seqs))
      .execute()
    const earlier = await this.#db
      .selectFrom(names.attempts)
      .select([...ENDED, ...JOB_OUTCOME, 'outcome', 'requeue_reason', 'unsent'])
      .where(this.#store.among('seq', seqs))
      .orderBy('seq')
      .orderBy('attempt')
      .execute()
    const final = new Map(last.map((row) => [row.seq, row.attempt]))
    const over = earlier.filter(({ seq, attempt }) => attempt !== final.get(seq))
    return Map.groupBy([...over.map(earlierAttempt), ...last.map(lastAttempt)], ({ seq }) => seq)
  }

  /** The items that a claim would take now, in its order; fewer if they are large. */
  async due(max: number): Promise<ItemFacts[]> {
    const rows = await this.#dueQuery(max).execute()
    const found = await this.sizedBySeq(rows.map(({ seq }) => seq))
    return fitting(rows, found).flatMap(({ seq }) => found.get(seq) ?? [])
  }

  /**
   * The item that a claim would take first, with its body, in one statement: one item is within every size.
   */
  async firstDue(): Promise<(ItemFacts & { readonly body: string }) | undefined> {
    const { facts } = this.#store
    const query = sql<ItemFacts & { readonly body: string }>`select ${FACTS}, i.body from ${facts}
      where i.seq = (${this.#dueQuery(1)})`
    return (await query.execute(this.#db)).rows[0]
  }

  async sizes(): Promise<Record<Stage, number>> {
    const row = await this.#db
      .selectFrom(this.#store.names.counters)
      .select([
        total('waiting').as('WAITING'),
        total('processing').as('PROCESSING'),
        total('success').as('SUCCESS'),
        total('fail').as('FAIL'),
        sql<number>`count(*)`.as('slots'),
      ])
      .where('queue_id', '=', this.#queueId)
      .executeTakeFirstOrThrow()
    const { slots, ...sizes } = row
    if (slots === 0) throw new QueueGoneError()
    return sizes
  }

  /**
   * Items by `seq` read from this queue's tables. Without a condition on the queue: SQLite would choose its
   * index, and walk over all items of the queue.
   */
  async bySeq(seqs: readonly number[]): Promise<Map<number, ItemFacts>> {
    if (seqs.length === 0) return new Map()
    const rows = await this.#facts(this.#store.among('i.seq', seqs))
    return new Map(rows.map((row) => [row.seq, row]))
  }

  /** The same with sizes, for items that are then read whole. */
  async sizedBySeq(seqs: readonly number[]): Promise<Map<number, SizedFacts>> {
    if (seqs.length === 0) return new Map()
    const { facts, names } = this.#store
    const query = sql<SizedFacts>`select ${FACTS}, ${sql.raw(bytesColumn(names))} from ${facts}
      where ${this.#store.among('i.seq', seqs)}`
    const { rows } = await query.execute(this.#db)
    return new Map(rows.map((row) => [row.seq, row]))
  }

  #dueQuery(max: number) {
    const { names, nowMs } = this.#store
    return this.#db
      .selectFrom(names.waiting)
      .select('seq')
      .where('queue_id', '=', this.#queueId)
      .where('available_at', '<=', nowMs)
      .orderBy('rank')
      .orderBy('available_at')
      .orderBy('seq')
      .limit(max)
  }

  async #facts(where: RawBuilder<boolean>): Promise<ItemFacts[]> {
    const query = sql<ItemFacts>`select ${FACTS} from ${this.#store.facts} where ${where}`
    return (await query.execute(this.#db)).rows
  }
}

/** The first keys, up to the size of a page. */
export function fitting<Key extends { readonly seq: number }>(
  keys: readonly Key[],
  found: ReadonlyMap<number, SizedFacts>,
): readonly Key[] {
  let bytes = 0
  const end = keys.findIndex(({ seq }) => {
    const isFull = bytes >= MAX_PAGE_BYTES
    bytes += found.get(seq)?.bytes ?? 0
    return isFull
  })
  return end === -1 ? keys : keys.slice(0, end)
}

function earlierAttempt(row: Omit<AttemptFacts, 'final' | 'result'>): AttemptFacts {
  return { ...row, final: false, result: null }
}

function lastAttempt(
  row: Omit<AttemptFacts, 'final' | 'outcome' | 'requeue_reason' | 'unsent'> & { stage: number },
): AttemptFacts {
  return { ...row, final: true, outcome: row.stage, requeue_reason: null, unsent: null }
}

export function total(column: 'waiting' | 'processing' | 'success' | 'fail'): RawBuilder<number> {
  return sql<number>`cast(coalesce(sum(${sql.ref(column)}), 0) as bigint)`
}
