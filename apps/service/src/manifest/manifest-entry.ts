import type { JsonValue, NewItem } from '@sluice/core'
import { checkNewItem } from '@sluice/core/backend'
import type { LimitKeySource, ResourceSource } from './chosen-items.js'
import type { Conveniences } from './conveniences.js'
import type { EscapeIn } from './csv/row-scanner.js'
import type { RawRow } from './raw-row.js'
import type { LineEnds } from './text/text-lines.js'

/** Where a row is. */
export interface EntryPlace {
  /** The file, where there are several. */
  readonly source?: string
  /** The line in the file, from 1; the first line of a CSV row with several. */
  readonly line: number
  /** The index of an element in a JSON document, from 1: all may be on one line. */
  readonly element?: number
  /** The offset of the element in the decompressed file. Absent in UTF-16. */
  readonly byte?: number
}

/** A valid row of a manifest. */
export interface GoodEntry extends EntryPlace {
  readonly item: NewItem
  /** The approximate memory of the item until it is stored. */
  readonly bytes: number
  /** The text as read, where requested. */
  readonly raw?: RawRow
}

/** An invalid row, and why. */
export interface RefusedEntry extends EntryPlace {
  /** The id of an element, which has no line of its own. */
  readonly id?: string
  /** The JSON field at fault, such as `id` or `$.body.n`, or the CSV column. */
  readonly field?: string
  readonly reason: string
  /** The text as read, where requested and not too long. */
  readonly raw?: RawRow
  /** A fault of the whole file, such as a header without ids: nothing after this line is read. */
  readonly stops?: true
}

export type ManifestEntry = GoodEntry | RefusedEntry

/** The formats of a manifest. */
export const MANIFEST_FORMATS = ['jsonl', 'csv', 'tsv', 'lines'] as const

export type ManifestFormat = (typeof MANIFEST_FORMATS)[number]

/** How a manifest is read. An absent option is the default of the format. */
export interface ReadingOptions {
  /** Default: by the file name, else by the first line. */
  readonly format?: ManifestFormat
  /** Ids are `{base name}:{row}`. */
  readonly idFrom?: 'row'
  /** The base name of standard input. */
  readonly sourceName?: string
  /** JSONL: the field of the id, or the keys to it separated by dots; the whole object is the body. */
  readonly idField?: string
  /** JSONL: the field of the body. */
  readonly bodyField?: string
  /** JSONL: the field of the priority. */
  readonly priorityField?: string
  /** What a job of each item uses, out of its body. */
  readonly resources?: readonly ResourceSource[]
  /** The limit key of each item, out of its body. */
  readonly limitKey?: LimitKeySource
  /** JSON: the path to the items in one document, such as `$.features[*]`. */
  readonly path?: string
  /** CSV: the column of the id, or several separated by commas. Default `id`. */
  readonly idColumn?: string
  readonly priorityColumn?: string
  /** CSV: the column names of a file without a header. */
  readonly columns?: string
  /**
   * CSV: unquoted numbers, `true`, `false` and `null` become JSON values; otherwise every value is a string.
   */
  readonly typed?: boolean
  /** CSV: the meaning of an empty unquoted value: no field, or the empty string (default). */
  readonly blank?: 'absent' | 'empty'
  /** CSV: one character. */
  readonly delimiter?: string
  /** CSV: one character, or `none`. Default a double quote, and `none` with tabs. */
  readonly quote?: string
  /** CSV: one character. Default none, besides the doubled quote. */
  readonly escape?: string
  /** CSV with quotes: where the escape applies. Default: an ambiguous row is refused. */
  readonly escapeIn?: EscapeIn
  /** CSV: the unquoted text for null. */
  readonly nullValue?: string
  /** CSV and lines: the prefix of comment lines, or `none`. */
  readonly comment?: string
  readonly lineEnds?: LineEnds
  /**
   * CSV and lines: drop or keep a byte order mark at the start of a later line. Default: the line is refused.
   */
  readonly byteOrderMarks?: 'drop' | 'keep'
  /** The number of lines to skip at the beginning. */
  readonly skipLines?: number
  /** CSV: trim or keep spaces around column names. */
  readonly headerBlanks?: 'trim' | 'keep'
  /** CSV: a repeated header is an item. */
  readonly keepHeaderRows?: boolean
  /** CSV: the most lines of a quoted value. Default {@link MAX_ROW_LINES}. */
  readonly maxRowLines?: number
  /** Lines: columns are separated by runs of spaces. */
  readonly split?: boolean
  /** Lines: lines end with NUL. */
  readonly nul?: boolean
}

export interface ManifestOptions extends ReadingOptions {
  /** The queue's `supports.maxBodyBytes`. */
  readonly maxBodyBytes: number
  /** Return rows with their text as read. Default false. */
  readonly keepRaw?: boolean
  /** A longer line or CSV row is refused instead of filling the memory. Default {@link MAX_LINE_BYTES}. */
  readonly maxLineBytes?: number
}

/** The input of a reader. */
export interface Reading {
  readonly options: ManifestOptions
  /** The base name for `--id-from row`. */
  readonly baseName: string
  readonly conveniences: Conveniences
}

/** Turns bytes into the entries that they complete. After an entry with `stops` it is not called again. */
export interface ManifestReader {
  push(bytes: Buffer): readonly ManifestEntry[]
  end(): readonly ManifestEntry[]
}

/** A body of 1 MiB in the longest JSON notation takes 6 MiB. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024

/** Far above any text in a cell, and low enough that an unclosed quote affects few rows. */
export const MAX_ROW_LINES = 1_000

export interface JudgeOptions {
  readonly line: number
  readonly maxBodyBytes: number
  /**
   * The length of the JSON that `parseJson` accepted with this body: it is checked again only where it may be
   * too large.
   */
  readonly parsedChars?: number
}

/**
 * The most bytes per character of a body: six for `\u0001`; a number such as `1e20` takes five times its
 * length.
 */
const MAX_GROWTH = 6

/** Checks an item as the queue does: no backend refuses a valid one. */
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

/**
 * The queue encodes and checks each body; this encodes only bodies that may be too large or are not plain
 * JSON.
 */
function bodyChars(item: NewItem, maxBodyBytes: number): number {
  const chars = jsonChars(item.body)
  if (chars * MAX_GROWTH > maxBodyBytes) return checkNewItem(item, maxBodyBytes).bodyText.length
  return checkedButBody(item, chars)
}

/** Checks an item whose body is known to fit, without the body. */
function checkedButBody(item: NewItem, chars: number): number {
  checkNewItem({ ...item, body: null }, MAX_LINE_BYTES)
  return chars
}

const FIELD_OF_MESSAGE = /^(?:give )?(id|body|priority|notBeforeAt|delayMs|resources|limitKey)\b/u

function refusal(line: number, reason: string): RefusedEntry {
  const field = FIELD_OF_MESSAGE.exec(reason)?.[1]
  return field === undefined ? { line, reason } : { line, field, reason }
}

/** `tiles.csv, line 7, field "body": body must be …`. */
export function describeRefusal(entry: RefusedEntry): string {
  const id = entry.id === undefined ? '' : `, id ${JSON.stringify(entry.id)}`
  const field = entry.field === undefined ? '' : `, field ${JSON.stringify(entry.field)}`
  return `${describePlace(entry)}${id}${field}: ${entry.reason}`
}

/** `tiles.json, line 1, element 3 (byte 1204)`. */
function describePlace({ source, line, element, byte }: EntryPlace): string {
  const byteText = byte === undefined ? '' : ` (byte ${byte})`
  const elementText = element === undefined ? byteText : `, element ${element}${byteText}`
  return `${source === undefined ? '' : `${source}, `}line ${line}${elementText}`
}

export function isRefused(entry: ManifestEntry): entry is RefusedEntry {
  return 'reason' in entry
}

/** `-1.7976931348623157e+308`, and a comma. */
const NUMBER_CHARS = 25
const WORD_CHARS = 6
/** Two quotes, a comma or colon. */
const QUOTE_CHARS = 3
/** Deeper values are rare, and may be too deep. */
const MAX_DEPTH = 100

/**
 * An upper bound for the length of a value's JSON text without escapes; infinity for a value that may not be
 * JSON. For values parsed from JSON or made of strings: class instances are not detected.
 */
function jsonChars(value: JsonValue, depth = 0): number {
  if (typeof value === 'string') return value.isWellFormed() ? value.length + QUOTE_CHARS : Infinity
  if (typeof value === 'number') return Number.isFinite(value) ? NUMBER_CHARS : Infinity
  if (value === null || typeof value === 'boolean') return WORD_CHARS
  if (typeof value !== 'object' || depth === MAX_DEPTH) return Infinity
  let chars = QUOTE_CHARS
  if (Array.isArray(value)) {
    for (const element of value) chars += jsonChars(element, depth + 1)
    return chars
  }
  for (const [key, field] of Object.entries(value)) {
    chars += key.isWellFormed() ? key.length + QUOTE_CHARS + jsonChars(field, depth + 1) : Infinity
  }
  return chars
}
