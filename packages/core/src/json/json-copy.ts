import {
  MAX_JSON_DEPTH,
  assertJson,
  assertJsonBytes,
  isArray,
  isPlainObject,
  type JsonValue,
} from './json.js'

/**
 * A copy of a body that shares no object with it, checked as `encodeJson` checks: for a queue that keeps
 * bodies as values. One walk checks and copies, for less than making text of a body and reading it back.
 *
 * @throws TypeError when the value isn't JSON, or its JSON is larger than `maxBytes` bytes of UTF-8
 */
export function copyJson(value: unknown, maxBytes: number, what = 'body'): JsonValue {
  const walk: Walk = { open: [], bytes: 0 }
  const copy = checkedCopy(value, walk)
  if (copy === undefined) {
    assertJson(value, what)
    throw new TypeError(`${what} must be JSON that is the same whenever it is read`)
  }
  if (walk.bytes > maxBytes) assertJsonBytes(JSON.stringify(copy), maxBytes, what)
  return copy
}

/** A copy of what `copyJson` made, which need not be checked again. */
export function cloneJson(value: JsonValue): JsonValue {
  if (value === null || typeof value !== 'object') return value
  if (isArray(value)) return value.map(cloneJson)
  const copy: Record<string, JsonValue> = {}
  for (const key of Object.keys(value)) set(copy, key, cloneJson(value[key] ?? null))
  return copy
}

interface Walk {
  /** The objects that lead here. */
  readonly open: object[]
  /** What the text takes at most: it is only made for a body that may be too large. */
  bytes: number
}

/** `undefined` for what isn't JSON: the caller finds out where and why. */
function checkedCopy(value: unknown, walk: Walk): JsonValue | undefined {
  walk.bytes += 26
  if (value === null || typeof value === 'boolean') return value
  if (typeof value === 'string') {
    // An escaped UTF-16 unit takes six bytes.
    walk.bytes += value.length * 6
    return value.isWellFormed() ? value : undefined
  }
  // As text would: no -0.
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : undefined
  if (typeof value !== 'object' || walk.open.length >= MAX_JSON_DEPTH || walk.open.includes(value))
    return undefined
  walk.open.push(value)
  const copy = Array.isArray(value) ? copyArray(value, walk) : copyObject(value, walk)
  walk.open.pop()
  return copy
}

function copyArray(value: readonly unknown[], walk: Walk): JsonValue[] | undefined {
  const copy: JsonValue[] = []
  for (let index = 0; index < value.length; index++) {
    const item = checkedCopy(value[index], walk)
    if (item === undefined) return undefined
    copy.push(item)
  }
  return copy
}

function copyObject(value: object, walk: Walk): JsonValue | undefined {
  if (!isPlainObject(value)) return undefined
  const copy: Record<string, JsonValue> = {}
  for (const key of Object.keys(value)) {
    const field = key.isWellFormed() ? checkedCopy(value[key], walk) : undefined
    if (field === undefined) return undefined
    walk.bytes += key.length * 6
    set(copy, key, field)
  }
  return copy
}

/** An assignment to `__proto__` would change what the copy is, and JSON may have a field of that name. */
function set(copy: Record<string, JsonValue>, key: string, value: JsonValue): void {
  if (key !== '__proto__') copy[key] = value
  else Object.defineProperty(copy, key, { value, enumerable: true, configurable: true, writable: true })
}
