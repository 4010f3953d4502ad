import { jsonPath } from './json-path.js'
import { isArray, type JsonValue } from './json.js'

/**
 * A step into a body: `.name`, `[0]`, `["any key"]` or `['any key']`, the keys in quotes with the escapes of
 * JSON, and `\'`.
 */
const STEP = /\.([^.[\]{}'"]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|\['((?:[^'\\]|\\.)*)'\]/suy

/**
 * Reads the steps of a path into a body from a position on, as far as there are any: such as `.file.path`,
 * `.list[0]`, `["file.path"]`. An element of a list may be written `.0` too.
 *
 * @returns the keys, and where the text goes on behind them
 * @throws TypeError for a key in quotes with an escape that JSON has not
 */
export function readBodyPath(
  text: string,
  from = 0,
): { readonly keys: readonly string[]; readonly end: number } {
  const keys: string[] = []
  let end = from
  for (;;) {
    STEP.lastIndex = end
    const step = STEP.exec(text)
    if (step === null) return { keys, end }
    const [whole, name, index, double, single] = step
    keys.push(name ?? index ?? unquoted(double ?? (single ?? '').replaceAll(/\\(.)|"/gsu, escapeOf)))
    end += whole.length
  }
}

/** Of a key in single quotes, as it stands in double ones. */
function escapeOf(whole: string, escaped: string | undefined): string {
  if (escaped === "'") return "'"
  return whole === '"' ? '\\"' : whole
}

function unquoted(key: string): string {
  // JSON wants control characters escaped, and a key may be pasted as it is.
  // oxlint-disable-next-line no-control-regex -- they are what it is about
  const text = key.replaceAll(/[\u0000-\u001F]/gu, (control) => JSON.stringify(control).slice(1, -1))
  try {
    return String(JSON.parse(`"${text}"`))
  } catch {
    // JSON.parse gives a position in its own text, which is not in the user's input.
    throw new TypeError(`the key "${key}" has a backslash that escapes nothing: write \\\\ for one`)
  }
}

/**
 * The value at the end of a path, by own fields and elements (and the `length` of a list) alone; `undefined`
 * when there is none.
 */
export function bodyValueAt(body: JsonValue, keys: readonly string[]): JsonValue | undefined {
  return keys.reduce<JsonValue | undefined>(child, body)
}

/**
 * Why there is no value at the end of a path, such as `$.file has no field "path"` or `$.file.path is null`.
 * It names keys of the path, and repeats no value of the body.
 *
 * @param keys of a path at which {@link bodyValueAt} finds nothing, or null
 */
export function missingInBody(body: JsonValue, keys: readonly string[]): string {
  if (bodyValueAt(body, keys) === null) return `${placeText(keys)} is null`
  const at = keys.findIndex((_, index) => bodyValueAt(body, keys.slice(0, index + 1)) === undefined)
  const parent = bodyValueAt(body, keys.slice(0, at)) ?? null
  const where = placeText(keys.slice(0, at))
  const key = JSON.stringify(keys[at])
  if (isArray(parent)) return `${where} is a list of ${parent.length}, and has no element ${key}`
  if (typeof parent !== 'object' || parent === null)
    return `${where} is ${parent === null ? 'null' : `a ${typeof parent}`}, and has no field ${key}`
  return `${where} has no field ${key}${otherReading(parent, keys.slice(at))}`
}

function placeText(keys: readonly string[]): string {
  if (keys.length === 0) return 'the body'
  return jsonPath(keys.map((key) => (/^\d{1,9}$/u.test(key) ? Number(key) : key)))
}

/** A column named `file.path` is one field, and `.file.path` are two. */
function otherReading(parent: Readonly<Record<string, JsonValue>>, keys: readonly string[]): string {
  const dotted = keys.map((_, index) => keys.slice(0, index + 1).join('.')).slice(1)
  const found = dotted.find((name) => Object.hasOwn(parent, name)) ?? similar(parent, keys[0] ?? '')
  return found === undefined
    ? ''
    : `; it has ${JSON.stringify(found)}, which is written [${JSON.stringify(found)}]`
}

/** Headers of tables have blanks around them, and letters of either case. */
function similar(parent: Readonly<Record<string, JsonValue>>, key: string): string | undefined {
  return Object.keys(parent).find((name) => plainName(name) === plainName(key))
}

function plainName(name: string): string {
  return name.replaceAll(/[\s_\uFEFF-]/gu, '').toLowerCase()
}

function child(value: JsonValue | undefined, key: string): JsonValue | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
  return Object.getOwnPropertyDescriptor(value, key)?.value
}
