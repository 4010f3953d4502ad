import type { QueueItem, Stage } from '@sluice/core'
import type { CheckedChange, CheckedItem, CheckedMove, MoveRefusal, PutRefusal } from '@sluice/core/backend'
import { changedChars, settledChars, type ItemMoves, type UpdateReason } from '../items/item-moves.js'
import { partlyStored, type ItemPuts } from '../items/item-puts.js'
import type { ItemReads } from '../items/item-reads.js'
import { changeRow, wantedRow } from '../items/item-rows.js'
import { claimedItem } from '../items/item-views.js'
import type { ChangeRow, ClaimedRow, HeldLease, WantedRow } from '../items/moves.js'
import { stageOf } from '../schema/tables.js'
import type { SqlStore } from '../sql-store.js'
import { firstOfEach, MAX_BATCH_CHARS, MAX_BATCH_ROWS } from './batch.js'
import type { CallGate } from './call-gate.js'
import { Coalescer } from './coalescer.js'

/**
 * The size of a row in a batch besides its text, so that a batch has no more rows than fit into one
 * statement.
 */
const ROW_CHARS = MAX_BATCH_CHARS / MAX_BATCH_ROWS

const NO_REFUSALS: ReadonlyMap<string, never> = new Map<string, never>()
const EXISTS: PutRefusal = { reason: 'exists' }

export interface SharedCallsParts {
  readonly store: Pick<SqlStore, 'concurrency' | 'runtime'>
  readonly gate: CallGate
  readonly reads: ItemReads
  readonly puts: ItemPuts
  readonly moves: ItemMoves
}

/**
 * The calls of one queue object that share statements with others of their kind, see {@link Coalescer}. A
 * call that fills statements of its own bypasses it, so that no small call waits for a large one.
 */
export class SharedCalls {
  readonly #moves: ItemMoves
  readonly #puts: Coalescer<CheckedItem, ReadonlyMap<string, PutRefusal>>
  readonly #settles: Coalescer<readonly WantedRow[], readonly (MoveRefusal | undefined)[]>
  readonly #updates: Coalescer<readonly ChangeRow[], ReadonlyMap<string, UpdateReason>>
  readonly #claims: Coalescer<number, ClaimOutcome>
  readonly #lookups: Coalescer<string, Stage | undefined>

  constructor({ store: { concurrency, runtime }, gate, reads, puts, moves }: SharedCallsParts) {
    this.#moves = moves
    this.#puts = new Coalescer({
      flush: (items) => putShared(puts, items),
      chars: ({ bodyText }) => bodyText.length,
      // Items are claimed in the order of their puts.
      concurrency: 1,
      runtime,
    })
    this.#settles = new Coalescer({
      flush: async (calls) => shared(await moves.settle(calls.flat()), lengthsOf(calls)),
      chars: (rows) => rows.reduce((sum, row) => sum + settledChars(row) + ROW_CHARS, 0),
      concurrency,
      runtime,
    })
    this.#updates = new Coalescer({
      flush: async (calls) =>
        shared(await moves.update(calls.flat()), lengthsOf(calls)).map((reasons, index) =>
          refusalsOf(calls[index] ?? [], reasons),
        ),
      chars: (rows) => rows.reduce((sum, row) => sum + changedChars(row) + ROW_CHARS, 0),
      concurrency,
      runtime,
    })
    this.#claims = new Coalescer({
      flush: (counts) => claimShared(moves, counts),
      chars: (count) => count * ROW_CHARS,
      concurrency,
      runtime,
    })
    this.#lookups = new Coalescer({
      flush: (ids) => gate.run('look up an item', () => stagesOf(reads, ids)),
      chars: (id) => id.length,
      // They do not wait for a disk: sharing pays only when many are under way.
      concurrency: concurrency * 2,
      runtime,
    })
  }

  /** Puts one item into WAITING; why it was not added, if so, by its id. */
  put(item: CheckedItem): Promise<ReadonlyMap<string, PutRefusal>> {
    return this.#puts.add(item)
  }

  /** As {@link ItemMoves.settle}. */
  settle(moves: readonly CheckedMove[], signal?: AbortSignal): Promise<readonly (MoveRefusal | undefined)[]> {
    const rows = moves.map(wantedRow)
    return rows.length < MAX_BATCH_ROWS ? this.#settles.add(rows) : this.#moves.settle(rows, signal)
  }

  /** As {@link ItemMoves.update}, by id, which come once each. */
  update(
    changes: readonly CheckedChange[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, UpdateReason>> {
    const rows = changes.map(changeRow)
    if (rows.length < MAX_BATCH_ROWS) return this.#updates.add(rows)
    return this.#moves.update(rows, signal).then((reasons) => refusalsOf(rows, reasons))
  }

  /** As {@link ItemMoves.claim}. A claim under a lease is not shared: there is one caller. */
  async claim(max: number, lease: HeldLease | undefined): Promise<QueueItem[] | undefined> {
    if (lease !== undefined || max >= MAX_BATCH_ROWS)
      return (await this.#moves.claim(max, lease))?.rows.map(claimedItem)
    const outcome = await this.#claims.add(max)
    if ('error' in outcome) throw outcome.error
    return outcome.rows.map(claimedItem)
  }

  /** The stage of an item, if there is one of this id. */
  stage(id: string): Promise<Stage | undefined> {
    return this.#lookups.add(id)
  }
}

type ClaimOutcome = { readonly rows: readonly ClaimedRow[] } | { readonly error: unknown }

/** One transaction, so each caller's own item is stored or not, or unknown. */
async function putShared(
  puts: ItemPuts,
  items: readonly CheckedItem[],
): Promise<ReadonlyMap<string, PutRefusal>[]> {
  try {
    const firsts = firstOfEach(items)
    const refusals = await puts.put(firsts)
    if (refusals.size === 0 && firsts.length === items.length) return items.map(() => NO_REFUSALS)
    const added = new Set(firsts.filter(({ id }) => !refusals.has(id)))
    return items.map((item) => (added.has(item) ? NO_REFUSALS : new Map([[item.id, EXISTS]])))
  } catch (error) {
    throw partlyStored(error, { added: 0, stored: 0, underWay: 1 })
  }
}

/**
 * If fewer items are claimed than all callers asked for, the first callers get theirs. If the claim was cut
 * because of its size, it continues for the callers without an item: an empty claim would mean that none is
 * left [Q-GET-3].
 */
async function claimShared(
  moves: Pick<ItemMoves, 'claim'>,
  counts: readonly number[],
): Promise<ClaimOutcome[]> {
  const outcomes: ClaimOutcome[] = []
  while (outcomes.length < counts.length) {
    const left = counts.slice(outcomes.length)
    try {
      const { rows, isCut } = (await moves.claim(left.reduce((sum, count) => sum + count, 0))) ?? NO_CLAIM
      const shares = shared(rows, left)
      const unserved = shares.findIndex((share, index) => share.length === 0 && left[index] !== 0)
      const served = isCut && unserved > 0 ? shares.slice(0, unserved) : shares
      outcomes.push(...served.map((share) => ({ rows: share })))
    } catch (error) {
      // Claimed items are returned; the callers without one get the error.
      outcomes.push(...left.map(() => ({ error })))
    }
  }
  return outcomes
}

const NO_CLAIM = { rows: [], isCut: false }

/** Splits the outcomes of a batch into those of each call, in order. */
function shared<Row>(rows: readonly Row[], counts: readonly number[]): (readonly Row[])[] {
  let from = 0
  return counts.map((count) => rows.slice(from, (from += count)))
}

function lengthsOf(calls: readonly (readonly unknown[])[]): number[] {
  return calls.map(({ length }) => length)
}

function refusalsOf(
  rows: readonly ChangeRow[],
  reasons: readonly (UpdateReason | undefined)[],
): ReadonlyMap<string, UpdateReason> {
  return new Map(
    rows.flatMap(({ id }, index) => {
      const reason = reasons[index]
      return reason === undefined ? [] : [[id, reason]]
    }),
  )
}

async function stagesOf(reads: ItemReads, ids: readonly string[]): Promise<(Stage | undefined)[]> {
  const [id] = ids
  if (id !== undefined && ids.length === 1) return [named(await reads.stage(id))]
  const stages = await reads.stages([...new Set(ids)])
  return ids.map((each) => named(stages.get(each)))
}

function named(stored: number | undefined): Stage | undefined {
  return stored === undefined ? undefined : stageOf(stored)
}
