import type { Conveniences } from '../conveniences.js'
import { isPsqlFooter, PSQL_FOOTER } from '../first-line/header-line.js'
import {
  judgeItem,
  MAX_LINE_BYTES,
  type ManifestEntry,
  type ManifestReader,
  type Reading,
} from '../manifest-entry.js'
import { withRaw } from '../raw-row.js'
import {
  BYTE_ORDER_MARK,
  CONTROL,
  insideFault,
  lineEndFault,
  MAY_BE_COMMENT,
  markFault,
  NOT_UTF8,
  TextLines,
  TOO_LONG,
  type TextLine,
} from './text-lines.js'

/**
 * Reads plain lines: each is an item whose id is the line and whose body is `{ "line": … }`. Lines are not
 * trimmed. Empty lines are counted, and are not rows.
 */
export class PlainLinesReader implements ManifestReader {
  readonly #reading: Reading
  readonly #lines: TextLines
  /** The first line decided the format, so a line in another format is probably a mistake. */
  readonly #sniffed: boolean
  #out: ManifestEntry[] = []
  #rows = 0
  #seen = false

  constructor(reading: Reading, sniffed: boolean) {
    const { lineEnds = 'auto', nul = false, maxLineBytes = MAX_LINE_BYTES } = reading.options
    this.#reading = reading
    this.#sniffed = sniffed
    this.#lines = new TextLines({ lineEnds, nul, maxLineBytes, controls: sniffed }, (line) =>
      this.#line(line),
    )
  }

  push(bytes: Buffer): readonly ManifestEntry[] {
    this.#lines.push(bytes)
    return this.#given()
  }

  end(): readonly ManifestEntry[] {
    this.#lines.end()
    // An empty file is valid; a file with only blank lines is an error.
    if (this.#seen && this.#rows === 0) this.#out.push({ line: 1, reason: NO_ROW, stops: true })
    return this.#given()
  }

  #given(): readonly ManifestEntry[] {
    const out = this.#out
    this.#out = []
    return out
  }

  #line(given: TextLine): void {
    const { options, conveniences } = this.#reading
    const line = options.byteOrderMarks === 'drop' ? withoutMark(given, conveniences) : given
    if (!this.#seen && this.#lines.lineEnds === 'cr') conveniences.add('carriageReturnFiles')
    this.#seen = true
    if (isLeftOut(line, options, conveniences)) return
    this.#rows += 1
    const reason = this.#fault(line)
    const entry = reason === undefined ? this.#item(line) : { line: line.line, reason }
    this.#out.push(withRaw(entry, this.#reading, { lines: [line] }))
  }

  #fault(line: TextLine): string | undefined {
    const { options } = this.#reading
    if (line.fault === 'too-long')
      return `the line is longer than ${options.maxLineBytes ?? MAX_LINE_BYTES} bytes; ${TOO_LONG}`
    if (line.fault === 'not-utf8') return `the line ${NOT_UTF8}`
    if (options.nul === true) return this.#lines.ended ? NO_NUL : undefined
    if (this.#lines.hasMarks && options.byteOrderMarks !== 'keep' && line.text.includes(BYTE_ORDER_MARK))
      return markFault(line.text.startsWith(BYTE_ORDER_MARK))
    if (options.comment === undefined && line.text.startsWith('#')) return MAY_BE_COMMENT
    return (
      (this.#sniffed ? otherFormFault(line.text, this.#lines.hasControls) : undefined) ??
      this.#lineEndFault(line)
    )
  }

  #lineEndFault(line: TextLine): string | undefined {
    if ((this.#reading.options.lineEnds ?? 'auto') !== 'auto') return undefined
    const { lineEnds, ended } = this.#lines
    const other = lineEnds === 'cr' ? '\n' : '\r'
    return (
      lineEndFault(line, { lineEnds, ended }) ??
      (line.text.includes(other) ? insideFault(lineEnds) : undefined)
    )
  }

  #item({ line, text }: TextLine): ManifestEntry {
    const { options, baseName } = this.#reading
    const id = options.idFrom === 'row' ? `${baseName}:${this.#rows}` : text
    return judgeItem({ id, body: { line: text } }, { line, maxBodyBytes: options.maxBodyBytes })
  }
}

const NO_ROW = 'the file has no rows, only blank lines or comments'
const NO_NUL = 'the line does not end with NUL; the file may be truncated, or not from find -print0'
const IS_LINES = 'use --format lines if every line is an item'
const OTHER_FORM = `the line is JSON, and the first line is not: ${IS_LINES}, or --format jsonl`
const HAS_TABS = `the line contains tabs, and the first line does not: ${IS_LINES}, or --format tsv for a table`
const IN_QUOTES = `the line is in quotes, and the first line is not, as in git's output for unusual names (git ls-files -z | sluice load - -0 does not quote them): ${IS_LINES}`
const HAS_CONTROL = `the line contains a control character, such as a terminal colour (--color=never omits them): ${IS_LINES}`

const MAY_BE_OTHER = /^\s*[{["(]/u

/** Where the first line decided the format, a line in another format is probably a mistake. */
function otherFormFault(text: string, mayHaveControls: boolean): string | undefined {
  if (!mayHaveControls && !MAY_BE_OTHER.test(text)) return undefined
  if (/^\s*[{[].*[}\]]\s*$/u.test(text)) return OTHER_FORM
  if (isPsqlFooter(text)) return PSQL_FOOTER
  if (text.length > 1 && text.startsWith('"') && text.endsWith('"')) return IN_QUOTES
  if (!CONTROL.test(text)) return undefined
  return text.includes('\t') ? HAS_TABS : HAS_CONTROL
}

/** In concatenated files, the mark at the start of a file is at the start of a line. */
function withoutMark(line: TextLine, conveniences: Conveniences): TextLine {
  if (!line.text.startsWith(BYTE_ORDER_MARK)) return line
  conveniences.add('byteOrderMarks')
  return { ...line, text: line.text.slice(BYTE_ORDER_MARK.length) }
}

function isLeftOut(line: TextLine, options: Reading['options'], conveniences: Conveniences): boolean {
  if (line.fault !== undefined) return false
  if (line.text === '' && options.nul !== true) {
    conveniences.add('blankRows')
    return true
  }
  const { comment = 'none' } = options
  if (comment === 'none' || !line.text.startsWith(comment)) return false
  conveniences.add('commentLines')
  return true
}
