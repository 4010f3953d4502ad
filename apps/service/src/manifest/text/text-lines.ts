import { isUtf8 } from 'node:buffer'

/** Line endings: `any` is LF or CRLF, `auto` is that of the first line. */
export const LINE_ENDS = ['auto', 'lf', 'crlf', 'cr', 'any'] as const

export type LineEnds = (typeof LINE_ENDS)[number]

/** Why a line has no usable text. */
export type LineFault = 'not-utf8' | 'too-long'

/** A line as read. */
export interface TextLine {
  /** The line number, from 1. */
  readonly line: number
  /**
   * The text without the line ending: one character per byte where it is not UTF-8, empty where it is too
   * long.
   */
  readonly text: string
  /** A carriage return before the LF: part of the line ending, or of a quoted value. */
  readonly carriageReturn: boolean
  readonly fault: LineFault | undefined
}

export interface TextLinesOptions {
  readonly lineEnds: LineEnds
  /** Lines end with NUL only. */
  readonly nul?: boolean
  readonly maxLineBytes: number
  /** Whether to set `hasControls`. */
  readonly controls?: boolean
  /** The quote character, within which the first line may contain line breaks; for `auto`. */
  readonly quote?: string | undefined
  /** The escape character for quotes, within quotes or everywhere; for `auto`. */
  readonly escape?: { readonly text: string; readonly isEverywhere: boolean } | undefined
}

/** A line that may be a comment or an item. */
export const MAY_BE_COMMENT =
  'the line begins with #: use --comment "#" to skip such lines, or --comment none if they are items'

/** The end of a message: `the line …`. */
export const NOT_UTF8 =
  'is not valid UTF-8 (in a UTF-16 file: half a character); convert the file first, such as with iconv -f WINDOWS-1252 -t UTF-8'

/** U+FEFF at the start of a file; elsewhere only in concatenated files. */
export const BYTE_ORDER_MARK = '\uFEFF'

/**
 * Why a line with a byte order mark is refused: the mark may belong to the value or to a concatenated file.
 *
 * @param begins it is at the start of the line; else the file before it lacks its last line break
 */
export function markFault(begins: boolean): string {
  const how = begins
    ? 'the line begins with a byte order mark (U+FEFF), as in concatenated files'
    : 'the line contains a byte order mark (U+FEFF), as where files were concatenated without a line break'
  const drop = begins ? '--byte-order-marks drop, or keep' : '--byte-order-marks keep'
  return `${how}: load the files in one call instead (sluice load a.csv b.csv), or use ${drop} if it belongs to the value`
}

/** A control character other than a line break. */
export const CONTROL = new RegExp(String.raw`[\0-\x09\x0b\x0c\x0e-\x1f\x7f]`, 'u')

/** The advice for a text that is too long for an item. */
export const TOO_LONG = 'store the data elsewhere and put its address into the item'

const LF = 0x0a
const CR = 0x0d

/**
 * Splits bytes into lines. A block of whole lines is validated and decoded at once, for a third of the cost;
 * only a block that is not UTF-8 is validated line by line. A line over `maxLineBytes` is discarded, so that
 * a file without line breaks never fills the memory.
 */
export class TextLines {
  /** The line ending; `auto` until the first one is known. */
  lineEnds: LineEnds
  /** The input ended: the current line has no line ending, and may be truncated. */
  ended = false
  /** One of the lines so far contains a byte order mark; without it lines need no search for one. */
  hasMarks = false
  /** The same for control characters other than line breaks. */
  hasControls = false
  readonly #options: TextLinesOptions
  readonly #onLine: (line: TextLine) => void
  readonly #finder: LineEndFinder
  #pieces: Buffer[] = []
  #pieceBytes = 0
  #tooLong = false
  #line = 1
  /** The beginning of the next line: parts that ended with LF, where only CRLF ends a line. */
  #held: { readonly text: string; readonly fault: LineFault | undefined; readonly lines: number } =
    NOTHING_HELD

  constructor(options: TextLinesOptions, onLine: (line: TextLine) => void) {
    this.#options = options
    this.#onLine = onLine
    this.#finder = new LineEndFinder(options)
    this.lineEnds = options.nul === true ? 'lf' : options.lineEnds
  }

  push(bytes: Buffer): void {
    if (bytes.length === 0) return
    const isKnown = this.lineEnds !== 'auto'
    if (!isKnown && !this.#findLineEnd(bytes)) return
    // Concatenated once, at the end of the line: else a line of many chunks would be copied with each.
    if (isKnown && !bytes.includes(this.#separator)) {
      this.#keep(bytes)
      return
    }
    const known = this.#pieceBytes === 0 || this.#tooLong ? bytes : this.#taken(bytes)
    const last = known.lastIndexOf(this.#separator)
    if (last === -1) {
      this.#keep(known)
      return
    }
    let start = 0
    if (this.#tooLong) {
      start = known.indexOf(this.#separator) + 1
      this.#give('', { carriageReturn: false, fault: 'too-long' })
      this.#tooLong = false
    }
    if (start <= last) this.#block(known.subarray(start, last))
    this.#keep(known.subarray(last + 1))
  }

  end(): void {
    this.ended = true
    if (this.lineEnds === 'auto') {
      this.lineEnds = this.#finder.guess()
      this.push(this.#taken(Buffer.alloc(0)))
    }
    if (this.#tooLong) this.#give('', { carriageReturn: false, fault: 'too-long' })
    else if (this.#pieceBytes > 0 || this.#held.lines > 0) this.#lines([this.#taken(Buffer.alloc(0))])
    this.#pieceBytes = 0
  }

  get #separator(): number {
    if (this.#options.nul === true) return 0
    return this.lineEnds === 'cr' ? CR : LF
  }

  /** @returns whether the line ending is known; if not, the bytes are kept */
  #findLineEnd(bytes: Buffer): boolean {
    const found = this.#finder.find(bytes)
    if (found !== undefined) this.lineEnds = found
    else {
      this.#pieces.push(bytes)
      this.#pieceBytes += bytes.length
    }
    return found !== undefined
  }

  #taken(tail: Buffer): Buffer {
    const all = this.#pieces.length === 0 ? tail : Buffer.concat([...this.#pieces, tail])
    this.#pieces = []
    this.#pieceBytes = 0
    return all
  }

  #keep(rest: Buffer): void {
    if (this.#tooLong || rest.length === 0) return
    this.#pieceBytes += rest.length
    if (this.#pieceBytes > this.#options.maxLineBytes) {
      this.#pieces = []
      this.#pieceBytes = 0
      this.#tooLong = true
    } else this.#pieces.push(rest)
  }

  /** Handles whole lines, without the last separator. */
  #block(block: Buffer): void {
    if (!isUtf8(block)) {
      this.#lines(split(block, this.#separator))
      return
    }
    const separator = String.fromCharCode(this.#separator)
    const { maxLineBytes } = this.#options
    const text = block.toString('utf8')
    this.hasMarks ||= text.includes(BYTE_ORDER_MARK)
    if (this.#options.controls === true) this.hasControls ||= CONTROL.test(text)
    for (let start = 0; start <= text.length;) {
      const found = text.indexOf(separator, start)
      const end = found === -1 ? text.length : found
      // A UTF-16 unit is at most three bytes: only a line near the limit needs counting in bytes.
      const long =
        (end - start) * 3 > maxLineBytes && Buffer.byteLength(text.slice(start, end)) > maxLineBytes
      if (long) this.#give('', { carriageReturn: false, fault: 'too-long' })
      else this.#giveText(text.slice(start, end), undefined)
      start = end + 1
    }
  }

  #lines(lines: Iterable<Buffer>): void {
    for (const bytes of lines) {
      this.hasMarks ||= bytes.includes(BYTE_ORDER_MARK)
      this.hasControls = true
      if (bytes.length > this.#options.maxLineBytes)
        this.#give('', { carriageReturn: false, fault: 'too-long' })
      else if (isUtf8(bytes)) this.#giveText(bytes.toString('utf8'), undefined)
      else this.#giveText(bytes.toString('latin1'), 'not-utf8')
    }
  }

  #giveText(text: string, fault: LineFault | undefined): void {
    const { lineEnds, nul } = this.#options
    const strips = this.lineEnds === 'crlf' || this.lineEnds === 'any' || lineEnds === 'auto'
    const carriageReturn = strips && nul !== true && text.charCodeAt(text.length - 1) === CR
    // Where only CRLF ends a line, a lone LF belongs to it.
    if (lineEnds === 'crlf' && !carriageReturn && !this.ended) this.#hold(`${text}\n`, fault)
    else this.#give(carriageReturn ? text.slice(0, -1) : text, { carriageReturn, fault })
  }

  #hold(text: string, fault: LineFault | undefined): void {
    const { text: before, lines } = this.#held
    const isLong = before.length + text.length > this.#options.maxLineBytes
    const worse = isLong ? 'too-long' : (this.#held.fault ?? fault)
    this.#held = { text: isLong ? '' : before + text, fault: worse, lines: lines + 1 }
  }

  #give(text: string, how: { carriageReturn: boolean; fault: LineFault | undefined }): void {
    const { carriageReturn } = how
    const { text: before, lines } = this.#held
    const fault = this.#held.fault ?? how.fault
    const line = this.#line
    this.#line += 1 + lines
    if (lines > 0) this.#held = NOTHING_HELD
    this.#onLine({ line, text: before + text, carriageReturn, fault })
  }
}

const NOTHING_HELD = { text: '', fault: undefined, lines: 0 }

/**
 * Without the flag, a line ending that differs from the first one may be a value with a trailing carriage
 * return.
 */
export function lineEndFault(
  line: TextLine,
  at: { readonly lineEnds: LineEnds; readonly ended: boolean },
): string | undefined {
  const { lineEnds, ended } = at
  if (lineEnds === 'crlf' && !line.carriageReturn && !ended)
    return `the line ends with LF, the first one with CRLF; ${HINT}`
  if (lineEnds === 'lf' && line.carriageReturn)
    return `the line ends with CRLF, the first one with LF; ${HINT}`
  return undefined
}

/** The fault of another line break within a line, without the flag. @param lineEnds the line ending */
export function insideFault(lineEnds: LineEnds): string {
  const what = lineEnds === 'cr' ? 'a line feed' : 'a carriage return'
  return `the line contains ${what}; use --line-ends ${lineEnds} if it belongs to the value`
}

const HINT = 'use --line-ends any if both end a line'

/** The longest header with a quoted line break; in a longer one a quote is misplaced. */
const MAX_QUOTED_BYTES = 64 * 1024

/** Finds the line ending of the first line, across chunks. */
class LineEndFinder {
  readonly #quote: number | undefined
  readonly #escape: number | undefined
  readonly #isEscapeEverywhere: boolean
  #quoted = false
  #escaped = false
  #afterCarriageReturn = false
  #bytes = 0
  /** The first line break within quotes. */
  #within: 'lf' | 'cr' | undefined

  constructor({ quote, escape }: Pick<TextLinesOptions, 'quote' | 'escape'>) {
    this.#quote = quote?.charCodeAt(0)
    this.#escape = escape?.text.charCodeAt(0)
    this.#isEscapeEverywhere = escape?.isEverywhere ?? false
  }

  /** `undefined` while unknown: no line break yet, or a CR as the last byte. */
  find(bytes: Buffer): 'lf' | 'crlf' | 'cr' | undefined {
    for (const byte of bytes) {
      if (this.#afterCarriageReturn) return byte === LF ? 'crlf' : 'cr'
      const isPlain = this.#escaped
      this.#escaped = !isPlain && byte === this.#escape && (this.#quoted || this.#isEscapeEverywhere)
      if (byte === this.#quote && !isPlain) this.#quoted = !this.#quoted
      else if (byte === LF || byte === CR) {
        if (this.#quoted) this.#within ??= byte === LF ? 'lf' : 'cr'
        else if (byte === LF) return 'lf'
        else this.#afterCarriageReturn = true
      }
    }
    this.#bytes += bytes.length
    return this.#quoted && this.#bytes > MAX_QUOTED_BYTES ? this.guess() : undefined
  }

  /** The line ending where the first line never ended. */
  guess(): 'lf' | 'cr' {
    return this.#afterCarriageReturn ? 'cr' : (this.#within ?? 'lf')
  }
}

function* split(block: Buffer, separator: number): Generator<Buffer> {
  let start = 0
  for (;;) {
    const end = block.indexOf(separator, start)
    yield block.subarray(start, end === -1 ? block.length : end)
    if (end === -1) return
    start = end + 1
  }
}
