import {
  isRefused,
  MAX_LINE_BYTES,
  MAX_ROW_LINES,
  type ManifestEntry,
  type ManifestOptions,
  type ManifestReader,
  type Reading,
} from '../manifest-entry.js'
import { withRaw } from '../raw-row.js'
import {
  givenHeader,
  kindAt,
  quotedHeaderDelimiter,
  readHeader,
  trimmedNames,
  type CsvHeader,
  type HeaderFault,
} from './csv-header.js'
import { CsvItems, type CellsRow } from './csv-items.js'
import { RowReader, type TableRow } from './row-reader.js'
import type { CsvDialect, ScannedRow } from './row-scanner.js'

/**
 * Reads a table with a header row: one column is the id, one may be the priority, the others are the fields
 * of the body. Values are unchanged. Additions of spreadsheets are skipped only where they are unambiguous,
 * and counted.
 */
export class CsvReader implements ManifestReader {
  readonly #reading: Reading
  readonly #rows: RowReader
  #out: ManifestEntry[] = []
  #header: CsvHeader | undefined
  #headerLine = 1
  #stopped = false
  /** The rows so far, with refused ones. */
  #count = 0
  #items: CsvItems | undefined
  readonly #quotesAreText: boolean
  /**
   * Rows with only delimiters: skipped at the end of a file, where spreadsheets write them; elsewhere rows
   * without an id.
   */
  #blank: { readonly row: CellsRow; readonly number: number }[] = []

  /** @param delimiter the default, without the option */
  constructor(reading: Reading, delimiter: string) {
    this.#reading = reading
    const { options, conveniences } = reading
    const dialect = options.split === true ? undefined : dialectOf(options, delimiter)
    this.#quotesAreText = dialect?.quote === undefined && options.quote === undefined
    this.#rows = new RowReader(
      {
        dialect,
        mayNameDelimiter: options.delimiter === undefined,
        lineEnds: options.lineEnds ?? 'auto',
        comment: options.comment,
        maxLineBytes: options.maxLineBytes ?? MAX_LINE_BYTES,
        byteOrderMarks: options.byteOrderMarks,
        maxRowLines: options.maxRowLines ?? MAX_ROW_LINES,
        conveniences,
      },
      (row) => this.#row(row),
    )
    const { columns } = options
    if (columns !== undefined) this.#begin(givenHeader({ ...options, columns }), 1)
  }

  push(bytes: Buffer): readonly ManifestEntry[] {
    if (!this.#stopped) this.#rows.push(bytes)
    return this.#given()
  }

  end(): readonly ManifestEntry[] {
    if (!this.#stopped) this.#rows.end()
    if (!this.#stopped) this.#finish()
    return this.#given()
  }

  #given(): readonly ManifestEntry[] {
    const out = this.#out
    this.#out = []
    return out
  }

  #finish(): void {
    const { conveniences } = this.#reading
    if (this.#blank.length > 0) conveniences.add('blankRows', this.#blank.length)
    if (this.#header === undefined) this.#stop(1, { reason: NO_HEADER })
    else if (this.#count === 0) this.#stop(this.#headerLine, { reason: NO_ROW })
  }

  #row(row: TableRow): void {
    if (this.#stopped) return
    if (this.#header === undefined) this.#first(row)
    else if ('reason' in row) {
      this.#flushBlank()
      this.#count += 1
      const { line, lines, reason, cell } = row
      const field = cell === undefined ? undefined : this.#header.names[cell]
      const refused = field === undefined ? { line, reason } : { line, field, reason }
      this.#out.push(withRaw(refused, this.#reading, { lines, lineEnd: this.#rows.lineEnd }))
    } else this.#data(row, this.#header)
  }

  /** Without a valid header the rest can't be read. */
  #first(row: TableRow): void {
    const { options, conveniences } = this.#reading
    if ('reason' in row) {
      const other = options.delimiter === undefined ? quotedHeaderDelimiter(row.text ?? '') : undefined
      this.#stop(row.line, { reason: other ?? row.reason })
    } else if (row.isEmptyLine) conveniences.add('blankRows')
    else this.#begin(readHeader(row, options, this.#rows.delimiter), row.line)
  }

  #begin(header: CsvHeader | HeaderFault, line: number): void {
    if ('reason' in header) {
      this.#stop(line, header)
      return
    }
    this.#header = header
    this.#headerLine = line
    this.#items = new CsvItems(header, this.#reading, this.#quotesAreText)
    const { conveniences } = this.#reading
    if (header.blankColumns > 0) conveniences.add('blankColumns', header.blankColumns)
    const nameless = header.names.filter((name) => name === '').length
    if (nameless > 0) conveniences.add('namelessColumns', nameless)
    const trimmed = trimmedNames(header)
    if (trimmed > 0) conveniences.add('trimmedNames', trimmed)
  }

  #data(row: CellsRow, header: CsvHeader): void {
    const { options, conveniences } = this.#reading
    const width = header.names.length + header.blankColumns
    if (row.isEmptyLine && (width > 1 || options.split === true)) {
      conveniences.add('blankRows')
      return
    }
    if (header.ids.length > 0 && row.cells.length > 1 && isBlank(row)) {
      this.#blank.push({ row, number: this.#count + this.#blank.length + 1 })
      if (this.#blank.length > MAX_HELD_ROWS) this.#flushBlank()
      return
    }
    this.#flushBlank()
    this.#count += 1
    const entry = this.#entry(row, this.#count)
    this.#out.push(entry)
    if (isRefused(entry) && entry.stops === true) this.#stopped = true
  }

  #flushBlank(): void {
    if (this.#blank.length === 0) return
    const blank = this.#blank
    this.#blank = []
    for (const { row, number } of blank) this.#out.push(this.#entry(row, number))
    this.#count += blank.length
  }

  #entry(row: CellsRow, number: number): ManifestEntry {
    const { hasMarks, lineEnd } = this.#rows
    const entry = this.#items?.entry(row, number, hasMarks) ?? { line: row.line, reason: NO_HEADER }
    return withRaw(entry, this.#reading, { lines: row.lines, lineEnd })
  }

  #stop(line: number, fault: HeaderFault): void {
    this.#out.push({ line, ...fault, stops: true })
    this.#stopped = true
  }
}

/** The most rows of a spreadsheet. */
const MAX_HELD_ROWS = 1_048_576

const NO_HEADER = 'the file is empty: a CSV begins with a header row'
const NO_ROW = 'the file has a header and no rows; it may be truncated, or its source was empty'

function dialectOf(options: ManifestOptions, fallback: string): CsvDialect {
  const { escape, escapeIn } = options
  const delimiter = options.delimiter ?? fallback
  const given = options.quote ?? (delimiter === '\t' ? 'none' : '"')
  const quote = given === 'none' ? undefined : given
  const isEverywhere = quote === undefined || escapeIn === 'everywhere'
  const nullText = options.nullValue ?? (isEverywhere && escape === '\\' ? '\\N' : undefined)
  return {
    delimiter,
    ...(quote === undefined ? {} : { quote }),
    ...(escape === undefined ? {} : { escape }),
    ...(escapeIn === undefined ? {} : { escapeIn }),
    ...(nullText === undefined ? {} : { nullText }),
  }
}

function isBlank(row: ScannedRow): boolean {
  return row.cells.every((cell, index) => cell === '' && kindAt(row, index) === 'plain')
}
