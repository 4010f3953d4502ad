import type { JsonValue } from '../json/json.js'
import type { Secrets } from './secrets.js'

/** How deep fields of an error are followed. */
const MAX_DEPTH = 8

/** A JSON value with the secrets left out of its strings and keys; the value itself where it has none. */
export function redactJson(value: JsonValue, secrets: Secrets): JsonValue {
  if (typeof value === 'string') return secrets.redact(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const items = value.map((each: JsonValue) => redactJson(each, secrets))
    return items.every((each, index) => each === value[index]) ? value : items
  }
  const entries = Object.entries(value)
  let isSame = true
  for (const entry of entries) {
    const [key, each] = entry
    entry[0] = secrets.redact(key)
    if (each !== undefined) entry[1] = redactJson(each, secrets)
    isSame &&= entry[0] === key && entry[1] === each
  }
  return isSame ? value : Object.fromEntries(entries)
}

/**
 * Leaves secrets out of an error in place, so that it stays the same object: out of its message, stack and
 * other fields, its causes, and the errors of an `AggregateError`.
 *
 * @returns the error; what is no object is redacted if it is a string
 */
export function redactError(error: unknown, secrets: Secrets): unknown {
  if (typeof error === 'string') return secrets.redact(error)
  redactFields(error, { secrets, seen: new Set(), depth: 0 })
  return error
}

interface Walk {
  readonly secrets: Secrets
  readonly seen: Set<unknown>
  readonly depth: number
}

function redactFields(value: unknown, walk: Walk): void {
  const { secrets, seen, depth } = walk
  if (typeof value !== 'object' || value === null || seen.has(value) || depth > MAX_DEPTH) return
  seen.add(value)
  for (const key of fieldsOf(value)) {
    const field = valueOf(value, key)
    if (typeof field === 'string') replaceField(value, key, secrets.redact(field), field)
    else if (isFollowed(field)) redactFields(field, { ...walk, depth: depth + 1 })
  }
}

/** `message`, `stack`, `cause` and `errors` are not enumerable. */
function fieldsOf(value: object): readonly string[] {
  return value instanceof Error
    ? [...new Set([...Object.keys(value), 'name', 'message', 'stack', 'cause', 'errors'])]
    : Object.keys(value)
}

/** Errors, plain objects and lists; a socket or a client that an error refers to is not text. */
function isFollowed(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (value instanceof Error || Array.isArray(value)) return true
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

/** A field of a foreign error may be an accessor that throws. */
function valueOf(value: object, key: string): unknown {
  try {
    return Reflect.get(value, key)
  } catch {
    // What can't be read is not shown.
    return undefined
  }
}

function replaceField(target: object, key: string, text: string, was: string): void {
  if (text === was) return
  const enumerable = Object.getOwnPropertyDescriptor(target, key)?.enumerable ?? false
  // A frozen error can't be changed; the text that is shown of it is redacted once more where it leaves the
  // program.
  Reflect.defineProperty(target, key, { value: text, enumerable, configurable: true, writable: true })
}
