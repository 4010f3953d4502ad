import { isExactNumber } from './exact-number.js'
import { jsonPath } from './json-path.js'
import { LONE_SURROGATE, MAX_JSON_DEPTH, isArray, type JsonValue } from './json.js'

/** What a JSON text says, or why it is refused. No reason repeats a value of the text. */
export type ParsedJson =
  | { readonly value: JsonValue }
  | {
      readonly reason: string
      /** Where, such as `$.a[0]`. */
      readonly path: string
    }

export interface ParseJsonOptions {
  /**
   * Keys that lead from the outermost object to a value that is an id: a number there is given as a string of
   * the digits that were written, and need not fit into a double.
   */
  readonly textAt?: readonly string[]
}

/**
 * Reads a JSON text so that nothing of it changes: what `JSON.parse` would change is refused. That is a
 * number whose decimal value a double doesn't have ({@link isExactNumber}), a key that comes twice in an
 * object, a surrogate without its partner, and nesting deeper than {@link MAX_JSON_DEPTH}.
 */
export function parseJson(text: string, { textAt }: ParseJsonOptions = {}): ParsedJson {
  const value = parseUnaltered(text)
  if (value === undefined || (textAt !== undefined && typeof valueAt(value, textAt) === 'number')) {
    return new JsonReader(text, textAt).read()
  }
  return { value }
}

/**
 * Nearly every text is fine: to tell so costs a second look at it, far less than reading it by
 * {@link JsonReader}. `undefined`: not known.
 */
function parseUnaltered(text: string): JsonValue | undefined {
  const colons = countColons(text)
  if (colons === undefined) return undefined
  try {
    const value: JsonValue = JSON.parse(text)
    // Of a key that comes twice, one is lost.
    return countKeys(value, 0) === colons ? value : undefined
  } catch {
    // Where and why it isn't JSON, the reader tells.
    return undefined
  }
}

const QUOTE = 0x22
const MINUS = 0x2d
const COLON = 0x3a
const LONE_SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/

/** The colons between keys and values; `undefined` where the text may hold what is to be refused. */
function countColons(text: string): number | undefined {
  if (!text.isWellFormed() || LONE_SURROGATE_ESCAPE.test(text)) return undefined
  let colons = 0
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit === QUOTE) at = endOfString(text, at)
    else if (unit === COLON) colons += 1
    else if (unit === MINUS || isDigit(unit)) {
      const end = endOfNumber(text, at)
      if (!isShortNumber(text, at, end) && !isExactNumber(text.slice(at, end))) return undefined
      at = end - 1
    }
  }
  return colons
}

/** Where the quote is that ends the string beginning here; the text's length where none does. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = end
    while (text[slashes - 1] === '\\') slashes -= 1
    if ((end - slashes) % 2 === 0) return end
  }
  return text.length
}

function endOfNumber(text: string, start: number): number {
  let end = start + 1
  while (isOfNumber(text.charCodeAt(end))) end += 1
  return end
}

/** So many digits every double has. */
const SAFE_DIGITS = 15

/**
 * Known to be exact without conversion: a few digits, perhaps a full stop among them, and not a zero with a
 * sign.
 */
function isShortNumber(text: string, start: number, end: number): boolean {
  if (end - start > SAFE_DIGITS) return false
  const first = text.charCodeAt(start)
  if (first === MINUS && text.charCodeAt(start + 1) === 0x30) return false
  for (let at = start + 1; at < end; at++) {
    const unit = text.charCodeAt(at)
    if (unit === 0x65 || unit === 0x45) return false
  }
  return true
}

/** A digit, or one of `+-.eE`. */
function isOfNumber(unit: number): boolean {
  return isDigit(unit) || unit === 0x2e || unit === MINUS || unit === 0x2b || unit === 0x65 || unit === 0x45
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39
}

function countKeys(value: JsonValue, depth: number): number {
  if (value === null || typeof value !== 'object') return 0
  if (depth >= MAX_JSON_DEPTH) return Number.NaN
  let keys = 0
  if (isArray(value)) {
    for (const element of value) keys += countKeys(element, depth + 1)
    return keys
  }
  // It was parsed just now: all that is enumerable in it is its own.
  for (const key in value) keys += 1 + countKeys(value[key] ?? null, depth + 1)
  return keys
}

function valueAt(value: JsonValue, path: readonly string[]): JsonValue | undefined {
  let at: JsonValue | undefined = value
  for (const key of path) {
    if (at === undefined || at === null || typeof at !== 'object' || isArray(at)) return undefined
    at = Object.hasOwn(at, key) ? at[key] : undefined
  }
  return at
}

class RefusedText extends Error {}

/** Reads a text character by character, and knows where it is: for what the fast way doesn't settle. */
class JsonReader {
  readonly #text: string
  readonly #textAt: readonly string[] | undefined
  readonly #path: (string | number)[] = []
  #at = 0

  constructor(text: string, textAt: readonly string[] | undefined) {
    this.#text = text
    this.#textAt = textAt
  }

  read(): ParsedJson {
    try {
      const value = this.#value()
      this.#skipBlanks()
      if (this.#at < this.#text.length) this.#notJson('something follows the value')
      return { value }
    } catch (error) {
      if (!(error instanceof RefusedText)) throw error
      return { reason: error.message, path: jsonPath(this.#path) }
    }
  }

  #value(): JsonValue {
    this.#skipBlanks()
    const next = this.#text[this.#at]
    if (next === '{') return this.#inside(() => this.#object())
    if (next === '[') return this.#inside(() => this.#array())
    if (next === '"') return this.#string('the string')
    for (const [word, value] of WORDS) {
      if (!this.#text.startsWith(word, this.#at)) continue
      this.#at += word.length
      return value
    }
    return this.#number()
  }

  #inside<T>(read: () => T): T {
    if (this.#path.length >= MAX_JSON_DEPTH) this.#refuse(`it is nested deeper than ${MAX_JSON_DEPTH} levels`)
    this.#at += 1
    return read()
  }

  #object(): JsonValue {
    const fields: [string, JsonValue][] = []
    const keys = new Set<string>()
    if (this.#skipped('}')) return {}
    do {
      this.#skipBlanks()
      if (this.#text[this.#at] !== '"') this.#notJson('expected a key in double quotes')
      const key = this.#string('the key')
      this.#path.push(key)
      if (keys.has(key)) this.#refuse('the key comes twice in the object')
      keys.add(key)
      if (!this.#skipped(':')) this.#notJson('expected a colon')
      fields.push([key, this.#value()])
      this.#path.pop()
    } while (this.#skipped(','))
    if (!this.#skipped('}')) this.#notJson('expected a comma or }')
    // Not by assignment: a key may be `__proto__`.
    return Object.fromEntries(fields)
  }

  #array(): JsonValue {
    const values: JsonValue[] = []
    if (this.#skipped(']')) return values
    do {
      this.#path.push(values.length)
      values.push(this.#value())
      this.#path.pop()
    } while (this.#skipped(','))
    if (!this.#skipped(']')) this.#notJson('expected a comma or ]')
    return values
  }

  #string(what: string): string {
    const end = endOfString(this.#text, this.#at) + 1
    if (end > this.#text.length) {
      this.#at = this.#text.length
      this.#notJson(`${what} is not closed`)
    }
    const value = this.#decoded(end)
    if (!value.isWellFormed()) this.#refuse(`${what} has ${LONE_SURROGATE}`)
    this.#at = end
    return value
  }

  #decoded(end: number): string {
    try {
      const value: unknown = JSON.parse(this.#text.slice(this.#at, end))
      return String(value)
    } catch {
      // What Node says of it repeats the string.
      return this.#notJson('a control character or an unknown escape is in the string')
    }
  }

  #number(): number | string {
    NUMBER.lastIndex = this.#at
    const [written] = NUMBER.exec(this.#text) ?? []
    if (written === undefined) return this.#notJson('expected a value')
    if (isOfNumber(this.#text.charCodeAt(this.#at + written.length)))
      this.#notJson('expected a number as JSON writes it')
    if (this.#isText()) {
      this.#at += written.length
      return written
    }
    if (!isExactNumber(written)) this.#refuse(ZERO.test(written) ? NEGATIVE_ZERO : INEXACT)
    this.#at += written.length
    return Number(written)
  }

  #isText(): boolean {
    const wanted = this.#textAt
    return wanted?.length === this.#path.length && wanted.every((key, index) => key === this.#path[index])
  }

  #skipped(char: string): boolean {
    this.#skipBlanks()
    if (this.#text[this.#at] !== char) return false
    this.#at += 1
    return true
  }

  #skipBlanks(): void {
    BLANKS.lastIndex = this.#at
    BLANKS.test(this.#text)
    this.#at = BLANKS.lastIndex
  }

  #notJson(what: string): never {
    if (this.#at >= this.#text.length) {
      this.#refuse(`not JSON: it ends in the middle, after ${this.#text.length} characters`)
    }
    this.#refuse(`not JSON: ${what} at character ${this.#at + 1}`)
  }

  #refuse(why: string): never {
    throw new RefusedText(why)
  }
}

const WORDS: readonly (readonly [string, JsonValue])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
]
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
/** Without a digit but 0 before its exponent: -1e-400 is another number, which a double can't hold. */
const ZERO = /^-?[0.]+(?:[eE]|$)/
const BLANKS = /[\t\n\r ]*/y
const INEXACT =
  'a 64-bit float cannot hold this number, so its digits would change; write it as a string, in double quotes'
const NEGATIVE_ZERO = '-0 would come back as 0: write 0, or the string "-0" if the sign matters'
