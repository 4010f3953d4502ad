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
  readonly moves: Pick<Moves, 'put' | 'bulk'>
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

/** A put of many under way. */
interface Put {
  readonly mode: PutMode
  readonly progress: PutProgress
  readonly signal: AbortSignal | undefined
  readonly refusals: Map<string, PutRefusal>
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
    { compare = false, stage = 'WAITING', progress = noProgress(), signal }: PutUse = {},
  ): Promise<ReadonlyMap<string, PutRefusal>> {
    const put = { mode: { compare, stage }, progress, signal, refusals: new Map<string, PutRefusal>() }
    const { minRows, maxRows } = this.#parts.moves.bulk
    if (items.length < minRows) await this.#putRows(items, put)
    else for (const many of batches(items, charsOf, maxRows)) await this.#putMany(many, put)
    return put.refusals
  }

  async #putMany(items: readonly CheckedItem[], put: Put): Promise<void> {
    const { gate, moves } = this.#parts
    const { progress, signal, mode } = put
    if (items.length >= moves.bulk.minRows && moves.bulk.isUsable) {
      signal?.throwIfAborted()
      progress.underWay = items.length
      const isPut = await gate.run('put items', () => moves.bulk.put(items, mode.stage))
      progress.underWay = 0
      if (isPut) {
        progress.added += items.length
        progress.stored += items.length
        return
      }
    }
    await this.#putRows(items, put)
  }

  async #putRows(items: readonly CheckedItem[], { mode, progress, signal, refusals }: Put): Promise<void> {
    const { runtime } = this.#parts.gate
    let underWay: Batch | undefined
    const end = async (): Promise<void> => {
      if (underWay === undefined) return
      const notAdded = await underWay.notAdded
      for (const [id, reason = 'exists'] of notAdded) refusals.set(id, { reason })
      progress.added += underWay.rows.length - notAdded.size
      progress.stored += underWay.rows.length
      progress.underWay = 0
    }
    // Rows are built batch by batch, so that a hundred thousand items are not held twice. A batch is prepared
    // while the one before is stored; two are never stored at once, because the order of `get` is that of the
    // items.
    for (const batch of batches(items, charsOf)) {
      const rows = batch.map((item) => newRow(item, runtime.newId()))
      const run = this.#parts.moves.put(rows, mode)
      await end()
      signal?.throwIfAborted()
      progress.underWay = batch.length
      underWay = { rows, notAdded: this.#store(rows, run, mode) }
    }
    await end()
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

function charsOf({ bodyText }: CheckedItem): number {
  return bodyText.length
}

function noProgress(): PutProgress {
  return { added: 0, stored: 0, underWay: 0 }
}

/**
 * The failure of a put with what it had stored [Q-PUT-3]: the batches before, and possibly the one whose
 * answer was lost.
 */
export function partlyStored(error: unknown, { added, stored, underWay }: PutProgress): unknown {
  const unknown = isOutcomeUnknown(error) ? underWay : 0
  return withStored(error, { added, skipped: stored - added, unknown })
}
