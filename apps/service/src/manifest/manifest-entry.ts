import { checkNewItem, type NewItem } from '@sluice/core'
import { jsonChars } from './json-chars.js'

/** A line of a manifest that a queue can take. */
export interface GoodEntry {
  /** The file, where there are several. */
  readonly source?: string
  /** Of the file, 1 is the first; of a CSV row that spans lines, its first. */
  readonly line: number
  readonly item: NewItem
  /** About how much memory the item takes until it is stored. */
  readonly bytes: number
}

/** A line that no queue can take, and why. */
export interface RefusedEntry {
  readonly source?: string
  readonly line: number
  /** The JSON field or CSV column that is to blame. */
  readonly field?: string
  readonly reason: string
  /** Nothing after this line could be read: a header without ids, a quote that is never closed. */
  readonly stops?: true
}

export type ManifestEntry = GoodEntry | RefusedEntry

/** How a manifest is written down. */
export const MANIFEST_FORMATS = ['jsonl', 'csv', 'lines'] as const

export type ManifestFormat = (typeof MANIFEST_FORMATS)[number]

export interface ManifestOptions {
  readonly format: ManifestFormat
  /** As the queue's `supports.maxBodyBytes`. */
  readonly maxBodyBytes: number
  /** JSONL: the field that holds the id; the whole object is then the body. CSV: the column of the ids, default `id`. */
  readonly idField?: string
  /** The JSONL field or CSV column that holds the priority. CSV, and JSONL with `idField`. */
  readonly priorityField?: string
  /** CSV: numbers, `true`, `false` and `null` become JSON values; otherwise every value stays a string. */
  readonly typed?: boolean
  /** CSV: one character. Default a comma. */
  readonly delimiter?: string
  /** A longer line or CSV row is refused instead of filling the memory. Default {@link MAX_LINE_BYTES}. */
  readonly maxLineBytes?: number
}

/** A body of a mebibyte written in the longest way JSON knows is six. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024

/** Judges an item as the queue would: what passes here no backend refuses. */
export function judgeItem(item: NewItem, at: { line: number; maxBodyBytes: number }): ManifestEntry {
  try {
    const chars = bodyChars(item, at.maxBodyBytes)
    return { line: at.line, item, bytes: 2 * (chars + item.id.length) }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return refusal(at.line, error.message)
  }
}

/** The queue makes text of each body and checks it then: here that is done only for those which may be too large, or are no plain JSON. */
function bodyChars(item: NewItem, maxBodyBytes: number): number {
  const chars = jsonChars(item.body)
  if (chars * MAX_BYTES_OF_CHAR > maxBodyBytes) return checkNewItem(item, maxBodyBytes).bodyText.length
  // All but the body.
  checkNewItem({ ...item, body: null }, maxBodyBytes)
  return chars
}

/** A control character is six: `\u0001`. */
const MAX_BYTES_OF_CHAR = 6

const FIELD_OF_MESSAGE = /^(?:give )?(id|body|priority|notBeforeAt|delayMs)\b/u

function refusal(line: number, reason: string): RefusedEntry {
  const field = FIELD_OF_MESSAGE.exec(reason)?.[1]
  return field === undefined ? { line, reason } : { line, field, reason }
}

/** `line 7, field body: body must be …`, for people. */
export function describeRefusal(entry: RefusedEntry): string {
  const field = entry.field === undefined ? '' : `, field ${JSON.stringify(entry.field)}`
  return `line ${entry.line}${field}: ${entry.reason}`
}

export function isRefused(entry: ManifestEntry): entry is RefusedEntry {
  return 'reason' in entry
}
