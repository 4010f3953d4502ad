import type { NewItem } from '@sluice/core'
import type { ItemRow, ListedRow } from './listed-row.js'
import type { EntryPlace, GoodEntry } from '../manifest/manifest-entry.js'

/**
 * Rows that are put in one call. Positions are kept in arrays, not in an object per row: thousands of those
 * would outlive the young generation of the heap.
 */
export class CallRows {
  readonly items: NewItem[] = []
  /** Rows whose id may be a repeat. */
  readonly suspects = new Set<number>()
  readonly #lines: number[] = []
  readonly #sources: (string | undefined)[] = []
  /** The positions of document elements, by row, where the line does not identify them. */
  readonly #elements = new Map<number, Pick<EntryPlace, 'element' | 'byte'>>()
  readonly #raws: GoodEntry['raw'][] = []
  /** The index of each row in its batch. */
  readonly #places: number[] = []

  /** @param row.item replaces that of the entry */
  add(entry: GoodEntry, row: { item: NewItem; isSuspect: boolean; place: number }): void {
    const { line, source, element, byte, raw } = entry
    if (row.isSuspect) this.suspects.add(this.items.length)
    if (element !== undefined)
      this.#elements.set(this.items.length, byte === undefined ? { element } : { element, byte })
    this.items.push(row.item)
    this.#lines.push(line)
    this.#sources.push(source)
    this.#places.push(row.place)
    if (raw !== undefined) this.#raws[this.items.length - 1] = raw
  }

  row(index: number): ItemRow {
    const [item, source, raw] = [this.items[index], this.#sources[index], this.#raws[index]]
    if (item === undefined) throw new RangeError(`a call of ${this.items.length} rows has no row ${index}`)
    return {
      ...(source === undefined ? {} : { source }),
      line: this.#lines[index] ?? 0,
      ...this.#elements.get(index),
      item,
      ...(raw === undefined ? {} : { raw }),
    }
  }

  placeOf(index: number): number {
    return this.#places[index] ?? 0
  }
}

/** A row to list, and its index in the batch. */
export interface PlacedRow {
  readonly place: number
  readonly row: ListedRow
}

/**
 * Consecutive rows of a list: those to store, in one call or, with done rows, in two, and the refused ones.
 */
export class Batch {
  readonly waiting = new CallRows()
  /** Rows whose items are put into SUCCESS. */
  readonly done = new CallRows()
  readonly refused: PlacedRow[] = []
  bytes = 0

  get rows(): number {
    return this.items + this.refused.length
  }

  /** Rows to store. */
  get items(): number {
    return this.waiting.items.length + this.done.items.length
  }

  /** @param row.encode prepares an item for the queue */
  add(
    entry: GoodEntry,
    row: { isSuspect: boolean; isDone: boolean; encode: (item: NewItem) => NewItem },
  ): void {
    const { isSuspect, isDone } = row
    const place = this.rows
    const item = row.encode(isDone ? undelayed(entry.item) : entry.item)
    const rows = isDone ? this.done : this.waiting
    rows.add(entry, { item, isSuspect, place })
    this.bytes += entry.bytes
  }

  refuse(row: ListedRow): void {
    this.refused.push({ place: this.rows, row })
  }
}

/** A succeeded item takes no delay [Q-PUT-5]. */
function undelayed(item: NewItem): NewItem {
  const { delayMs: _delay, notBeforeAt: _instant, ...undelayed } = item
  return undelayed
}
