import { isSluiceError, type NewItem, type Queue } from '@sluice/core'
import { countRows, type LoadCounts, type RowCounts } from './load-counts.js'
import type { EntryPlace, GoodEntry } from './manifest-entry.js'
import { changedRow, duplicateRow, type ItemRow, type ListedRow } from './listed-row.js'
import { outcomesOf, type RowFate, type RowOutcome } from './row-outcomes.js'

/** Rows that are put in one call. Of each the item and its position are kept, and no object of its own: thousands of these would outlive the young heap. */
export class Batch {
  readonly items: NewItem[] = []
  /** Rows whose id may have come before. */
  readonly suspects = new Set<number>()
  bytes = 0
  readonly #lines: number[] = []
  readonly #sources: (string | undefined)[] = []
  /** Of the elements of documents alone, by the row: where a line doesn't tell. */
  readonly #elements = new Map<number, Pick<EntryPlace, 'element' | 'byte'>>()

  add({ item, bytes, line, source, element, byte }: GoodEntry, isSuspect: boolean): void {
    if (isSuspect) this.suspects.add(this.items.length)
    if (element !== undefined)
      this.#elements.set(this.items.length, byte === undefined ? { element } : { element, byte })
    this.items.push(item)
    this.#lines.push(line)
    this.#sources.push(source)
    this.bytes += bytes
  }

  row(index: number): ItemRow {
    const [item, source] = [this.items[index], this.#sources[index]]
    if (item === undefined) throw new RangeError(`a batch of ${this.items.length} rows has no row ${index}`)
    const place = { line: this.#lines[index] ?? 0, ...this.#elements.get(index) }
    return { ...(source === undefined ? {} : { source }), ...place, item }
  }
}

export interface BatchPutOptions {
  readonly compare: boolean
  /** Bodies of items that are WAITING are replaced by those of the rows. */
  readonly updateWaiting: boolean
  /** Once it is aborted no second call is made for a batch. */
  readonly signal?: AbortSignal
}

const COUNT_OF_FATE: Readonly<Record<RowFate, keyof RowCounts>> = {
  same: 'same',
  changed: 'changed',
  duplicate: 'duplicate',
  'duplicate-changed': 'duplicate',
  exists: 'exists',
}

/** Puts batches into a queue and counts what became of each row. */
export class BatchPut {
  /** How long the latest `putMany` took. */
  tookMs = 0
  readonly #queue: Queue
  readonly #counts: LoadCounts
  readonly #options: BatchPutOptions

  constructor(queue: Queue, counts: LoadCounts, options: BatchPutOptions) {
    this.#queue = queue
    this.#counts = counts
    this.#options = options
  }

  /**
   * @returns the rows to list
   * @throws what the queue rejects with; all rows of the batch are counted all the same
   */
  async put(batch: Batch): Promise<ListedRow[]> {
    const { compare } = this.#options
    const { items, suspects } = batch
    const startedAtMs = performance.now()
    const { added, skipped } = await this.#queue.putMany(items, { compare }).catch((error: unknown) => {
      this.#countFailed(error, items.length)
      throw error
    })
    this.tookMs = performance.now() - startedAtMs
    countRows(this.#counts, 'added', added)
    if (skipped.length === 0) return []
    const outcomes = outcomesOf({ items, suspects, compare }, skipped)
    const left = await this.#update(batch, outcomes)
    this.#count(outcomes)
    return outcomes.flatMap(({ index, fate }) =>
      fate === 'same' || fate === 'exists' ? [] : this.#listed(batch.row(index), fate, left),
    )
  }

  #count(outcomes: readonly RowOutcome[]): void {
    for (const { fate } of outcomes) {
      countRows(this.#counts, COUNT_OF_FATE[fate], 1)
      if (fate === 'duplicate-changed') this.#counts.duplicateChanged += 1
    }
  }

  /** A storage says what of a failed batch is in; of one that doesn't, each item of it may be. */
  #countFailed(error: unknown, items: number): void {
    // A wrong argument: nothing of the call is stored.
    const none = error instanceof TypeError ? { added: 0, duplicates: 0, unknown: 0 } : undefined
    const stored = isSluiceError(error) ? error.stored : none
    const { added, duplicates, unknown } = stored ?? { added: 0, duplicates: 0, unknown: items }
    countRows(this.#counts, 'added', added)
    countRows(this.#counts, 'exists', duplicates)
    countRows(this.#counts, 'unknown', unknown)
    countRows(this.#counts, 'unstored', items - added - duplicates - unknown)
  }

  /**
   * Replaces bodies of items that are WAITING. Without a uid: whichever item has the id now is to have the body of the list.
   *
   * @returns the ids of items that were not updated, and why
   */
  async #update(
    batch: Batch,
    outcomes: readonly RowOutcome[],
  ): Promise<ReadonlyMap<string, string> | undefined> {
    const { updateWaiting, signal } = this.#options
    if (!updateWaiting || signal?.aborted === true) return undefined
    const changes = outcomes
      .filter(({ fate }) => fate === 'changed')
      .map(({ index }) => batch.row(index).item)
      .map(({ id, body }) => ({ id, body }))
    if (changes.length === 0) return undefined
    const { updated, skipped } = await this.#queue.update(changes).catch((error: unknown) => {
      this.#count(outcomes.filter(({ fate }) => fate !== 'changed'))
      countRows(this.#counts, 'unknown', changes.length)
      throw error
    })
    this.#counts.updated += updated
    this.#counts.started += skipped.filter(({ reason }) => reason === 'wrong-stage').length
    return new Map(skipped.map(({ id, reason }) => [id, reason]))
  }

  #listed(
    row: ItemRow,
    fate: Exclude<RowFate, 'same' | 'exists'>,
    left: ReadonlyMap<string, string> | undefined,
  ): ListedRow[] {
    if (fate === 'duplicate') return [duplicateRow(row, this.#options.compare ? 'same' : 'not compared')]
    if (fate === 'duplicate-changed') return [duplicateRow(row, 'changed')]
    if (left === undefined) return [changedRow(row, this.#options.updateWaiting ? 'not tried' : 'kept')]
    const why = left.get(row.item.id)
    return why === undefined ? [] : [changedRow(row, why === 'wrong-stage' ? 'started' : 'gone')]
  }
}
