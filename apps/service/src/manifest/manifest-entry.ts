import { checkNewItem, type NewItem } from '@sluice/core'
import type { Conveniences } from './conveniences.js'
import type { EscapeIn } from './csv/row-scanner.js'
import { jsonChars } from './json-chars.js'
import type { RawRow } from './raw-row.js'
import type { LineEnds } from './text/text-lines.js'

/** Where a row is. */
export interface EntryPlace {
  /** The file, where there are several. */
  readonly source?: string
  /** Of the file, 1 is the first; of a CSV row that spans lines, its first. */
  readonly line: number
  /** Of a JSON document, whose elements may all be on one line: which of those that the path leads to, 1 is the first. */
  readonly element?: number
  /** Where the element begins: bytes of the unpacked file before it. Absent in a file in UTF-16. */
  readonly byte?: number
}

/** A row of a manifest that a queue can take. */
export interface GoodEntry extends EntryPlace {
  readonly item: NewItem
  /** About how much memory the item takes until it is stored. */
  readonly bytes: number
  /** As it was read, where that is asked for. */
  readonly raw?: RawRow
}

/** A row that no queue can take, and why. */
export interface RefusedEntry extends EntryPlace {
  /** Of an element that has one: a line is found by its number. */
  readonly id?: string
  /** The JSON field, such as `id` or `$.body.n`, or the CSV column that is to blame. */
  readonly field?: string
  readonly reason: string
  /** As it was read, where that is asked for and the row was not too long to be kept. */
  readonly raw?: RawRow
  /** It concerns the whole file, and nothing after this line is read: a header without ids, a document that isn't JSON lines. */
  readonly stops?: true
}

export type ManifestEntry = GoodEntry | RefusedEntry

/** How a manifest is written down. */
export const MANIFEST_FORMATS = ['jsonl', 'csv', 'tsv', 'lines'] as const

export type ManifestFormat = (typeof MANIFEST_FORMATS)[number]

/** How a manifest is read. What is absent is the default of the format. */
export interface ReadingOptions {
  /** Default: what the file's name tells, else its first line. */
  readonly format?: ManifestFormat
  /** Ids are `{base name}:{row}`. */
  readonly idFrom?: 'row'
  /** The base name of standard input. */
  readonly sourceName?: string
  /** JSONL: the field that holds the id, or the keys to it with dots between them; the whole object is the body. */
  readonly idField?: string
  /** JSONL: the field that holds the body. */
  readonly bodyField?: string
  /** JSONL: the field that holds the priority. */
  readonly priorityField?: string
  /** JSON: where the items are in one document, such as `$.features[*]`. */
  readonly path?: string
  /** CSV: the column of the ids, or several with commas between them. Default `id`. */
  readonly idColumn?: string
  readonly priorityColumn?: string
  /** CSV: the names of the columns, of a file without a header. */
  readonly columns?: string
  /** CSV: unquoted numbers, `true`, `false` and `null` become JSON values; otherwise every value is a string. */
  readonly typed?: boolean
  /** CSV: what an unquoted value of no characters is: a field that is absent, or the empty string (default). */
  readonly blank?: 'absent' | 'empty'
  /** CSV: one character. */
  readonly delimiter?: string
  /** CSV: one character, or `none`. Default a double quote, and `none` where the delimiter is a tab. */
  readonly quote?: string
  /** CSV: one character. Default none, beside the doubled quote. */
  readonly escape?: string
  /** CSV with quotes: where the escape counts. Default: a row where it matters is refused. */
  readonly escapeIn?: EscapeIn
  /** CSV: an unquoted value that is written so is null. */
  readonly nullValue?: string
  /** CSV and lines: what comment lines begin with, or `none`. */
  readonly comment?: string
  readonly lineEnds?: LineEnds
  /** CSV and lines: a byte order mark that begins a line other than the first is dropped, or is text. Default: the line is refused. */
  readonly byteOrderMarks?: 'drop' | 'keep'
  /** So many lines at the beginning are left out. */
  readonly skipLines?: number
  /** CSV: outer blanks of column names are dropped, or kept. */
  readonly headerBlanks?: 'trim' | 'keep'
  /** CSV: a header that comes again is an item. */
  readonly keepHeaderRows?: boolean
  /** CSV: so many lines a quoted value goes on for at most. Default {@link MAX_ROW_LINES}. */
  readonly maxRowLines?: number
  /** Lines: columns are separated by runs of blanks. */
  readonly split?: boolean
  /** Lines: they end with NUL. */
  readonly nul?: boolean
}

export interface ManifestOptions extends ReadingOptions {
  /** As the queue's `supports.maxBodyBytes`. */
  readonly maxBodyBytes: number
  /** Rows are given with their text as it was read, too. Default false. */
  readonly keepRaw?: boolean
  /** A longer line or CSV row is refused instead of filling the memory. Default {@link MAX_LINE_BYTES}. */
  readonly maxLineBytes?: number
}

/** What a reader is told beside its options. */
export interface Reading {
  readonly options: ManifestOptions
  /** The base name for `--id-from row`. */
  readonly baseName: string
  readonly conveniences: Conveniences
}

/** Turns bytes into entries: those that are complete with the bytes given. After one that stops, it is asked no more. */
export interface ManifestReader {
  push(bytes: Buffer): readonly ManifestEntry[]
  end(): readonly ManifestEntry[]
}

/** A body of a mebibyte written in the longest way JSON knows is six. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024

/** Far above any text that stands in a cell, and few enough that a stray quote takes little with it. */
export const MAX_ROW_LINES = 1_000

export interface JudgeOptions {
  readonly line: number
  readonly maxBodyBytes: number
  /** The body is part of so many characters of JSON that `parseJson` took: it needs no second look, unless it may be too large. */
  readonly parsedChars?: number
}

/** How far a body can outgrow its characters: one of a string to six bytes, as `\u0001`, and a number such as `1e20` to five times its length. */
const MAX_GROWTH = 6

/** Judges an item as the queue would: what passes here no backend refuses. */
export function judgeItem(item: NewItem, at: JudgeOptions): ManifestEntry {
  const { line, maxBodyBytes, parsedChars } = at
  const isSmall = parsedChars !== undefined && parsedChars * MAX_GROWTH <= maxBodyBytes
  try {
    const chars = isSmall ? checkedButBody(item, parsedChars) : bodyChars(item, maxBodyBytes)
    return { line, item, bytes: 2 * (chars + item.id.length) }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return refusal(line, error.message)
  }
}

/** The queue makes text of each body and checks it then: here that is done only for those which may be too large, or are no plain JSON. */
function bodyChars(item: NewItem, maxBodyBytes: number): number {
  const chars = jsonChars(item.body)
  if (chars * MAX_GROWTH > maxBodyBytes) return checkNewItem(item, maxBodyBytes).bodyText.length
  return checkedButBody(item, chars)
}

/** Of a body that fits for sure: the item without it is checked. */
function checkedButBody(item: NewItem, chars: number): number {
  checkNewItem({ ...item, body: null }, MAX_LINE_BYTES)
  return chars
}

const FIELD_OF_MESSAGE = /^(?:give )?(id|body|priority|notBeforeAt|delayMs)\b/u

function refusal(line: number, reason: string): RefusedEntry {
  const field = FIELD_OF_MESSAGE.exec(reason)?.[1]
  return field === undefined ? { line, reason } : { line, field, reason }
}

/** `tiles.csv, line 7, field "body": body must be …`, for people. */
export function describeRefusal(entry: RefusedEntry): string {
  const id = entry.id === undefined ? '' : `, id ${JSON.stringify(entry.id)}`
  const field = entry.field === undefined ? '' : `, field ${JSON.stringify(entry.field)}`
  return `${describePlace(entry)}${id}${field}: ${entry.reason}`
}

/** `tiles.json, line 1, element 3 (byte 1204)`, for people. */
function describePlace({ source, line, element, byte }: EntryPlace): string {
  const byteText = byte === undefined ? '' : ` (byte ${byte})`
  const elementText = element === undefined ? byteText : `, element ${element}${byteText}`
  return `${source === undefined ? '' : `${source}, `}line ${line}${elementText}`
}

export function isRefused(entry: ManifestEntry): entry is RefusedEntry {
  return 'reason' in entry
}
