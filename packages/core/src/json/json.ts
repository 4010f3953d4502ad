import { jsonPath } from './json-path.js'

/** Any value that JSON can carry without loss. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

/** Nesting allowed in a body: far above any honest use, far below what breaks a recursive parser. */
export const MAX_JSON_DEPTH = 1_000

/**
 * Checks that a value is JSON and would come back deep-equal; `-0`, which comes back as `0`, is let through.
 *
 * @param value anything
 * @param what the word for it in the message, such as `body`
 * @throws TypeError that names the path of the first offender: `undefined`, a function, a symbol, a BigInt,
 * `NaN`, an infinity, a surrogate without its partner in a string or a key, a hole in an array, a cycle, an
 * instance of a class, or nesting deeper than {@link MAX_JSON_DEPTH}.
 */
export function assertJson(value: unknown, what = 'body'): asserts value is JsonValue {
  if (!isJson(value, [])) visit(value, { path: [], open: [], what })
}

/**
 * Nearly every body is JSON. Tracking the path to the offender is expensive, so it is done only for one that
 * isn't.
 */
function isJson(value: unknown, open: object[]): boolean {
  if (value === null || typeof value === 'boolean') return true
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || open.length >= MAX_JSON_DEPTH || open.includes(value)) return false
  open.push(value)
  const all = Array.isArray(value) ? isJsonArray(value, open) : isJsonObject(value, open)
  open.pop()
  return all
}

function isJsonArray(value: readonly unknown[], open: object[]): boolean {
  // By index, not by iteration of entries: a hole must be met as `undefined`, and it is.
  for (let index = 0; index < value.length; index++) if (!isJson(value[index], open)) return false
  return true
}

function isJsonObject(value: object, open: object[]): boolean {
  if (!isPlainObject(value)) return false
  for (const key of Object.keys(value)) if (!key.isWellFormed() || !isJson(value[key], open)) return false
  return true
}

/**
 * Whether an object is not an instance of a class and has no symbols for keys: what `JSON.stringify` gives
 * back as it was.
 */
export function isPlainObject(value: object): value is Readonly<Record<string, unknown>> {
  return hasPlainPrototype(value) && Object.getOwnPropertySymbols(value).length === 0
}

function hasPlainPrototype(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  // A plain object of another realm has a prototype that has none itself.
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null
}

/**
 * Stores replace it by U+FFFD, or refuse it: it is no text. Python writes a byte of a file name that is not
 * UTF-8 so.
 */
export const LONE_SURROGATE =
  'a surrogate without its partner (half of a character, such as \\udce9), which no UTF-8 text can hold; Python writes file names so that are not UTF-8: rename the file, or write the bytes in another way, such as base64'

interface Visit {
  readonly path: (string | number)[]
  /** The objects that lead here: few, so that looking through them is cheaper than a set. */
  readonly open: object[]
  readonly what: string
}

function visit(value: unknown, at: Visit): void {
  if (value === null || typeof value === 'boolean') return
  if (typeof value === 'string') {
    if (!value.isWellFormed()) refuse(at, `the string has ${LONE_SURROGATE}`)
    return
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) refuse(at, `${value} is not a JSON number`)
    return
  }
  if (typeof value !== 'object') refuse(at, `${typeof value} is not JSON`)
  if (at.open.includes(value)) refuse(at, 'it contains itself')
  if (at.path.length >= MAX_JSON_DEPTH) refuse(at, `it is nested deeper than ${MAX_JSON_DEPTH} levels`)
  at.open.push(value)
  if (Array.isArray(value)) visitArray(value, at)
  else visitObject(value, at)
  at.open.pop()
}

function visitArray(value: readonly unknown[], at: Visit): void {
  for (let index = 0; index < value.length; index++) {
    at.path.push(index)
    visit(value[index], at)
    at.path.pop()
  }
}

function visitObject(value: object, at: Visit): void {
  if (!hasPlainPrototype(value)) {
    refuse(at, `an instance of ${value.constructor?.name || 'a class'} is not plain JSON`)
  }
  if (!isPlainObject(value)) refuse(at, 'a symbol key is not JSON')
  for (const key of Object.keys(value)) {
    at.path.push(key)
    if (!key.isWellFormed()) refuse(at, `the key has ${LONE_SURROGATE}`)
    visit(value[key], at)
    at.path.pop()
  }
}

function refuse(at: Visit, why: string): never {
  throw new TypeError(`${at.what} must be JSON: at ${jsonPath(at.path)}, ${why}`)
}

/**
 * The JSON text of a body, checked by {@link assertJson} and held to a limit in bytes of UTF-8.
 *
 * @throws TypeError when the value isn't JSON or is larger than `maxBytes`
 */
export function encodeJson(value: unknown, maxBytes: number, what = 'body'): string {
  assertJson(value, what)
  const text = JSON.stringify(value)
  assertJsonBytes(text, maxBytes, what)
  return text
}

/** @throws TypeError when a JSON text is larger than `maxBytes` bytes of UTF-8 */
export function assertJsonBytes(text: string, maxBytes: number, what: string): void {
  // A UTF-16 unit is at most three bytes: only a text near the limit needs counting.
  if (text.length * 3 > maxBytes && utf8Bytes(text) > maxBytes) {
    throw new TypeError(
      `${what} is ${utf8Bytes(text)} bytes of JSON; this queue takes at most ${maxBytes}: ` +
        `store the data elsewhere and put its address into the ${what}`,
    )
  }
}

/** Bytes of a string in UTF-8; a surrogate without its partner counts three, as its replacement would. */
export function utf8Bytes(text: string): number {
  let bytes = 0
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit < 0x80) bytes += 1
    else if (unit < 0x800) bytes += 2
    else if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text.charCodeAt(index + 1))) {
      bytes += 4
      index += 1
    } else bytes += 3
  }
  return bytes
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000
}

/** Whether two values are the same JSON: keys in any order, numbers by value. */
export function isSameJson(one: JsonValue, other: JsonValue): boolean {
  if (one === other) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false
  if (isArray(one)) {
    return (
      isArray(other) &&
      one.length === other.length &&
      one.every((value, index) => isSameJson(value, other[index] ?? null))
    )
  }
  if (isArray(other)) return false
  const keys = Object.keys(one)
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && isSameJson(one[key] ?? null, other[key] ?? null))
  )
}

/** `Array.isArray` does not tell a readonly array from an object. */
export function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}
