import type { Conveniences } from '../conveniences.js'
import type { RefusedEntry } from '../manifest-entry.js'

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])
const UTF16_MARKS = [Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])]
/** The first begins like a mark of UTF-16. */
const UTF32_MARKS = [Buffer.from([0xff, 0xfe, 0, 0]), Buffer.from([0, 0, 0xfe, 0xff])]
/** A byte that no UTF-8 text contains: its line is refused. */
const NO_TEXT = Buffer.from([0xff])

const LF = 0x0a
const CR = 0x0d

export interface PlainTextOptions {
  /** The text may contain NUL. */
  readonly nul: boolean
  /** The number of lines to skip at the beginning. */
  readonly skipLines: number
}

/** Returns the bytes of a text as UTF-8 without a byte order mark; decodes UTF-16 with a byte order mark. */
export class PlainText {
  readonly #conveniences: Conveniences
  #encoding: 'utf-8' | 'utf-16le' | 'utf-16be' | undefined
  #rest = Buffer.alloc(0)
  /** Why the text can't be read. */
  fault: RefusedEntry | undefined
  /** Bytes of the file before the text; `undefined` where it was decoded from another encoding. */
  bytesBefore: number | undefined = 0
  /** Skipped lines of the file. */
  linesBefore = 0

  readonly #options: PlainTextOptions
  /** The last skipped line ended with a CR: a following LF belongs to it. */
  #afterCarriageReturn = false
  /** No bytes have come, and no text after the skipped lines. */
  #isEmpty = true
  #hasText = false

  constructor(conveniences: Conveniences, options: PlainTextOptions) {
    this.#conveniences = conveniences
    this.#options = options
  }

  push(bytes: Buffer): Buffer {
    const text = this.#decoded(bytes)
    return this.#options.skipLines === 0 ? text : this.#withoutLines(text)
  }

  end(): Buffer {
    const text = this.#ended()
    return this.#options.skipLines === 0 ? text : this.#withoutLines(text)
  }

  /** All lines are skipped. */
  get isAllSkipped(): boolean {
    return this.#options.skipLines > 0 && !this.#isEmpty && !this.#hasText
  }

  #withoutLines(text: Buffer): Buffer {
    let rest = text
    if (text.length > 0) this.#isEmpty = false
    for (;;) {
      if (this.#afterCarriageReturn && rest.length > 0) {
        this.#afterCarriageReturn = false
        if (rest[0] === LF) rest = rest.subarray(1)
      }
      if (this.linesBefore === this.#options.skipLines) break
      const end = rest.findIndex((byte) => byte === LF || byte === CR)
      if (end === -1) return Buffer.alloc(0)
      this.#afterCarriageReturn = rest[end] === CR
      this.linesBefore += 1
      this.#conveniences.add('skippedLines')
      rest = rest.subarray(end + 1)
    }
    this.#hasText ||= rest.length > 0
    return rest
  }

  #decoded(bytes: Buffer): Buffer {
    if (this.#encoding === 'utf-8') return bytes
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    if (this.#encoding !== undefined) return this.#fromUtf16(all)
    if (mayBegin(all, this.#options.nul)) {
      this.#rest = Buffer.from(all)
      return Buffer.alloc(0)
    }
    return this.#begin(all)
  }

  #ended(): Buffer {
    const rest = this.#rest
    this.#rest = Buffer.alloc(0)
    if (this.#encoding === undefined) return this.#begin(rest)
    // The file ends within a character.
    return rest.length === 0 ? rest : NO_TEXT
  }

  #begin(head: Buffer): Buffer {
    this.#rest = Buffer.alloc(0)
    if (head.subarray(0, 3).equals(BYTE_ORDER_MARK)) {
      this.#encoding = 'utf-8'
      this.#conveniences.add('byteOrderMarks')
      this.bytesBefore = BYTE_ORDER_MARK.length
      return head.subarray(BYTE_ORDER_MARK.length)
    }
    if (!this.#options.nul && UTF32_MARKS.some((mark) => head.subarray(0, 4).equals(mark))) {
      this.#encoding = 'utf-8'
      const order = head[0] === 0 ? 'BE' : 'LE'
      const reason = `the file is UTF-32: convert it first, with iconv -f UTF-32${order} -t UTF-8`
      this.fault = { line: 1, reason, stops: true }
      return head
    }
    const utf16 = utf16Of(head)
    if (utf16 !== undefined) {
      this.#encoding = utf16
      this.#conveniences.add('utf16')
      this.bytesBefore = undefined
      return this.#fromUtf16(head.subarray(2))
    }
    this.#encoding = 'utf-8'
    if (!this.#options.nul && everyOtherIsNul(head)) {
      const reason =
        'the file seems to be UTF-16 without a byte order mark: convert it first, with iconv -f UTF-16LE -t UTF-8 (or UTF-16BE)'
      this.fault = { line: 1, reason, stops: true }
    }
    return head
  }

  #fromUtf16(bytes: Buffer): Buffer {
    // The chunk may end within a character: half a unit, or the first of two.
    let end = bytes.length - (bytes.length % 2)
    if (end >= 2 && isHighSurrogate(this.#unitAt(bytes, end - 2))) end -= 2
    this.#rest = Buffer.from(bytes.subarray(end))
    const units = Buffer.from(bytes.subarray(0, end))
    if (this.#encoding === 'utf-16be') units.swap16()
    const text = units.toString('utf16le')
    return text.isWellFormed() ? Buffer.from(text, 'utf8') : withoutReplacing(text)
  }

  #unitAt(bytes: Buffer, at: number): number {
    return this.#encoding === 'utf-16be' ? bytes.readUInt16BE(at) : bytes.readUInt16LE(at)
  }
}

/** Whether the bytes may begin a byte order mark; any others are passed on at once. */
function mayBegin(head: Buffer, nul: boolean): boolean {
  const marks = nul ? [BYTE_ORDER_MARK, ...UTF16_MARKS] : [BYTE_ORDER_MARK, ...UTF16_MARKS, ...UTF32_MARKS]
  return marks.some((mark) => head.length < mark.length && mark.subarray(0, head.length).equals(head))
}

/** Checks the first characters so far; a very short text may contain NULs. */
function everyOtherIsNul(head: Buffer): boolean {
  const pairs = Math.min(head.length >> 1, 32)
  const [first, second] = [head[0] === 0, head[1] === 0]
  if (pairs < 4 || first === second) return false
  for (let pair = 0; pair < pairs; pair++) {
    if ((head[2 * pair] === 0) !== first || (head[2 * pair + 1] === 0) !== second) return false
  }
  return true
}

function utf16Of(head: Buffer): 'utf-16le' | 'utf-16be' | undefined {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le'
  return head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : undefined
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00
}

/** A lone surrogate becomes an invalid byte, so that its line is refused; Node would write U+FFFD. */
function withoutReplacing(text: string): Buffer {
  const pieces = text.split(/(\p{Surrogate})/u)
  return Buffer.concat(pieces.map((piece) => (piece.isWellFormed() ? Buffer.from(piece, 'utf8') : NO_TEXT)))
}
