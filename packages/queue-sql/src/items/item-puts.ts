import { withStored, type CheckedItem, type PutRefusal } from '@sluice/core/backend'
import { batches } from '../calls/batch.js'
import type { CallGate } from '../calls/call-gate.js'
import { isOutcomeUnknown } from '../sql-errors.js'
import { newRow } from './item-rows.js'
import type { Moves, NewRow, NotAdded, PutMode } from './moves.js'

/** A batch is put this often while other processes add and remove its items. */
const MAX_ROUNDS = 10

/** How far a put of many has come, for the report of its failure. */
export interface PutProgress {
  added: number
  /** Items of the stored batches, known ones included. */
  stored: number
  /** Items of the batch that is being stored. */
  underWay: number
}

export interface ItemPutsParts {
  readonly gate: CallGate
  readonly moves: Pick<Moves, 'put'>
}

export interface PutUse extends Partial<PutMode> {
  readonly progress?: PutProgress
  /** No batch begins after its abort. */
  readonly signal?: AbortSignal | undefined
}

interface Batch {
  readonly rows: readonly NewRow[]
  readonly notAdded: Promise<NotAdded>
}

/** The puts of one queue, cut into batches, each one transaction. */
export class ItemPuts {
  readonly #parts: ItemPutsParts

  constructor(parts: ItemPutsParts) {
    this.#parts = parts
  }

  /**
   * Puts items, no two of one id. If the process is killed between two batches, the items of the first are
   * stored whole [Q-PUT-3].
   *
   * @returns why items were not added, by id
   */
  async put(
    items: readonly CheckedItem[],
    { compare = false, stage = 'WAITING', progress, signal }: PutUse = {},
  ): Promise<ReadonlyMap<string, PutRefusal>> {
    const { runtime } = this.#parts.gate
    const mode = { compare, stage }
    const refusals = new Map<string, PutRefusal>()
    let underWay: Batch | undefined
    const end = async (): Promise<void> => {
      if (underWay === undefined) return
      const notAdded = await underWay.notAdded
      for (const [id, reason = 'exists'] of notAdded) refusals.set(id, { reason })
      if (progress === undefined) return
      progress.added += underWay.rows.length - notAdded.size
      progress.stored += underWay.rows.length
      progress.underWay = 0
    }
    // Rows are built batch by batch, so that a hundred thousand items are not held twice. A batch is prepared
    // while the one before is stored; two are never stored at once, because the order of `get` is that of the
    // items.
    for (const batch of batches(items, ({ bodyText }) => bodyText.length)) {
      const rows = batch.map((item) => newRow(item, runtime.newId()))
      const run = this.#parts.moves.put(rows, mode)
      await end()
      signal?.throwIfAborted()
      if (progress !== undefined) progress.underWay = batch.length
      underWay = { rows, notAdded: this.#store(rows, run, mode) }
    }
    await end()
    return refusals
  }

  async #store(rows: readonly NewRow[], run: () => Promise<NotAdded>, mode: PutMode): Promise<NotAdded> {
    const { gate, moves } = this.#parts
    const assertInTime = gate.startBatch('put items')
    let notAdded = await gate.run('put items', run)
    for (let round = 1; ; round++) {
      // Another put added them after the snapshot of the statement; they are visible now, or removed.
      const unseen = mode.compare
        ? rows.filter(({ id }) => notAdded.has(id) && notAdded.get(id) === undefined)
        : []
      if (unseen.length === 0) return notAdded
      if (round === MAX_ROUNDS) throw gate.tooBusy('put items', unseen.length)
      assertInTime()
      const again = await gate.run('put items', moves.put(unseen, mode))
      const judged = [...notAdded].filter(([, reason]) => reason !== undefined)
      notAdded = new Map([...judged, ...again])
    }
  }
}

/**
 * The failure of a put with what it had stored [Q-PUT-3]: the batches before, and possibly the one whose
 * answer was lost.
 */
export function partlyStored(error: unknown, { added, stored, underWay }: PutProgress): unknown {
  const unknown = isOutcomeUnknown(error) ? underWay : 0
  return withStored(error, { added, skipped: stored - added, unknown })
}
