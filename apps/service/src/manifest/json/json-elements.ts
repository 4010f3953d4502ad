import type { PathStep } from './json-path.js'

export interface JsonElementsOptions {
  /** The path to the elements. */
  readonly steps: readonly PathStep[]
  /** A longer element is not kept in memory. */
  readonly maxBytes: number
  /** The text of an element, `undefined` for one that is too long, and its position. */
  readonly onElement: (bytes: Buffer | undefined, at: ElementPlace) => void
}

/** A position in a document. */
export interface DocumentPlace {
  /** 1 is the first. */
  readonly line: number
  /** Bytes of the document before it. */
  readonly byte: number
}

/** The position of an element. */
export interface ElementPlace extends DocumentPlace {
  /** It is a value of an object where the path may mean a list. */
  readonly isField: boolean
}

/** A container on the path. */
interface Container {
  readonly isObject: boolean
  /** The number of path steps to it. */
  readonly steps: number
  /** The key of the path was seen: a second one would be another list. */
  seen: boolean
}

/** A value or key that is consumed as a whole, across chunks. */
interface Span {
  readonly kind: 'container' | 'string' | 'word'
  readonly use: 'element' | 'key' | 'none'
  readonly start: DocumentPlace
  depth: number
  inString: boolean
  escaped: boolean
  bytes: number
}

const LF = 0x0a
const QUOTE = 0x22
const RECORD_SEPARATOR = 0x1e
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_ARRAY = 0x5b
const BACKSLASH = 0x5c
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/**
 * Extracts the elements at a path from a JSON document, each as text, while the document is read.
 *
 * The streaming parsers on npm (stream-json, @streamparser/json) emit values or tokens: numbers become
 * doubles or must be reassembled, and elements have no line. `parseJson` parses the text of an element; this
 * class only distinguishes strings and brackets.
 */
export class JsonElements {
  readonly #options: JsonElementsOptions
  readonly #stack: Container[] = []
  #expects: 'value' | 'key' | 'colon' | 'next' = 'value'
  #documents = 0
  #key: string | undefined
  #span: Span | undefined
  #pieces: Buffer[] = []
  #line = 1
  /** Bytes before the current chunk. */
  #bytesBefore = 0
  #fault: DocumentFault | undefined
  #hasList = false
  #missing = 0

  constructor(options: JsonElementsOptions) {
    this.#options = options
  }

  /** Why the rest of the document can't be read. */
  get fault(): DocumentFault | undefined {
    return this.#fault
  }

  /** The path matched a list, possibly empty. */
  get hasList(): boolean {
    return this.#hasList
  }

  /** The number of places where the path had no match: no such field, or no list. */
  get missing(): number {
    return this.#missing
  }

  push(bytes: Buffer): void {
    let at = 0
    while (at < bytes.length && this.#fault === undefined)
      at = this.#span === undefined ? this.#structure(bytes, at) : this.#pass(bytes, at, this.#span)
    this.#bytesBefore += bytes.length
  }

  end(): void {
    if (this.#fault !== undefined) return
    if (this.#span?.kind === 'word') this.#endSpan(this.#span)
    if (this.#documents === 0 || this.#stack.length > 0 || this.#span !== undefined)
      this.#refuse('the document is incomplete; it may be truncated', 0)
  }

  /** @param at the position in the current chunk */
  #refuse(reason: string, at: number): void {
    this.#fault ??= { ...this.#place(at), reason }
  }

  #place(at: number): DocumentPlace {
    return { line: this.#line, byte: this.#bytesBefore + at }
  }

  /** Reads one byte between values. @returns the next position */
  #structure(bytes: Buffer, at: number): number {
    const byte = bytes[at] ?? 0
    if (byte === LF) this.#line += 1
    if (byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)) return at + 1
    // Text sequences (RFC 7464) have one before each document.
    if (byte === RECORD_SEPARATOR && this.#stack.length === 0) return at + 1
    const top = this.#stack.at(-1)
    if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) this.#close(bytes, at)
    else if (this.#expects === 'value') return this.#value(bytes, at) ? at : at + 1
    else if (this.#expects === 'key' && byte === QUOTE) {
      this.#begin('string', 'key', at)
      return at
    } else if (this.#expects === 'colon' && byte === COLON) this.#expects = 'value'
    else if (this.#expects === 'next' && byte === COMMA)
      this.#expects = top?.isObject === true ? 'key' : 'value'
    else this.#refuse(NOT_JSON, at)
    return at + 1
  }

  #close(bytes: Buffer, at: number): void {
    const [byte, top] = [bytes[at] ?? 0, this.#stack.at(-1)]
    const fits = top !== undefined && top.isObject === (byte === CLOSE_OBJECT) && this.#expects !== 'colon'
    if (!fits || (top.isObject && this.#expects === 'value')) {
      this.#refuse(NOT_JSON, at)
      return
    }
    this.#stack.pop()
    if (!top.seen && this.#options.steps[top.steps] !== 'all') this.#missing += 1
    this.#afterValue()
  }

  #afterValue(): void {
    this.#key = undefined
    this.#expects = this.#stack.length === 0 ? 'value' : 'next'
    // Several documents may follow each other, as in the output of jq.
    if (this.#stack.length === 0) this.#documents += 1
  }

  /** @returns whether the value is consumed as a whole; else its content is read */
  #value(bytes: Buffer, at: number): boolean {
    const [byte, top] = [bytes[at] ?? 0, this.#stack.at(-1)]
    const steps = this.#stepsWith(top, at)
    const isContainer = byte === OPEN_ARRAY || byte === OPEN_OBJECT
    const kind = isContainer ? 'container' : byte === QUOTE ? 'string' : 'word'
    if (steps === this.#options.steps.length) this.#begin(kind, 'element', at)
    else if (top === undefined && !isContainer) this.#refuse(NOT_JSON, at)
    else if (steps === undefined || !isContainer) {
      if (steps !== undefined) this.#missing += 1
      this.#begin(kind, 'none', at)
    } else {
      this.#hasList ||= steps === this.#options.steps.length - 1 && this.#options.steps[steps] === 'all'
      this.#stack.push({ isObject: byte === OPEN_OBJECT, steps, seen: false })
      this.#expects = byte === OPEN_OBJECT ? 'key' : 'value'
      return false
    }
    return true
  }

  /** The number of path steps to the value that begins here; `undefined` off the path. */
  #stepsWith(top: Container | undefined, at: number): number | undefined {
    if (top === undefined) return 0
    const step = this.#options.steps[top.steps]
    if (step === undefined) return undefined
    if (step === 'all') return top.steps + 1
    if (!top.isObject || step.key !== this.#key) return undefined
    if (top.seen) this.#refuse(`the key ${JSON.stringify(step.key)} comes twice in the object`, at)
    top.seen = true
    return top.steps + 1
  }

  #begin(kind: Span['kind'], use: Span['use'], at: number): void {
    this.#span = { kind, use, start: this.#place(at), depth: 0, inString: false, escaped: false, bytes: 0 }
  }

  /** @returns the next position: after the span, or the end of the chunk */
  #pass(bytes: Buffer, start: number, span: Span): number {
    const end = span.kind === 'word' ? endOfWord(bytes, start) : this.#endOfText(bytes, start, span)
    this.#keep(bytes.subarray(start, end ?? bytes.length), span)
    if (end !== undefined) this.#endSpan(span)
    return end ?? bytes.length
  }

  #keep(piece: Buffer, span: Span): void {
    if (span.use === 'none') return
    span.bytes += piece.length
    if (span.bytes <= this.#options.maxBytes) this.#pieces.push(piece)
    else this.#pieces = []
  }

  #endOfText(bytes: Buffer, start: number, span: Span): number | undefined {
    for (let at = start; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0
      if (byte === LF) this.#line += 1
      if (span.inString) {
        if (span.escaped) span.escaped = false
        else if (byte === BACKSLASH) span.escaped = true
        else if (byte === QUOTE) span.inString = false
        else continue
        if (!span.inString && span.depth === 0) return at + 1
      } else if (byte === QUOTE) span.inString = true
      else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) span.depth += 1
      else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
        span.depth -= 1
        if (span.depth === 0) return at + 1
      }
    }
    return undefined
  }

  #endSpan(span: Span): void {
    const whole = span.bytes <= this.#options.maxBytes ? Buffer.concat(this.#pieces) : undefined
    this.#span = undefined
    this.#pieces = []
    if (span.use === 'key') {
      this.#key = whole === undefined ? undefined : keyOf(whole)
      this.#expects = 'colon'
      return
    }
    this.#afterValue()
    if (span.use !== 'element') return
    const isField = this.#options.steps.at(-1) === 'all' && this.#stack.at(-1)?.isObject === true
    this.#options.onElement(whole, { ...span.start, isField })
  }
}

interface DocumentFault extends DocumentPlace {
  readonly reason: string
}

const NOT_JSON = 'the document is not JSON here; check it, such as with jq empty'

function endOfWord(bytes: Buffer, start: number): number | undefined {
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0
    if (byte <= 0x20 || byte === COMMA || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) return at
  }
  return undefined
}

function keyOf(bytes: Buffer): string | undefined {
  try {
    const key: unknown = JSON.parse(bytes.toString('utf8'))
    return typeof key === 'string' ? key : undefined
  } catch {
    // Not a valid key, so off the path: its value is skipped.
    return undefined
  }
}
