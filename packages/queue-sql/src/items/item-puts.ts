import type { CheckedItem } from '@sluice/core'
import { batches, firstOfEach } from '../calls/batch.js'
import { reasonsById } from '../bulk-report.js'
import type { CallGate } from '../calls/call-gate.js'
import { newRow } from './item-rows.js'
import type { KnownReason, Moves, NewRow, NotAdded, PutOrder } from './moves.js'

/** How often the items of a batch are put again that came there while it was put. */
const MAX_ROUNDS = 10

/** How far a put of many has come, for the report of its failure. */
export interface PutProgress {
  added: number
  /** Items of the batches that are stored, those that were known among them. */
  stored: number
  /** Items of the batch that is being stored. */
  underWay: number
}

export interface ItemPutsParts {
  readonly gate: CallGate
  readonly moves: Pick<Moves, 'put'>
}

export interface PutUse extends Partial<PutOrder> {
  readonly progress?: PutProgress
}

interface Batch {
  /** Its items, those that came before in the call among them. */
  readonly items: number
  readonly rows: readonly NewRow[]
  readonly notAdded: Promise<NotAdded>
}

/** Puts of one queue, cut into batches, each one transaction. */
export class ItemPuts {
  readonly #parts: ItemPutsParts

  constructor(parts: ItemPutsParts) {
    this.#parts = parts
  }

  /**
   * For each item why it was not added, or `undefined` where it is new; of two of one id the first counts. Killed between two batches, the items of the first
   * are there and whole [Q-PUT-3].
   */
  async put(
    items: readonly CheckedItem[],
    { compare = false, stage = 'WAITING', progress }: PutUse = {},
  ): Promise<(KnownReason | 'repeated' | undefined)[]> {
    const { runtime } = this.#parts.gate
    const order = { compare, stage }
    const known = new Map<string, KnownReason | undefined>()
    const seen = new Set<string>()
    let underWay: Batch | undefined
    const end = async (): Promise<void> => {
      if (underWay === undefined) return
      const notAdded = await underWay.notAdded
      for (const [id, reason] of notAdded) known.set(id, reason)
      if (progress === undefined) return
      progress.added += underWay.rows.length - notAdded.size
      progress.stored += underWay.items
      progress.underWay = 0
    }
    // Rows are made batch by batch: a hundred thousand items are not held twice. One batch is made ready while the one before is stored;
    // never are two stored at once, or the order of `get` would not be that of the items.
    for (const batch of batches(items, ({ bodyText }) => bodyText.length)) {
      const rows = firstOfEach(batch, seen).map((item) => newRow(item, runtime.newId()))
      const run = this.#parts.moves.put(rows, order)
      await end()
      if (progress !== undefined) progress.underWay = batch.length
      underWay = { items: batch.length, rows, notAdded: this.#store(rows, run, order) }
    }
    await end()
    return seen.size === items.length ? items.map(({ id }) => known.get(id)) : reasonsById(items, known)
  }

  async #store(rows: readonly NewRow[], run: () => Promise<NotAdded>, order: PutOrder): Promise<NotAdded> {
    if (rows.length === 0) return new Map()
    const { gate, moves } = this.#parts
    const assertInTime = gate.startBatch('put items')
    let notAdded = await gate.run('put items', run)
    for (let look = 1; ; look++) {
      // They came there between the two: by another put, so that they are there by now, or gone again.
      const unseen = order.compare
        ? rows.filter(({ id }) => notAdded.has(id) && notAdded.get(id) === undefined)
        : []
      if (unseen.length === 0) return notAdded
      if (look === MAX_ROUNDS) throw gate.tooBusy('put items', unseen.length)
      assertInTime()
      const again = await gate.run('put items', moves.put(unseen, order))
      const seen = [...notAdded].filter(([, reason]) => reason !== undefined)
      notAdded = new Map([...seen, ...again])
    }
  }
}
