/** How a row is split into cells. */
export interface CsvDialect {
  readonly delimiter: string
  /** Absent: quotes are ordinary characters. */
  readonly quote?: string
  /**
   * The escape character, besides a doubled quote. Without `quote` it applies everywhere, as in MySQL and
   * PostgreSQL's text format.
   */
  readonly escape?: string
  /**
   * Where `escape` applies with `quote`: only within quotes (Spark, csv-stringify) or everywhere (Python,
   * pandas). Absent: unknown, and a row where it matters is malformed.
   */
  readonly escapeIn?: EscapeIn
  /** The text of an unquoted null. */
  readonly nullText?: string
}

export const ESCAPE_IN = ['quotes', 'everywhere'] as const

export type EscapeIn = (typeof ESCAPE_IN)[number]

export type CellKind = 'plain' | 'quoted' | 'null'

export interface ScannedRow {
  readonly cells: readonly string[]
  /** Absent where all cells are plain. */
  readonly kinds?: readonly CellKind[]
}

/** A piece of a row: a line of the file. */
export interface RowLine {
  readonly text: string
  /** The separator to the next line, for a value that continues there. */
  readonly lineEnd: string
}

export type RowFault = 'text-after-quote' | 'quote-in-value' | 'unknown-escape' | 'escape-outside-quotes'

type Step = 'row' | 'open' | RowFault | undefined

/**
 * Splits the lines of a row into its cells, unchanged.
 *
 * No CSV parser on npm fits: csv-parse distinguishes quoted cells only by a callback per cell, and after a
 * misplaced quote both csv-parse (`skip_records_with_error`) and PapaParse swallow the following rows. A
 * reader that keeps the lines of the current row can refuse it and read its other lines again.
 */
export class RowScanner {
  readonly #dialect: CsvDialect
  #cells: string[] = []
  #kinds: CellKind[] = []
  #value = ''
  #within: 'start' | 'plain' | 'quoted' = 'start'
  #line: RowLine = { text: '', lineEnd: '' }
  #at = 0

  constructor(dialect: CsvDialect) {
    const { escape, ...rest } = dialect
    // A quote that escapes itself is a doubled quote, which always applies.
    this.#dialect = escape === undefined || escape === dialect.quote ? rest : dialect
  }

  /** Takes the next line of the row. After a fault the row must be dropped. */
  scan(line: RowLine): Exclude<Step, undefined> {
    if (this.#within === 'start' && this.#isSimple(line)) {
      this.#cells = line.text.split(this.#dialect.delimiter)
      return 'row'
    }
    this.#line = line
    this.#at = 0
    for (;;) {
      const step = this.#step()
      if (step !== undefined) return step
    }
  }

  /** The complete row; the next line begins another. */
  take(): ScannedRow {
    const cells = this.#cells
    const kinds = this.#kinds
    this.drop()
    return kinds.length > 0 ? { cells, kinds } : this.#withNulls(cells)
  }

  drop(): void {
    this.#cells = []
    this.#kinds = []
    this.#value = ''
    this.#within = 'start'
  }

  #isSimple({ text }: RowLine): boolean {
    const { quote, escape } = this.#dialect
    return (quote === undefined || !text.includes(quote)) && (escape === undefined || !text.includes(escape))
  }

  /** For a row that was split at once. */
  #withNulls(cells: readonly string[]): ScannedRow {
    const { nullText } = this.#dialect
    if (nullText === undefined || !cells.includes(nullText)) return { cells }
    return {
      cells: cells.map((cell) => (cell === nullText ? '' : cell)),
      kinds: cells.map((cell) => (cell === nullText ? 'null' : 'plain')),
    }
  }

  #step(): Step {
    if (this.#within === 'start') return this.#start()
    return this.#within === 'quoted' ? this.#quoted() : this.#plain()
  }

  #start(): Step {
    const { quote, nullText } = this.#dialect
    if (quote !== undefined && this.#line.text.startsWith(quote, this.#at)) {
      this.#at += quote.length
      this.#within = 'quoted'
      return undefined
    }
    this.#within = 'plain'
    if (nullText !== MYSQL_NULL && this.#isDoubtful('\\') && this.#isNullCell(MYSQL_NULL))
      return 'escape-outside-quotes'
    if (nullText === undefined || !this.#isNullCell(nullText)) return undefined
    return this.#close('null', this.#at + nullText.length)
  }

  #isNullCell(nullText: string): boolean {
    return this.#line.text.startsWith(nullText, this.#at) && this.#isCellEnd(this.#at + nullText.length)
  }

  /** Whether the escape may or may not apply outside quotes. */
  #isDoubtful(escape: string | undefined): boolean {
    const { quote, escapeIn } = this.#dialect
    return (
      quote !== undefined && escape !== undefined && escapeIn === undefined && escape === this.#dialect.escape
    )
  }

  #isCellEnd(at: number): boolean {
    const { text } = this.#line
    return at === text.length || text.startsWith(this.#dialect.delimiter, at)
  }

  #plain(): Step {
    const { text } = this.#line
    const { quote, escape, escapeIn, delimiter } = this.#dialect
    const found = text.indexOf(delimiter, this.#at)
    const end = found === -1 ? text.length : found
    const counts = escape !== undefined && (quote === undefined || escapeIn === 'everywhere')
    const escaped = counts ? text.indexOf(escape, this.#at) : -1
    const isEscaped = escaped !== -1 && escaped < end
    const piece = text.slice(this.#at, isEscaped ? escaped : end)
    if (this.#isDoubtful(escape) && this.#hasDoubtfulEscape(piece)) return 'escape-outside-quotes'
    if (quote !== undefined && piece.includes(quote)) return 'quote-in-value'
    if (isEscaped) return this.#escape(escaped)
    this.#value += piece
    return this.#close('plain', end)
  }

  /**
   * Before itself, the quote, the delimiter or a line break; before other characters no writer escapes
   * outside quotes.
   */
  #hasDoubtfulEscape(piece: string): boolean {
    const { quote = '', escape = '' } = this.#dialect
    return piece.endsWith(escape) || piece.includes(escape + escape) || piece.includes(escape + quote)
  }

  #quoted(): Step {
    const { text, lineEnd } = this.#line
    const { quote = '', escape } = this.#dialect
    const end = text.indexOf(quote, this.#at)
    const escaped = escape === undefined ? -1 : text.indexOf(escape, this.#at)
    if (escaped !== -1 && (end === -1 || escaped < end)) return this.#escape(escaped)
    if (end === -1) {
      this.#value += text.slice(this.#at) + lineEnd
      return 'open'
    }
    this.#value += text.slice(this.#at, end)
    const next = end + quote.length
    if (text.startsWith(quote, next)) {
      this.#value += quote
      this.#at = next + quote.length
      return undefined
    }
    return this.#isCellEnd(next) ? this.#close('quoted', next) : 'text-after-quote'
  }

  /** @param at the position of the escape character */
  #escape(at: number): Step {
    const { text, lineEnd } = this.#line
    this.#value += text.slice(this.#at, at)
    this.#at = at + (this.#dialect.escape ?? '').length
    if (this.#at === text.length) {
      this.#value += lineEnd
      return 'open'
    }
    const meant = this.#meant(String.fromCodePoint(text.codePointAt(this.#at) ?? 0))
    if (meant === undefined) return 'unknown-escape'
    this.#value += meant.value
    this.#at += meant.length
    return undefined
  }

  #meant(next: string): { value: string; length: number } | undefined {
    const { quote, escape, delimiter } = this.#dialect
    if (quote !== undefined && this.#within === 'plain')
      return next === quote || next === escape || next === delimiter
        ? { value: next, length: next.length }
        : undefined
    const letters = escape !== '\\' ? NO_LETTERS : quote === undefined ? LETTERS : LETTERS_WITHIN_QUOTES
    const letter = letters[next]
    if (letter !== undefined) return { value: letter, length: next.length }
    // No writer escapes other letters and digits: the dialect is another one.
    return /[\p{L}\p{N}]/u.test(next) ? undefined : { value: next, length: next.length }
  }

  /** @param end the end of the cell: at a delimiter, or at the end of the row */
  #close(kind: CellKind, end: number): Step {
    this.#cells.push(this.#value)
    this.#kinds.push(kind)
    this.#value = ''
    this.#within = 'start'
    if (end === this.#line.text.length) return 'row'
    this.#at = end + this.#dialect.delimiter.length
    return undefined
  }
}

/** Null in dialects with a backslash escape. */
const MYSQL_NULL = '\\N'

const NO_LETTERS: Readonly<Partial<Record<string, string>>> = {}

/** The union of MySQL's and PostgreSQL's escapes, which agree where they overlap. */
const LETTERS: Readonly<Partial<Record<string, string>>> = {
  '0': '\0',
  Z: '\u001A',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** Within quotes MySQL escapes NUL like this; other characters stand for themselves. */
const LETTERS_WITHIN_QUOTES: Readonly<Partial<Record<string, string>>> = { '0': '\0' }
