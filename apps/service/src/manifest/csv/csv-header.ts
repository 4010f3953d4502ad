import type { ReadingOptions } from '../manifest-entry.js'
import { plural } from '../../output/amounts.js'
import { isName } from '../first-line/header-line.js'
import { BYTE_ORDER_MARK, markFault } from '../text/text-lines.js'
import type { CellKind, ScannedRow } from './row-scanner.js'
import { RowScanner } from './row-scanner.js'

/** The columns of a table, and their meanings. */
export interface CsvHeader {
  readonly names: readonly string[]
  /** The names before trimming, to recognize a repeated header. */
  readonly written: readonly string[]
  /** Unnamed columns at the end, as spreadsheets write them. */
  readonly blankColumns: number
  /** The columns of the id; empty where ids are row numbers. */
  readonly ids: readonly number[]
  readonly priority: number | undefined
  /** The columns of the body's fields. */
  readonly fields: readonly number[]
}

/** Why the table can't be read with this header. */
export interface HeaderFault {
  readonly reason: string
  readonly field?: string
}

/** @param delimiter `undefined` for runs of spaces */
export function readHeader(
  row: ScannedRow,
  options: ReadingOptions,
  delimiter: string | undefined,
): CsvHeader | HeaderFault {
  const end = lastNamed(row) + 1
  const written = row.cells.slice(0, end)
  if (options.delimiter === undefined && options.split !== true) {
    const other = otherDelimiter(row, delimiter)
    if (other !== undefined) return { reason: otherDelimiterReason(other) }
  }
  const isMarked = written[0]?.startsWith(BYTE_ORDER_MARK) === true
  if (isMarked && options.byteOrderMarks !== 'keep') return { reason: markFault(true) }
  const mayBeData = options.idFrom === 'row' && options.headerBlanks === undefined
  const fault = mayBeData ? dataFault(written) : undefined
  if (fault !== undefined) return fault
  const blank = written.find((name, index) => hasOuterBlanks(name) && kindAt(row, index) === 'plain')
  if (blank !== undefined && options.headerBlanks === undefined) {
    return {
      ...shownField(blank),
      reason:
        'the column name begins or ends with a space: use --header-blanks trim to remove it, or --header-blanks keep if it belongs to the name',
    }
  }
  const names = written.map((name, index) =>
    options.headerBlanks === 'trim' && kindAt(row, index) === 'plain' ? name.trim() : name,
  )
  return withColumns({ names, written, blankColumns: row.cells.length - end }, options)
}

/** The header of `--columns`. */
export function givenHeader(options: ReadingOptions & { readonly columns: string }): CsvHeader | HeaderFault {
  const names = listOf(options.columns)
  return withColumns({ names, written: names, blankColumns: 0 }, options)
}

/** How many names were trimmed. */
export function trimmedNames({ names, written }: CsvHeader): number {
  return names.filter((name, index) => name !== written[index]).length
}

/** Whether a row is a header with the same names in another order: the rows below belong to another table. */
export function isOtherHeader(cells: readonly string[], { names }: CsvHeader): boolean {
  const [first = ''] = cells
  if (names.length < 2 || cells.length < names.length || !names.includes(withoutMark(first))) return false
  const given = new Set(cells.slice(0, names.length).map(withoutMark))
  return names.every((name) => given.has(name))
}

function withoutMark(cell: string): string {
  return cell.startsWith(BYTE_ORDER_MARK) ? cell.slice(BYTE_ORDER_MARK.length) : cell
}

/** Whether a row repeats the header, as in concatenated files. */
export function isHeaderAgain(cells: readonly string[], header: CsvHeader): boolean {
  const { names, written } = header
  return (
    cells.length >= names.length &&
    names.every((name, index) => {
      const cell = index === 0 ? withoutMark(cells[index] ?? '') : cells[index]
      return cell === name || cell === written[index]
    })
  )
}

function withColumns(
  found: Pick<CsvHeader, 'names' | 'written' | 'blankColumns'>,
  options: ReadingOptions,
): CsvHeader | HeaderFault {
  const { names } = found
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) return twiceFault(twice, options)
  const wanted = options.idFrom === undefined ? idNames(options.idColumn ?? 'id', names) : []
  const missing = [...wanted, ...(options.priorityColumn === undefined ? [] : [options.priorityColumn])].find(
    (name) => !names.includes(name),
  )
  if (missing !== undefined) return missingColumn(missing, names, options)
  const ids = wanted.map((name) => names.indexOf(name))
  const priority = options.priorityColumn === undefined ? undefined : names.indexOf(options.priorityColumn)
  // Columns of a composite id stay in the body, where the job finds their values.
  const [id] = ids.length === 1 ? ids : []
  const fields = [...names.keys()].filter((index) => index !== id && index !== priority)
  return { ...found, ids, priority, fields }
}

function twiceFault(name: string, { columns }: ReadingOptions): HeaderFault {
  if (columns !== undefined)
    return {
      reason: '--columns has this name twice: names must be unique',
      ...shownField(name),
    }
  const hint = 'name all columns with --columns, and skip the header with --skip-lines 1'
  return name === ''
    ? { reason: `the header has several columns without a name: ${hint}` }
    : { reason: `the header has this column twice: ${hint}`, ...shownField(name) }
}

/** The first row of a file without a header has values, which messages must not repeat. */
function shownField(name: string): { field?: string } {
  return isName(name.trim()) ? { field: name } : {}
}

const NUMBER = /^-?\d+(?:\.\d+)?$/u
const ADDRESS = /^(?:\/|[a-z][a-z0-9+]*:\/\/)./u

/** With ids from row numbers no column is required, so a missing header would silently lose the first row. */
function dataFault(names: readonly string[]): HeaderFault | undefined {
  const given = names.filter((name) => name !== '')
  // pandas names the columns of an array by number.
  const isNumbered = [0, 1].some((start) => given.every((name, index) => name === String(start + index)))
  const [first = ''] = names
  const address = names.findIndex((name) => ADDRESS.test(name))
  if (address === -1 && (!NUMBER.test(first) || isNumbered)) return undefined
  return {
    reason: `the first row has a value instead of a name in column ${Math.max(address, 0) + 1}: name the columns with --columns if the file has no header, or use --header-blanks keep if this is the header`,
  }
}

/** Detects another delimiter after the first quoted name of a header. */
export function quotedHeaderDelimiter(line: string): string | undefined {
  const delimiter = /^"[^"]*"([;\t|])/u.exec(line)?.[1]
  return delimiter === undefined ? undefined : otherDelimiterReason(delimiter)
}

function missingColumn(name: string, names: readonly string[], options: ReadingOptions): HeaderFault {
  const shown = names.every((each) => each === '' || isName(each))
    ? names.map((each) => JSON.stringify(each)).join(', ')
    : `${plural(names.length, 'column')}, some without a name; it may be a row of values`
  const isGiven = options.columns !== undefined
  const has = `${isGiven ? '--columns' : 'the header'} has no such column; it has ${shown}`
  if (name === options.priorityColumn) return { reason: has, field: name }
  const ids = 'name the id column with --id-column, or use --id-from row'
  if (isGiven) return { reason: `${has}; ${ids}`, field: name }
  const hint =
    'for a file without a header name all columns with --columns; skip lines above the header with --skip-lines'
  return { reason: `${has}; ${ids}; ${hint}`, field: name }
}

/** A column name may contain a comma. */
function idNames(given: string, names: readonly string[]): readonly string[] {
  return names.includes(given) ? [given] : listOf(given)
}

/** Names as a CSV row writes them. */
function listOf(text: string): readonly string[] {
  const scanner = new RowScanner({ delimiter: ',', quote: '"' })
  const step = scanner.scan({ text, lineEnd: '' })
  return step === 'row' ? scanner.take().cells : [text]
}

function lastNamed(row: ScannedRow): number {
  return row.cells.findLastIndex((name, index) => name !== '' || kindAt(row, index) !== 'plain')
}

export function kindAt(row: ScannedRow, index: number): CellKind {
  return row.kinds?.[index] ?? 'plain'
}

function hasOuterBlanks(name: string): boolean {
  return name !== name.trim()
}

/** The more likely delimiter of a header with one column. */
function otherDelimiter(row: ScannedRow, delimiter: string | undefined): string | undefined {
  const [only = '', ...others] = row.cells
  if (others.length > 0 || kindAt(row, 0) !== 'plain') return undefined
  return [';', '\t', ',', '|'].find((each) => each !== delimiter && only.includes(each))
}

function otherDelimiterReason(delimiter: string): string {
  const shown = delimiter === '\t' ? 'tab' : `"${delimiter}"`
  return `the header is one column that contains ${delimiter === '\t' ? 'tabs' : shown}: use --delimiter ${shown}, or the intended delimiter`
}
