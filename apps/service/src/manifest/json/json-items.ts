import type { JsonValue, NewItem } from '@sluice/core'
import { parseJson } from '@sluice/core/backend'
import {
  judgeItem,
  type EntryPlace,
  type ManifestEntry,
  type Reading,
  isRefused,
  type RefusedEntry,
} from '../manifest-entry.js'

const NUMBERS = ['priority', 'notBeforeAt', 'delayMs'] as const
const ENVELOPE_KEYS: readonly string[] = ['id', 'body', ...NUMBERS, 'resources', 'limitKey']

/** A fault of a JSON text, before the queue's own rules. */
type Fault = Pick<RefusedEntry, 'reason' | 'field'>

/** `envelope`: `{ id, body, … }`; `body`: the object is the body, the id is one of its fields. */
type Kind = 'envelope' | 'body'

/** One JSON text, and its first line. */
export interface JsonText {
  readonly line: number
  readonly text: string
  /** The last of the file: it may be truncated. */
  readonly last: boolean
  /** The word for the text in messages. */
  readonly noun: 'line' | 'element'
}

type Fields = Readonly<Record<string, JsonValue>>

/**
 * Makes items of JSON texts. The flags, or else the first object, decide for all whether they are envelopes
 * or bodies: a decision per line would depend on chance fields.
 */
export class JsonItems {
  readonly #reading: Reading
  #kind: Kind | undefined
  /** The texts so far, with refused ones. */
  #rows = 0

  constructor(reading: Reading) {
    this.#reading = reading
    const { idField, bodyField } = reading.options
    if (idField !== undefined || bodyField !== undefined) this.#kind = 'body'
  }

  entry(text: JsonText): ManifestEntry {
    this.#rows += 1
    const { line } = text
    const item = this.#item(text)
    if ('reason' in item) return { line, ...item }
    const { maxBodyBytes } = this.#reading.options
    return judgeItem(item, { line, maxBodyBytes, parsedChars: text.text.length })
  }

  /** An element of a document: a refusal names it, since all may be on one line. */
  element(text: string, at: EntryPlace): ManifestEntry {
    const entry = this.entry({ line: at.line, text, last: false, noun: 'element' })
    if (!isRefused(entry)) return { ...entry, ...at }
    const { idField = 'id' } = this.#reading.options
    const isIdAtFault = entry.field === 'id' || entry.field === `$.${idField}`
    const id = isIdAtFault ? undefined : this.#knownId(text, idField)
    return { ...entry, ...at, ...(id === undefined ? {} : { id }) }
  }

  /** A row that can't be read at all. */
  refuse(at: EntryPlace, reason: string): ManifestEntry {
    this.#rows += 1
    return { ...at, reason }
  }

  /** The id of a refused text, where it is certain. */
  #knownId(text: string, idField: string): string | undefined {
    if (this.#reading.options.idFrom === 'row') return `${this.#reading.baseName}:${this.#rows}`
    const value = lossyFields(text)
    const id = value === undefined ? undefined : fieldAt(value, idField)
    if (typeof id === 'string' && id !== '' && id.isWellFormed()) return id
    if (typeof id !== 'number' || !Number.isSafeInteger(id) || /\d[.eE]/u.test(text)) return undefined
    return String(id)
  }

  #item(text: JsonText): NewItem | Fault {
    const parsed = this.#parse(text)
    if ('reason' in parsed) return parsed
    const { value } = parsed
    const { options, baseName } = this.#reading
    if (!isFields(value)) {
      if (options.idFrom === 'row' && options.bodyField === undefined && this.#kind !== 'envelope')
        return { id: `${baseName}:${this.#rows}`, body: value }
      return { reason: `the ${text.noun} is ${kindOf(value)}; expected one JSON object` }
    }
    const decided = this.#decide(value, text.noun)
    if (typeof decided !== 'string') return decided
    return decided === 'envelope' ? this.#envelope(value, text) : this.#body(value, text)
  }

  #parse({ text, last }: JsonText): { value: JsonValue } | Fault {
    const parsed = parseJson(text)
    if ('value' in parsed) return parsed
    const asText = this.#withIdAsText(text)
    if (asText !== undefined) return { value: asText }
    const { reason, path } = parsed
    const cut = last && reason.includes('ends in the middle')
    const hint = cut ? '; the file ends within this line, it may be truncated' : ''
    return { reason: `${reason}${hint}`, ...(path === '$' ? {} : { field: path }) }
  }

  /** A number that no double represents is refused in a body, and valid as an id. */
  #withIdAsText(text: string): JsonValue | undefined {
    const { idField = 'id', bodyField } = this.#reading.options
    if (this.#reading.options.idField !== undefined && bodyField === undefined) return undefined
    for (const textAt of [[idField], idField.split('.')]) {
      const parsed = parseJson(text, { textAt })
      if (!('value' in parsed) || !isFields(parsed.value)) continue
      const { value } = parsed
      if (bodyField === undefined) return Object.hasOwn(value, 'body') ? value : undefined
      // In a body it would become text.
      const isInBody = keysTo(value, bodyField).every((key, index) => key === textAt[index])
      return isInBody ? undefined : value
    }
    return undefined
  }

  #decide(value: Fields, noun: JsonText['noun']): Kind | Fault {
    const { idField, bodyField, idFrom } = this.#reading.options
    if (idField !== undefined || bodyField !== undefined) return 'body'
    // Envelopes may have row numbers as ids; a field `body` beside an id makes the intention unclear.
    const kind = Object.hasOwn(value, 'body') ? 'envelope' : 'body'
    this.#kind ??= kind
    if (kind === this.#kind) return kind
    if (kind === 'body' && Object.hasOwn(value, 'id')) return lacksBody(noun)
    if (kind === 'body') return idFrom === undefined ? missing('id', noun) : lacksBody(noun)
    const reason = `the ${noun} has a body, and the first ${noun} has none: the formats differ; use --id-field id if the whole object is the body`
    return { reason, field: 'body' }
  }

  #envelope(value: Fields, text: JsonText): NewItem | Fault {
    const { idFrom } = this.#reading.options
    if (idFrom === undefined && !Object.hasOwn(value, 'id')) return missing('id', text.noun)
    if (idFrom !== undefined && Object.hasOwn(value, 'id')) {
      return {
        field: 'id',
        reason: `the ${text.noun} has its own id, and --id-from row creates another; remove the flag, or name the body with --body-field`,
      }
    }
    const unknown = Object.keys(value).find((key) => !ENVELOPE_KEYS.includes(key))
    if (unknown !== undefined) return unknownKey(unknown)
    const id = this.#id(value, text, 'id')
    if (typeof id !== 'string') return id
    const wrong = NUMBERS.find((key) => !isNumberOrAbsent(value[key]))
    if (wrong !== undefined) return notNumber(wrong, value[wrong] ?? null)
    const body = value['body'] ?? null
    if (Object.keys(value).length === 2) return { id, body }
    const chosen = chosenOf(value)
    return 'reason' in chosen ? chosen : { id, body, ...numbersOf(value), ...chosen }
  }

  #body(value: Fields, text: JsonText): NewItem | Fault {
    const { bodyField, idField = 'id', priorityField } = this.#reading.options
    const id = this.#id(value, text, idField)
    if (typeof id !== 'string') return id
    const body = bodyField === undefined ? value : fieldAt(value, bodyField)
    if (body === undefined) return { field: bodyField ?? 'body', reason: 'the field is missing' }
    if (priorityField === undefined) return { id, body }
    const priority = fieldAt(value, priorityField)
    if (priority === undefined || priority === null) return { id, body }
    return typeof priority === 'number' ? { id, body, priority } : notNumber(priorityField, priority)
  }

  #id(value: Fields, text: JsonText, field: string): string | Fault {
    const { idFrom } = this.#reading.options
    if (idFrom === 'row') return `${this.#reading.baseName}:${this.#rows}`
    const id = fieldAt(value, field)
    if (typeof id === 'string') return id
    if (typeof id === 'number') return writtenNumber(id, text.text, keysTo(value, field))
    if (id === undefined) {
      const isNamed = this.#reading.options.idField !== undefined
      return isNamed
        ? { field, reason: `the field is missing; every ${text.noun} needs an id` }
        : missing(field, text.noun)
    }
    return { field, reason: `must be a string or a number, not ${kindOf(id)}` }
  }
}

/** The fields by JSON.parse, also for a text that `parseJson` refuses. */
function lossyFields(text: string): Fields | undefined {
  try {
    const value: JsonValue = JSON.parse(text)
    return isFields(value) ? value : undefined
  } catch {
    // Not JSON: the reason says so.
    return undefined
  }
}

function missing(field: string, noun: string): Fault {
  return {
    field,
    reason: `the field is missing; name the id field with --id-field, or use --id-from row to number the ${noun}s`,
  }
}

function lacksBody(noun: string): Fault {
  return {
    field: 'body',
    reason: `the field is missing, and the first ${noun} has it: the formats differ; use --id-field id if the whole object is the body`,
  }
}

function unknownKey(field: string): Fault {
  return {
    field,
    reason: `unknown field beside id and body; allowed are ${ENVELOPE_KEYS.join(', ')}; with --id-field the whole object is the body, with --body-field one of its fields`,
  }
}

/** The key itself where it exists, else the keys between its dots. */
function keysTo(value: Fields, field: string): readonly string[] {
  return Object.hasOwn(value, field) ? [field] : field.split('.')
}

function fieldAt(value: Fields, field: string): JsonValue | undefined {
  let at: JsonValue = value
  for (const key of keysTo(value, field)) {
    if (!isFields(at) || !Object.hasOwn(at, key)) return undefined
    at = at[key] ?? null
  }
  return at
}

/** The number as written: `1.50` is another id than `1.5`. */
function writtenNumber(number: number, text: string, textAt: readonly string[]): string | Fault {
  // Without a fraction or an exponent in the text it has one notation.
  if (!/\d[.eE]/u.test(text)) return String(number)
  const parsed = parseJson(text, { textAt })
  if ('reason' in parsed) return { reason: parsed.reason }
  let at = parsed.value
  for (const key of textAt) at = isFields(at) ? (at[key] ?? null) : null
  return typeof at === 'string' ? at : String(number)
}

function isNumberOrAbsent(value: JsonValue | undefined): boolean {
  return value === undefined || value === null || typeof value === 'number'
}

function numbersOf(value: Fields): Partial<Record<(typeof NUMBERS)[number], number>> {
  return Object.fromEntries(
    NUMBERS.flatMap((key) => (typeof value[key] === 'number' ? [[key, value[key]]] : [])),
  )
}

/** Their names and sizes are checked with the item. */
function chosenOf({ resources, limitKey }: Fields): Pick<NewItem, 'resources' | 'limitKey'> | Fault {
  if (limitKey !== undefined && limitKey !== null && typeof limitKey !== 'string')
    return { field: 'limitKey', reason: `must be a string, not ${kindOf(limitKey)}` }
  const key = typeof limitKey === 'string' ? { limitKey } : {}
  if (resources === undefined || resources === null) return key
  if (!isFields(resources))
    return { field: 'resources', reason: `must be an object, not ${kindOf(resources)}` }
  const amounts: Record<string, number> = {}
  for (const [name, amount] of Object.entries(resources)) {
    if (typeof amount !== 'number') return notNumber(`resources.${name}`, amount)
    amounts[name] = amount
  }
  return { ...key, resources: amounts }
}

function notNumber(field: string, value: JsonValue): Fault {
  return { field, reason: `must be a number, not ${kindOf(value)}` }
}

function isFields(value: JsonValue): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function kindOf(value: JsonValue): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
