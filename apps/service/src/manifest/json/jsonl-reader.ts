import { MAX_LINE_BYTES, type ManifestEntry, type ManifestReader, type Reading } from '../manifest-entry.js'
import { withRaw } from '../raw-row.js'
import { BYTE_ORDER_MARK, NOT_UTF8, TextLines, TOO_LONG, type TextLine } from '../text/text-lines.js'
import { DOCUMENT_HEAD_CHARS, documentRefusal, goesOn } from './json-document.js'
import { JsonItems } from './json-items.js'

export interface JsonLinesOptions {
  /** With `--format jsonl` an array is a line, not a document. */
  readonly asked: boolean
  /** By the file name or the flag. */
  readonly named: boolean
  /** The file name for a command line; absent for standard input. */
  readonly name: string | undefined
}

/**
 * Reads JSON lines. One JSON document is refused at its first line: some of its lines may be objects by
 * chance.
 */
export class JsonLinesReader implements ManifestReader {
  readonly #reading: Reading
  readonly #options: JsonLinesOptions
  readonly #items: JsonItems
  readonly #lines: TextLines
  #out: ManifestEntry[] = []
  #rows = 0
  #seen = false
  /** The beginning of a document, and its first line. */
  #document: { text: string; readonly line: number } | undefined
  #stopped = false

  constructor(reading: Reading, options: JsonLinesOptions) {
    this.#reading = reading
    this.#options = options
    this.#items = new JsonItems(reading)
    const { lineEnds = 'auto', maxLineBytes = MAX_LINE_BYTES } = reading.options
    this.#lines = new TextLines({ lineEnds, maxLineBytes }, (line) => this.#line(line))
  }

  push(bytes: Buffer): readonly ManifestEntry[] {
    if (!this.#stopped) this.#lines.push(bytes)
    return this.#given()
  }

  end(): readonly ManifestEntry[] {
    if (!this.#stopped) this.#lines.end()
    if (this.#document !== undefined) this.#refuseDocument(this.#document)
    // An empty file is valid; a file with only blank lines is an error.
    else if (this.#seen && this.#rows === 0)
      this.#out.push({ line: 1, reason: 'the file has no rows, only blank lines', stops: true })
    return this.#given()
  }

  #given(): readonly ManifestEntry[] {
    const out = this.#out
    this.#out = []
    return out
  }

  #line(given: TextLine): void {
    if (this.#stopped) return
    const line = this.#withoutMarks(given)
    if (!this.#seen && this.#lines.lineEnds === 'cr') this.#reading.conveniences.add('carriageReturnFiles')
    this.#seen = true
    if (this.#document !== undefined) this.#collect(this.#document, line.text)
    else if (line.fault === undefined && line.text.trim() === '') this.#reading.conveniences.add('blankRows')
    else if (this.#rows === 0 && this.#isDocument(line))
      this.#collect((this.#document = { text: '', line: line.line }), line.text)
    else this.#out.push(withRaw(this.#row(line), this.#reading, { lines: [line] }))
  }

  /** Removes the separator of a text sequence (RFC 8142), and byte order marks of concatenated files. */
  #withoutMarks(line: TextLine): TextLine {
    let start = 0
    let marks = 0
    for (; isFrame(line.text.charCodeAt(start)); start++)
      if (line.text.charCodeAt(start) !== RECORD_SEPARATOR) marks += 1
    if (start === 0) return line
    if (marks > 0) this.#reading.conveniences.add('byteOrderMarks', marks)
    return { ...line, text: line.text.slice(start) }
  }

  #row({ line, text, fault }: TextLine): ManifestEntry {
    this.#rows += 1
    const { maxLineBytes = MAX_LINE_BYTES } = this.#reading.options
    if (fault === undefined) return this.#items.entry({ line, text, last: this.#lines.ended, noun: 'line' })
    if (fault === 'not-utf8') return this.#items.refuse({ line }, `the line ${NOT_UTF8}`)
    const hint = this.#rows === 1 ? 'use --path for one JSON document' : TOO_LONG
    return this.#items.refuse({ line }, `the line is longer than ${maxLineBytes} bytes; ${hint}`)
  }

  #isDocument({ text, fault }: TextLine): boolean {
    if (fault === 'too-long' || !/^\s*[{[]/u.test(text)) return false
    if (goesOn(text)) return true
    if (this.#options.asked) return false
    if (/^\s*\[/u.test(text)) return true
    if (!/:\s*\[\s*\{/u.test(text)) return false
    if (/"type"\s*:\s*"FeatureCollection"/u.test(text)) return true
    const { idFrom, idField, bodyField } = this.#reading.options
    if ((idField ?? bodyField) !== undefined) return false
    // With row numbers as ids any object may be an item, even one that contains the whole list; otherwise an
    // item needs an id.
    return idFrom === undefined ? !hasId(text) : !this.#options.named
  }

  #collect(document: { text: string; line: number }, text: string): void {
    document.text += `${text}\n`
    if (document.text.length > DOCUMENT_HEAD_CHARS) this.#refuseDocument(document)
  }

  #refuseDocument({ text, line }: { text: string; line: number }): void {
    this.#document = undefined
    this.#stopped = true
    const head = text.slice(0, DOCUMENT_HEAD_CHARS)
    const isOneLine = text.indexOf('\n') === text.length - 1
    if (isOneLine && this.#lines.ended && goesOn(text)) this.#out.push({ line, reason: CUT_OFF, stops: true })
    else this.#out.push(documentRefusal(head, { line, name: this.#options.name }))
  }
}

const CUT_OFF =
  'the line is cut off: the file ends within its JSON value. Write the file again, or complete the line'

const RECORD_SEPARATOR = 0x1e
const MARK = BYTE_ORDER_MARK.charCodeAt(0)

function isFrame(unit: number): boolean {
  return unit === RECORD_SEPARATOR || unit === MARK
}

function hasId(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return Object.hasOwn(Object(value), 'id') || Object.hasOwn(Object(value), 'body')
  } catch {
    // Invalid JSON is refused as a line.
    return true
  }
}
