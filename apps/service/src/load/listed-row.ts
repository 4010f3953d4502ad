import {
  describeRefusal,
  type EntryPlace,
  type GoodEntry,
  type RefusedEntry,
} from '../manifest/manifest-entry.js'

/** A row and its item. */
export type ItemRow = EntryPlace & Pick<GoodEntry, 'item' | 'raw'>

/** A row that is not in the queue as listed, or that is a duplicate. */
export interface ListedRow extends Omit<RefusedEntry, 'stops'> {
  readonly id?: string
  readonly what: 'refused' | 'changed' | 'duplicate'
  /** It repeats a row with the same body, so nothing is lost. */
  readonly harmless?: true
}

export function refusedRow(entry: RefusedEntry): ListedRow {
  const { stops: _stops, ...row } = entry
  return { ...row, what: 'refused' }
}

const CHANGED = {
  kept: 'the item has another body in the queue and keeps it; --update-waiting replaces it while the item is in WAITING',
  started: 'the item has another body in the queue and keeps it, since it has left WAITING',
  gone: 'the item had another body in the queue and was removed during the load; load it again to add it',
  'not tried': 'the item has another body in the queue; the load stopped before replacing it',
} as const

export function changedRow(entry: ItemRow, why: keyof typeof CHANGED): ListedRow {
  return { ...at(entry), id: entry.item.id, what: 'changed', reason: CHANGED[why] }
}

const DUPLICATE = {
  same: 'the id came before in this load, with the same body',
  changed: 'the id came before in this load, with another body; the first row counts',
  'not compared': 'the id came before in this load',
} as const

export function duplicateRow(entry: ItemRow, body: keyof typeof DUPLICATE): ListedRow {
  const row = { ...at(entry), id: entry.item.id, what: 'duplicate', reason: DUPLICATE[body] } as const
  return body === 'changed' ? row : { ...row, harmless: true }
}

/** @param row `bytes` is internal and left out */
function at(row: ItemRow & { readonly bytes?: number }) {
  const { item: _item, bytes: _bytes, ...place } = row
  return place
}

/** `tiles.csv, line 7, id "a": the id came before …`. */
export function describeRow(row: ListedRow): string {
  return describeRefusal(row)
}
