import { isUtf8 } from 'node:buffer'
import { plural } from '../../output/amounts.js'
import type { Conveniences } from '../conveniences.js'
import {
  BYTE_ORDER_MARK,
  lineEndFault,
  MAY_BE_COMMENT,
  markFault,
  NOT_UTF8,
  TextLines,
  type LineEnds,
  type TextLine,
} from '../text/text-lines.js'
import { RowScanner, type CsvDialect, type RowFault, type ScannedRow } from './row-scanner.js'

interface ReadRow {
  readonly line: number
  /** What it was read from. */
  readonly lines: readonly TextLine[]
}

/** A row of a table, or why the line where it begins is none. */
export type TableRow =
  | (ScannedRow & ReadRow & { readonly isEmptyLine: boolean })
  | (ReadRow & {
      readonly reason: string
      readonly cell?: number
      /** The line, of a row that is malformed. */
      readonly text?: string
      readonly stops?: true
    })

export interface RowReaderOptions {
  /** `undefined`: columns are separated by runs of blanks. */
  readonly dialect: CsvDialect | undefined
  /** The delimiter was not asked for, so that a line `sep=;` may name another one. */
  readonly mayNameDelimiter: boolean
  readonly lineEnds: LineEnds
  /** What comment lines begin with; `none`: there are none; absent: nobody said, so that a line which may be one is refused. */
  readonly comment: string | undefined
  readonly maxLineBytes: number
  /** What one at the beginning of a row is; absent: nobody said. */
  readonly byteOrderMarks: 'drop' | 'keep' | undefined
  /** A quoted value goes over so many lines at most. */
  readonly maxRowLines: number
  readonly conveniences: Conveniences
}

/**
 * Puts the lines of a file together to rows. A row that is malformed is refused at its first line, and reading goes on with the line after
 * that: nothing that follows is lost to a quote out of place.
 */
export class RowReader {
  readonly #options: RowReaderOptions
  readonly #onRow: (row: TableRow) => void
  readonly #lines: TextLines
  #scanner: RowScanner | undefined
  #dialect: CsvDialect | undefined
  /** The lines of the row under way. */
  #open: TextLine[] = []
  #openBytes = 0
  /** Lines of a row that was refused, the next one last: they are read anew. */
  readonly #again: TextLine[] = []
  #isFirst = true
  #noted = false

  constructor(options: RowReaderOptions, onRow: (row: TableRow) => void) {
    this.#options = options
    this.#onRow = onRow
    this.#dialect = options.dialect
    const { lineEnds, maxLineBytes, dialect } = options
    const { quote, escape } = dialect ?? {}
    // A quote that escapes itself is the doubled quote.
    const isOther = escape !== undefined && escape !== quote
    const escaped = isOther ? { text: escape, isEverywhere: dialect?.escapeIn === 'everywhere' } : undefined
    this.#lines = new TextLines({ lineEnds, maxLineBytes, quote, escape: escaped }, (line) =>
      this.#take(line),
    )
  }

  /** The delimiter in force; `undefined` for runs of blanks. */
  get delimiter(): string | undefined {
    return this.#dialect?.delimiter
  }

  /** What separates lines; a CR before it belongs to the line. */
  get lineEnd(): string {
    return this.#lines.lineEnds === 'cr' ? '\r' : '\n'
  }

  /** A byte order mark stands in one of the rows so far. */
  get hasMarks(): boolean {
    return this.#lines.hasMarks
  }

  push(bytes: Buffer): void {
    this.#lines.push(bytes)
  }

  end(): void {
    this.#lines.end()
    while (this.#open.length > 0) {
      this.#giveUp(this.#dialect?.quote === undefined ? NEVER_ENDED : NEVER_CLOSED)
      this.#readAgain()
    }
  }

  #take(line: TextLine): void {
    if (!this.#noted && this.#lines.lineEnds === 'cr') this.#options.conveniences.add('carriageReturnFiles')
    this.#noted = true
    const first = this.#isFirst
    this.#isFirst = false
    if (first && this.#isSeparatorLine(line.text)) return
    this.#line(line)
    this.#readAgain()
  }

  #readAgain(): void {
    for (let line = this.#again.pop(); line !== undefined; line = this.#again.pop()) this.#line(line)
  }

  /** Excel writes `sep=;` as the first line, and takes it for no row. */
  #isSeparatorLine(text: string): boolean {
    const delimiter = /^sep=(.)$/u.exec(text)?.[1]
    if (delimiter === undefined || this.#dialect === undefined) return false
    if (delimiter !== this.#dialect.delimiter) {
      if (!this.#options.mayNameDelimiter) {
        const asked = JSON.stringify(this.#dialect.delimiter)
        const reason = `the file says that its delimiter is ${JSON.stringify(delimiter)}, and --delimiter is ${asked}`
        this.#onRow({ line: 1, lines: [], reason, stops: true })
        return true
      }
      this.#dialect = { ...this.#dialect, delimiter }
    }
    this.#options.conveniences.add('separatorLines')
    return true
  }

  #line(given: TextLine): void {
    const line = this.#lines.hasMarks && this.#open.length === 0 ? this.#withoutMark(given) : given
    if (this.#open.length === 0 && this.#isComment(line)) return
    this.#open.push(line)
    this.#openBytes += line.text.length
    const fault = this.#scan(line)
    if (fault === 'open') {
      const { maxRowLines, maxLineBytes } = this.#options
      if (this.#open.length < maxRowLines && this.#openBytes <= maxLineBytes) return
      const within = this.#open.length < maxRowLines ? `${maxLineBytes} bytes` : plural(maxRowLines, 'line')
      this.#giveUp(`a quote that opens in this row is not closed within ${within}; ${NO_QUOTES}`)
    } else if (fault === undefined) this.#complete()
    else this.#giveUp(this.#isMarked(line) ? markFault(true) : fault)
  }

  /** What is malformed is the mark in front of a quote. */
  #isMarked(line: TextLine): boolean {
    return this.#options.byteOrderMarks === undefined && this.#open.length === 1 && isAfterMark(line)
  }

  /** Files that were put together: the mark begins a row, as it began a file. */
  #withoutMark(line: TextLine): TextLine {
    if (this.#options.byteOrderMarks !== 'drop' || !isAfterMark(line)) return line
    this.#options.conveniences.add('byteOrderMarks')
    return { ...line, text: line.text.slice(BYTE_ORDER_MARK.length) }
  }

  #isComment(textLine: TextLine): boolean {
    const { line, text, fault } = textLine
    const { comment, conveniences } = this.#options
    if (comment !== undefined) {
      if (comment === 'none' || !text.startsWith(comment)) return false
      conveniences.add('commentLines')
      return true
    }
    if (!text.startsWith('#') || fault !== undefined) return false
    this.#onRow({ line, lines: [textLine], reason: MAY_BE_COMMENT })
    return true
  }

  /** @returns `open`, `undefined` for a row that is complete, or what is wrong with it */
  #scan(line: TextLine): string | undefined {
    if (line.fault === 'too-long')
      return `the row is too long, or a quote in it is never closed; ${NO_QUOTES}`
    if (this.#dialect === undefined) return undefined
    this.#scanner ??= new RowScanner(this.#dialect)
    const separator = this.lineEnd
    const step = this.#scanner.scan({
      text: line.text,
      lineEnd: line.carriageReturn ? `\r${separator}` : separator,
    })
    if (step === 'open' || step === 'row') return step === 'open' ? step : undefined
    return REASONS[step]
  }

  #complete(): void {
    const lines = this.#open
    const row = this.#scanner?.take() ?? { cells: lines[0]?.text.match(/[^ \t]+/gu) ?? [''] }
    this.#open = []
    this.#openBytes = 0
    const [first] = lines
    const last = lines.at(-1)
    if (first === undefined || last === undefined) return
    const { line, text } = first
    const reason = this.#lineEndFault(last, row)
    if (lines.some(({ fault }) => fault === 'not-utf8')) {
      const at = lines.length === 1 ? badCell(row) : {}
      this.#onRow({ line, lines, reason: `the value ${NOT_UTF8}`, ...at })
    } else if (reason === undefined) {
      if (lines.length > 1) this.#options.conveniences.add('rowsOverLines')
      const isEmptyLine = lines.length === 1 && (this.#dialect === undefined ? text.trim() : text) === ''
      this.#onRow({ ...row, line, lines, isEmptyLine })
    } else this.#onRow({ line, lines, reason })
  }

  /** Where nobody said what ends the lines, what ends this one otherwise than the first may as well belong to a value. */
  #lineEndFault(last: TextLine, row: ScannedRow): string | undefined {
    const { lineEnds, ended } = this.#lines
    if (this.#options.lineEnds !== 'auto') return undefined
    const fault = lineEndFault(last, { lineEnds, ended })
    const other = lineEnds === 'cr' ? '\n' : '\r'
    // Where an escape stands before each of them there is no doubt.
    const isSure = this.#dialect?.quote === undefined && this.#dialect?.escape !== undefined
    if (fault !== undefined || isSure || !last.text.includes(other) || !hasBare(other, row)) return fault
    const what = lineEnds === 'cr' ? 'a line feed' : 'a carriage return'
    return `${what} stands in an unquoted value; give --line-ends ${lineEnds} if it belongs to the value`
  }

  /** The row is refused at its first line, and the other lines of it are read anew. */
  #giveUp(reason: string): void {
    const [first, ...again] = this.#open
    this.#scanner?.drop()
    this.#open = []
    this.#openBytes = 0
    if (first !== undefined) this.#onRow({ line: first.line, lines: [first], reason, text: first.text })
    this.#again.push(...again.toReversed())
  }
}

function isAfterMark({ text }: TextLine): boolean {
  return text.startsWith(BYTE_ORDER_MARK)
}

const NO_QUOTES = 'close it, or give --quote none if quotes are ordinary characters'
const NEVER_CLOSED = `a quote that opens in this row is never closed; ${NO_QUOTES}`
const NEVER_ENDED = 'the file ends in the middle of this row; it may be cut off'

const REASONS: Readonly<Record<RowFault, string>> = {
  'text-after-quote':
    'text follows a closing quote; a quote inside a quoted value is written twice (""), or give --escape or --quote none',
  'quote-in-value':
    'a quote stands inside an unquoted value; quote the whole value and write it twice (""), or give --quote none if quotes are ordinary characters',
  'escape-outside-quotes':
    'the escape character stands in a value without quotes, and counts there or does not, by what wrote it; give --escape-in quotes (Spark, csv-stringify) or --escape-in everywhere (Python, pandas, MySQL)',
  'unknown-escape':
    'the escape character stands before a letter, digit or other character that is never escaped there; leave out --escape if it is an ordinary character',
}

function badCell({ cells }: ScannedRow): { cell: number } | undefined {
  const cell = cells.findIndex((value) => !isUtf8(Buffer.from(value, 'latin1')))
  return cell === -1 ? undefined : { cell }
}

function hasBare(lineEnd: string, { cells, kinds }: ScannedRow): boolean {
  return cells.some((cell, index) => (kinds?.[index] ?? 'plain') === 'plain' && cell.includes(lineEnd))
}
