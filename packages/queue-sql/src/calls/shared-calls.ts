import type { CheckedItem, UpdateReport } from '@sluice/core'
import { MAX_BATCH_CHARS, MAX_BATCH_ROWS } from './batch.js'
import type { CallGate } from './call-gate.js'
import { Coalescer } from './coalescer.js'
import { changedChars, settledChars, type ItemMoves, type Refusal } from '../items/item-moves.js'
import type { ItemPuts } from '../items/item-puts.js'
import type { ItemReads } from '../items/item-reads.js'
import type { SqlStore } from '../sql-store.js'
import type { ChangeRow, ClaimedRow, HeldLease, WantedRow } from '../items/moves.js'

/** What a row adds to the size of a batch besides its text, so that no batch has more than fit into one statement. */
const ROW_CHARS = MAX_BATCH_CHARS / MAX_BATCH_ROWS

export interface SharedCallsParts {
  readonly store: Pick<SqlStore, 'concurrency' | 'runtime'>
  readonly gate: CallGate
  readonly reads: ItemReads
  readonly puts: ItemPuts
  readonly moves: ItemMoves
}

/**
 * The calls of one object that share statements with others of their kind, as {@link Coalescer} has it. What fills statements of its own
 * goes past it, so that no small call waits for a large one.
 */
export class SharedCalls {
  readonly #moves: ItemMoves
  readonly #puts: Coalescer<CheckedItem, boolean>
  readonly #settles: Coalescer<readonly WantedRow[], readonly (Refusal | undefined)[]>
  readonly #updates: Coalescer<readonly ChangeRow[], readonly (UpdateReason | undefined)[]>
  readonly #claims: Coalescer<number, ClaimOutcome>
  readonly #lookups: Coalescer<string, number | undefined>

  constructor({ store: { concurrency, runtime }, gate, reads, puts, moves }: SharedCallsParts) {
    this.#moves = moves
    this.#puts = new Coalescer({
      flush: async (items) => (await puts.put(items)).map((reason) => reason === undefined),
      chars: ({ bodyText }) => bodyText.length,
      // Items are given out in the order of their puts.
      concurrency: 1,
      runtime,
    })
    this.#settles = new Coalescer({
      flush: async (calls) =>
        shared(
          await moves.settle(calls.flat()),
          calls.map(({ length }) => length),
        ),
      chars: (rows) => rows.reduce((sum, row) => sum + settledChars(row) + ROW_CHARS, 0),
      concurrency,
      runtime,
    })
    this.#updates = new Coalescer({
      flush: async (calls) =>
        shared(
          await moves.update(calls.flat()),
          calls.map(({ length }) => length),
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
      // They wait for no disk: sharing pays only once many are under way.
      concurrency: concurrency * 2,
      runtime,
    })
  }

  /** Whether the item is new. */
  put(item: CheckedItem): Promise<boolean> {
    return this.#puts.add(item)
  }

  /** As {@link ItemMoves.settle}. */
  settle(rows: readonly WantedRow[]): Promise<readonly (Refusal | undefined)[]> {
    return rows.length < MAX_BATCH_ROWS ? this.#settles.add(rows) : this.#moves.settle(rows)
  }

  /** As {@link ItemMoves.update}. */
  update(rows: readonly ChangeRow[]): Promise<readonly (UpdateReason | undefined)[]> {
    return rows.length < MAX_BATCH_ROWS ? this.#updates.add(rows) : this.#moves.update(rows)
  }

  /** As {@link ItemMoves.claim}. Under a lease there is one caller, who has nobody to share with. */
  async claim(max: number, lease?: HeldLease): Promise<readonly ClaimedRow[]> {
    if (lease !== undefined || max >= MAX_BATCH_ROWS) return (await this.#moves.claim(max, lease)).rows
    const outcome = await this.#claims.add(max)
    if ('error' in outcome) throw outcome.error
    return outcome.rows
  }

  /** The number of the stage, if there is such an item. */
  stage(id: string): Promise<number | undefined> {
    return this.#lookups.add(id)
  }
}

type UpdateReason = UpdateReport['skipped'][number]['reason']

type ClaimOutcome = { readonly rows: readonly ClaimedRow[] } | { readonly error: unknown }

/**
 * Fewer than all asked for: those who came first are given theirs. Where that is for the sake of their size, it is claimed on for those who were given
 * nothing: an empty claim would say that there is none left [Q-GET-3].
 */
async function claimShared(
  moves: Pick<ItemMoves, 'claim'>,
  counts: readonly number[],
): Promise<ClaimOutcome[]> {
  const outcomes: ClaimOutcome[] = []
  while (outcomes.length < counts.length) {
    const left = counts.slice(outcomes.length)
    try {
      const { rows, isCut } = await moves.claim(left.reduce((sum, count) => sum + count, 0))
      const shares = shared(rows, left)
      const unserved = shares.findIndex((share, index) => share.length === 0 && left[index] !== 0)
      const served = isCut && unserved > 0 ? shares.slice(0, unserved) : shares
      outcomes.push(...served.map((share) => ({ rows: share })))
    } catch (error) {
      // What is claimed is given out: whoever has nothing yet is told.
      outcomes.push(...left.map(() => ({ error })))
    }
  }
  return outcomes
}

/** Cuts what was done for all into what each asked for, in order. */
function shared<Row>(rows: readonly Row[], counts: readonly number[]): (readonly Row[])[] {
  let from = 0
  return counts.map((count) => rows.slice(from, (from += count)))
}

async function stagesOf(reads: ItemReads, ids: readonly string[]): Promise<(number | undefined)[]> {
  const [id] = ids
  if (id !== undefined && ids.length === 1) return [await reads.stage(id)]
  const stages = await reads.stages([...new Set(ids)])
  return ids.map((each) => stages.get(each))
}
