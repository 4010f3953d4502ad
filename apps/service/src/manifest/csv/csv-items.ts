import { MAX_PRIORITY, type JsonValue, type NewItem } from '@sluice/core'
import { plural } from '../../output/amounts.js'
import { isPsqlFooter, PSQL_FOOTER } from '../first-line/header-line.js'
import { isRefused, judgeItem, type ManifestEntry, type Reading } from '../manifest-entry.js'
import { BYTE_ORDER_MARK, markFault } from '../text/text-lines.js'
import { isHeaderAgain, isOtherHeader, kindAt, type CsvHeader, type HeaderFault } from './csv-header.js'
import type { TableRow } from './row-reader.js'

/** A row that has cells. */
export type CellsRow = Extract<TableRow, { cells: readonly string[] }>

/** Makes items of rows. */
export class CsvItems {
  readonly #header: CsvHeader
  readonly #reading: Reading
  readonly #fromEntries: boolean
  readonly #quotesAreText: boolean

  /** @param quotesAreText by default, not by a flag */
  constructor(header: CsvHeader, reading: Reading, quotesAreText: boolean) {
    this.#header = header
    this.#reading = reading
    // An assignment to `__proto__` creates no field.
    this.#fromEntries = header.names.includes('__proto__')
    this.#quotesAreText = quotesAreText
  }

  /** @param mayBeMarked the file contains a byte order mark */
  entry(row: CellsRow, number: number, mayBeMarked: boolean): ManifestEntry {
    const { line } = row
    const { options } = this.#reading
    const fault = this.#shapeFault(row, number) ?? this.#priorityFault(row)
    if (fault !== undefined) return { line, ...fault }
    if (options.keepHeaderRows !== true) {
      if (isHeaderAgain(row.cells, this.#header)) return { line, reason: HEADER_AGAIN }
      if (isOtherHeader(row.cells, this.#header)) return { line, reason: OTHER_HEADER, stops: true }
      if (row.cells.length === 1 && kindAt(row, 0) === 'plain' && isPsqlFooter(row.cells[0] ?? ''))
        return { line, reason: PSQL_FOOTER }
    }
    const marked = mayBeMarked ? this.#markFault(row) : undefined
    if (marked !== undefined) return { line, ...marked }
    if (this.#quotesAreText) this.#countQuotes(row)
    const item = this.#item(row, number)
    if (item.id === '') return { line, field: this.#idField, reason: this.#emptyId() }
    const entry = judgeItem(item, { line, maxBodyBytes: options.maxBodyBytes })
    return isRefused(entry) && entry.field === 'id' ? { ...entry, field: this.#idField } : entry
  }

  get #idField(): string {
    const { ids, names } = this.#header
    return ids.map((index) => names[index]).join(',')
  }

  #emptyId(): string {
    const which = this.#header.ids.length > 1 ? ': all of its columns are empty' : ''
    return `id must not be empty${which}; fill it in, or use --id-from row to number the rows`
  }

  /** A byte order mark at the start of a row, or in an id, comes from concatenated files. */
  #markFault(row: CellsRow): HeaderFault | undefined {
    if (this.#reading.options.byteOrderMarks === 'keep') return undefined
    const { ids, names } = this.#header
    const begins = row.cells[0]?.startsWith(BYTE_ORDER_MARK) === true && kindAt(row, 0) === 'plain'
    const index = begins
      ? 0
      : ids.find((id) => row.cells[id]?.includes(BYTE_ORDER_MARK) === true && kindAt(row, id) === 'plain')
    return index === undefined ? undefined : { field: names[index] ?? '', reason: markFault(begins) }
  }

  #shapeFault(row: CellsRow, number: number): HeaderFault | undefined {
    const { cells } = row
    const { names, blankColumns } = this.#header
    if (cells.length === names.length) return undefined
    const isNamed = this.#reading.options.columns !== undefined
    const has = `the row has ${plural(cells.length, 'value')}, ${isNamed ? '--columns' : 'the header'} ${names.length}`
    if (cells.length < names.length)
      return {
        field: names[cells.length] ?? '',
        reason: `the column is missing: ${has}; an empty value needs its delimiter too`,
      }
    if (cells.length > names.length + blankColumns) {
      if (isNamed && number === 1) return { reason: `${has}; ${NAME_ALL}` }
      const mayHaveRowNames = number === 1 && cells.length === names.length + 1 && cells.at(-1) !== ''
      return { reason: mayHaveRowNames ? `${has}; ${ROW_NAMES}` : `${has}; ${TOO_MANY}` }
    }
    const bad = cells.findIndex(
      (cell, index) => index >= names.length && (cell !== '' || kindAt(row, index) !== 'plain'),
    )
    return bad === -1
      ? undefined
      : {
          reason: `the row has a value in column ${bad + 1}, which has no name in the header; name the column, or remove the value`,
        }
  }

  #priorityFault(row: CellsRow): HeaderFault | undefined {
    const { priority, names } = this.#header
    if (priority === undefined) return undefined
    const written = row.cells[priority] ?? ''
    const field = names[priority] ?? 'priority'
    if (!/^(?:[+-]?\d+)?$/u.test(written))
      return { field, reason: 'the priority must be a whole number, or empty for 0' }
    if (Number.isSafeInteger(Number(written))) return undefined
    // A number would change the digits.
    const shown = written.length > MAX_SHOWN_DIGITS ? `a number of ${written.length} digits` : written
    return { field, reason: `the priority must be an integer within ±${MAX_PRIORITY}; got ${shown}` }
  }

  /** Counts values in quotes where quotes are ordinary characters by default. */
  #countQuotes({ cells }: CellsRow): void {
    for (const cell of cells) {
      if (cell.length < 2 || !cell.startsWith('"') || !cell.endsWith('"')) continue
      this.#reading.conveniences.add('quotesAsText')
    }
  }

  #item(row: CellsRow, number: number): NewItem {
    const { header, priority } = { header: this.#header, priority: this.#header.priority }
    const written = priority === undefined ? '' : (row.cells[priority] ?? '')
    return {
      id: header.ids.length === 0 ? `${this.#reading.baseName}:${number}` : this.#id(row),
      body: this.#body(row),
      ...(written === '' ? {} : { priority: Number(written) }),
    }
  }

  /** A composite id joins its columns: `a:b`. Where all are empty, it is empty and refused. */
  #id({ cells }: CellsRow): string {
    const parts = this.#header.ids.map((index) => cells[index] ?? '')
    return parts.every((part) => part === '') ? '' : parts.join(':')
  }

  #body(row: CellsRow): JsonValue {
    const { names, fields } = this.#header
    const body: Record<string, JsonValue> = {}
    const entries: [string, JsonValue][] = []
    for (const index of fields) {
      const value = this.#value(row, index)
      if (value === undefined) continue
      if (this.#fromEntries) entries.push([names[index] ?? '', value])
      else body[names[index] ?? ''] = value
    }
    return this.#fromEntries ? Object.fromEntries(entries) : body
  }

  /** `undefined`: the field is absent. */
  #value(row: CellsRow, index: number): JsonValue | undefined {
    const cell = row.cells[index] ?? ''
    const kind = kindAt(row, index)
    if (kind === 'quoted') return cell
    const { blank, typed } = this.#reading.options
    if (blank === 'absent' && (cell === '' || kind === 'null')) return undefined
    if (kind === 'null') return null
    return typed === true ? this.#typedValue(cell) : cell
  }

  /** Only text that a number would reproduce becomes one: `1.10` may be a version, and `007` a code. */
  #typedValue(cell: string): JsonValue {
    if (cell === 'true') return true
    if (cell === 'false') return false
    if (cell === 'null') return null
    if (!LIKE_A_NUMBER.test(cell)) return cell
    if (JSON_NUMBER.test(cell) && String(Number(cell)) === cell) return Number(cell)
    this.#reading.conveniences.add('numbersAsText')
    return cell
  }
}

const MAX_SHOWN_DIGITS = 40
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/u
const LIKE_A_NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/u
const HEADER_AGAIN = 'a repeated header; use --keep-header-rows if it is a row'
const OTHER_HEADER =
  'another header, with the columns in another order, as in concatenated files; nothing below it is read: load the files in one call (sluice load a.csv b.csv), or use --keep-header-rows if it is a row'
const TOO_MANY = 'a value that contains the delimiter must be quoted or escaped'
const NAME_ALL = 'if every row has this many, name all columns with --columns'
const ROW_NAMES =
  "if every row has one more, such as the row names of R's write.table, name all columns with --columns and skip the header with --skip-lines 1"
