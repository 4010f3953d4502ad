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
  /** The lines of the file. */
  readonly lines: readonly TextLine[]
}

/** A row of a table, or why its first line is invalid. */
export type TableRow =
  | (ScannedRow & ReadRow & { readonly isEmptyLine: boolean })
  | (ReadRow & {
      readonly reason: string
      readonly cell?: number
      /** The line of a malformed row. */
      readonly text?: string
      readonly stops?: true
    })

export interface RowReaderOptions {
  /** `undefined`: columns are separated by runs of spaces. */
  readonly dialect: CsvDialect | undefined
  /** The delimiter is the default, so a line `sep=;` may name another one. */
  readonly mayNameDelimiter: boolean
  readonly lineEnds: LineEnds
  /** The prefix of comment lines; `none`: no comments; absent: unknown, and a possible comment is refused. */
  readonly comment: string | undefined
  readonly maxLineBytes: number
  /** What to do with one at the start of a row; absent: unknown, and the row is refused. */
  readonly byteOrderMarks: 'drop' | 'keep' | undefined
  /** The most lines of a quoted value. */
  readonly maxRowLines: number
  readonly conveniences: Conveniences
}

/**
 * Assembles the lines of a file into rows. A malformed row is refused at its first line, and reading
 * continues with the next line: a misplaced quote loses no further rows.
 */
export class RowReader {
  readonly #options: RowReaderOptions
  readonly #onRow: (row: TableRow) => void
  readonly #lines: TextLines
  #scanner: RowScanner | undefined
  #dialect: CsvDialect | undefined
  /** The lines of the current row. */
  #open: TextLine[] = []
  #openBytes = 0
  /** Lines of a refused row to read again, the next one last. */
  readonly #again: TextLine[] = []
  #isFirst = true
  #noted = false

  constructor(options: RowReaderOptions, onRow: (row: TableRow) => void) {
    this.#options = options
    this.#onRow = onRow
    this.#dialect = options.dialect
    const { lineEnds, maxLineBytes, dialect } = options
    const { quote, escape } = dialect ?? {}
    // A quote that escapes itself is a doubled quote.
    const isOther = escape !== undefined && escape !== quote
    const escaped = isOther ? { text: escape, isEverywhere: dialect?.escapeIn === 'everywhere' } : undefined
    this.#lines = new TextLines({ lineEnds, maxLineBytes, quote, escape: escaped }, (line) =>
      this.#take(line),
    )
  }

  /** The delimiter in use; `undefined` for runs of spaces. */
  get delimiter(): string | undefined {
    return this.#dialect?.delimiter
  }

  /** The line separator; a CR before it belongs to the line. */
  get lineEnd(): string {
    return this.#lines.lineEnds === 'cr' ? '\r' : '\n'
  }

  /** One of the rows so far contains a byte order mark. */
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

  /** Excel's first line `sep=;` is not a row. */
  #isSeparatorLine(text: string): boolean {
    const delimiter = /^sep=(.)$/u.exec(text)?.[1]
    if (delimiter === undefined || this.#dialect === undefined) return false
    if (delimiter !== this.#dialect.delimiter) {
      if (!this.#options.mayNameDelimiter) {
        const asked = JSON.stringify(this.#dialect.delimiter)
        const reason = `the file declares the delimiter ${JSON.stringify(delimiter)}, and --delimiter is ${asked}`
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
      this.#giveUp(`a quote opened in this row is not closed within ${within}; ${NO_QUOTES}`)
    } else if (fault === undefined) this.#complete()
    else this.#giveUp(this.#isMarked(line) ? markFault(true) : fault)
  }

  /** Whether the fault is a byte order mark before a quote. */
  #isMarked(line: TextLine): boolean {
    return this.#options.byteOrderMarks === undefined && this.#open.length === 1 && isAfterMark(line)
  }

  /** In concatenated files, the mark at the start of a file is at the start of a row. */
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

  /** @returns `open`, `undefined` for a complete row, or the fault */
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

  /** Without the flag, a line ending that differs from the first one may belong to a value. */
  #lineEndFault(last: TextLine, row: ScannedRow): string | undefined {
    const { lineEnds, ended } = this.#lines
    if (this.#options.lineEnds !== 'auto') return undefined
    const fault = lineEndFault(last, { lineEnds, ended })
    const other = lineEnds === 'cr' ? '\n' : '\r'
    // With an escape before each of them it is unambiguous.
    const isSure = this.#dialect?.quote === undefined && this.#dialect?.escape !== undefined
    if (fault !== undefined || isSure || !last.text.includes(other) || !hasBare(other, row)) return fault
    const what = lineEnds === 'cr' ? 'a line feed' : 'a carriage return'
    return `an unquoted value contains ${what}; use --line-ends ${lineEnds} if it belongs to the value`
  }

  /** Refuses the row at its first line; its other lines are read again. */
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

const NO_QUOTES = 'close it, or use --quote none if quotes are ordinary characters'
const NEVER_CLOSED = `a quote opened in this row is never closed; ${NO_QUOTES}`
const NEVER_ENDED = 'the file ends within this row; it may be truncated'

const REASONS: Readonly<Record<RowFault, string>> = {
  'text-after-quote':
    'text follows a closing quote; double a quote inside a quoted value (""), or use --escape or --quote none',
  'quote-in-value':
    'an unquoted value contains a quote; quote the whole value and double the quote (""), or use --quote none if quotes are ordinary characters',
  'escape-outside-quotes':
    'an unquoted value contains the escape character, which some writers interpret there and others do not; use --escape-in quotes (Spark, csv-stringify) or --escape-in everywhere (Python, pandas, MySQL)',
  'unknown-escape':
    'the escape character is before a character that is never escaped; remove --escape if it is an ordinary character',
}

function badCell({ cells }: ScannedRow): { cell: number } | undefined {
  const cell = cells.findIndex((value) => !isUtf8(Buffer.from(value, 'latin1')))
  return cell === -1 ? undefined : { cell }
}

function hasBare(lineEnd: string, { cells, kinds }: ScannedRow): boolean {
  return cells.some((cell, index) => (kinds?.[index] ?? 'plain') === 'plain' && cell.includes(lineEnd))
}
