import type { JsonValue, NewItem } from '@sluice/core'
import { readLines } from './line-reader.js'
import { judgeItem, MAX_LINE_BYTES, type ManifestEntry, type ManifestOptions } from './manifest-entry.js'

const ITEM_FIELDS = new Set(['id', 'body', 'priority', 'notBeforeAt', 'delayMs'])

/** What a line says is wrong, before the queue's own rules are asked. */
class LineError extends Error {
  readonly field: string | undefined

  constructor(message: string, field?: string) {
    super(message)
    this.field = field
  }
}

/**
 * Reads JSON lines: `{"id", "body", "priority"?, "notBeforeAt"?, "delayMs"?}`, or with `idField` any object, which is then the
 * body. Blank lines don't count.
 */
export function readJsonLines(
  source: AsyncIterable<Buffer>,
  options: ManifestOptions,
): AsyncGenerator<ManifestEntry> {
  return readLines(source, options.maxLineBytes ?? MAX_LINE_BYTES, (read) => {
    if ('reason' in read) return read
    return read.text.trim() === '' ? undefined : parseLine(read, options)
  })
}

function parseLine(
  read: { line: number; text: string; last: boolean },
  options: ManifestOptions,
): ManifestEntry {
  try {
    const value = parseObject(read.text, read.last)
    const item = options.idField === undefined ? plainItem(value) : wholeItem(value, options.idField, options)
    return judgeItem(item, { line: read.line, maxBodyBytes: options.maxBodyBytes })
  } catch (error) {
    if (!(error instanceof LineError)) throw error
    const { field, message } = error
    return field === undefined
      ? { line: read.line, reason: message }
      : { line: read.line, field, reason: message }
  }
}

function parseObject(text: string, last: boolean): Record<string, JsonValue> {
  const value = parseJson(text, last)
  if (isObject(value)) return value
  const kind = Array.isArray(value) ? 'an array' : value === null ? 'null' : `a ${typeof value}`
  throw new LineError(`the line is ${kind}; expected one JSON object a line`)
}

function isObject(value: JsonValue): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseJson(text: string, last: boolean): JsonValue {
  try {
    const value: JsonValue = JSON.parse(text)
    return value
  } catch (error) {
    // The engine's message repeats a piece of the line after a comma or in brackets: a body is not for messages.
    const why = error instanceof Error ? error.message.replace(/, (?:\.\.\.)?".*$|\s*\(line.*$/su, '') : ''
    const hint =
      last && /end of JSON|Unterminated|after/u.test(why)
        ? '; the file ends in the middle of this line, it may be cut off'
        : text.trim() === '[' || text.trim() === '{'
          ? '; expected one JSON object a line, not one that spans lines'
          : ''
    throw new LineError(`not JSON: ${why}${hint}`)
  }
}

/** `{ id, body, … }`; a field of another name is more likely a slip than meant. */
function plainItem(value: Record<string, JsonValue>): NewItem {
  const unknown = Object.keys(value).find((key) => !ITEM_FIELDS.has(key))
  if (!('id' in value)) {
    throw new LineError('the field is missing; name the field of the ids with --id-field', 'id')
  }
  if (!('body' in value)) {
    throw new LineError('the field is missing; with --id-field id the whole object is the body', 'body')
  }
  if (unknown !== undefined) {
    const allowed = [...ITEM_FIELDS].join(', ')
    throw new LineError(
      `unknown field; allowed are ${allowed}; with --id-field the whole object is the body`,
      unknown,
    )
  }
  return {
    id: stringField(value, 'id'),
    body: value['body'] ?? null,
    ...optionalNumber(value, 'priority'),
    ...optionalNumber(value, 'notBeforeAt'),
    ...optionalNumber(value, 'delayMs'),
  }
}

/** Any object: one field is the id, the whole is the body. */
function wholeItem(
  value: Record<string, JsonValue>,
  idField: string,
  options: { priorityField?: string },
): NewItem {
  if (!Object.hasOwn(value, idField)) throw new LineError('the field is missing', idField)
  const id = value[idField]
  const { priorityField } = options
  const priority = priorityField === undefined ? {} : optionalNumber(value, priorityField)
  const number = Object.values(priority)[0]
  return {
    // Numbered things are common, and only an exact number makes the same id each time it is read.
    id: typeof id === 'number' && Number.isSafeInteger(id) ? String(id) : stringField(value, idField),
    body: value,
    ...(number === undefined ? {} : { priority: number }),
  }
}

function stringField(value: Record<string, JsonValue>, field: string): string {
  const found = value[field]
  if (typeof found === 'string') return found
  throw new LineError(`must be a string, not ${found === null ? 'null' : typeof found}`, field)
}

function optionalNumber(value: Record<string, JsonValue>, field: string): Record<string, number> {
  const found = value[field]
  if (found === undefined || found === null) return {}
  if (typeof found === 'number') return { [field]: found }
  throw new LineError(`must be a number, not ${typeof found}`, field)
}
