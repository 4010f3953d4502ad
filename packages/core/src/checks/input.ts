import {
  MAX_ID_BYTES,
  MAX_REASON_CHARS,
  type NewItem,
  type PutOptions,
  type Resources,
} from '../items/item.js'
import { copyJson } from '../json/json-copy.js'
import { encodeJson, utf8Bytes, type JsonValue } from '../json/json.js'
import type { PutManyOptions } from '../items/queue.js'
import { assertLimitKey, checkResources } from './selection.js'

/** A {@link NewItem} that was checked, its defaults filled in and its body as JSON text. */
export interface CheckedItem extends CheckedPut {
  readonly bodyText: string
}

/** A {@link NewItem} that was checked, its defaults filled in and its body copied. */
export interface CopiedItem extends CheckedPut {
  readonly body: JsonValue
}

interface CheckedPut {
  readonly id: string
  readonly priority: number
  readonly notBeforeAt: number | undefined
  readonly delayMs: number | undefined
  /** Frozen, in the order of its names. */
  readonly resources: Resources | undefined
  readonly limitKey: string | undefined
}

/** PostgreSQL's `integer`, and enough: a priority outside of it is a mistake. */
export const MAX_PRIORITY = 2_147_483_647
/** Eight hundred centuries hence: beyond it arithmetic on instants is no longer exact everywhere. */
const MAX_INSTANT = 8_640_000_000_000_000

/**
 * @throws TypeError for what is not a string, is empty, is over {@link MAX_ID_BYTES} bytes of UTF-8, holds
 * NUL, or holds a surrogate without its partner.
 */
export function assertItemId(id: unknown): asserts id is string {
  if (typeof id !== 'string')
    throw new TypeError(`id must be a string, not ${id === null ? 'null' : typeof id}`)
  if (id === '') throw new TypeError('id must not be empty')
  if (id.includes('\0')) throw new TypeError(`id must not contain the NUL character: ${shown(id)}`)
  if (!id.isWellFormed())
    throw new TypeError(`id must be well-formed Unicode, not a lone surrogate: ${shown(id)}`)
  // A UTF-16 unit is at most three bytes: only a long id needs counting.
  if (id.length * 3 > MAX_ID_BYTES && utf8Bytes(id) > MAX_ID_BYTES) {
    throw new TypeError(
      `id is ${utf8Bytes(id)} bytes of UTF-8; at most ${MAX_ID_BYTES} are allowed: ${shown(id)}`,
    )
  }
}

function shown(id: string): string {
  return JSON.stringify(id.length > 60 ? `${id.slice(0, 60)}…` : id)
}

/**
 * Checks one item whole, before anything of it is stored.
 *
 * @param maxBodyBytes the queue's `supports.maxBodyBytes`
 * @throws TypeError that names the field, and for a body the path in it
 */
export function checkNewItem(item: NewItem, maxBodyBytes: number): CheckedItem {
  if (item instanceof EncodedItem && item.maxBodyBytes <= maxBodyBytes) return item
  const { id, body, priority = 0, notBeforeAt, delayMs, limitKey } = item
  assertItemId(id)
  const bodyText = encodeJson(body, maxBodyBytes)
  assertPutOptions(item)
  const resources = item.resources === undefined ? undefined : checkResources(item.resources)
  return {
    id,
    bodyText,
    priority: priority === 0 ? 0 : priority,
    notBeforeAt,
    delayMs,
    resources,
    limitKey,
  }
}

/**
 * An item that {@link checkNewItem} has accepted, kept as its body's text: a long list of such items has a
 * third of the objects, and is not checked again. `body` is parsed at each reading, and a spread omits it.
 */
class EncodedItem implements CheckedItem {
  readonly id: string
  readonly bodyText: string
  readonly priority: number
  readonly notBeforeAt: number | undefined
  readonly delayMs: number | undefined
  readonly resources: Resources | undefined
  readonly limitKey: string | undefined
  /** The limit that the body was held to. */
  readonly maxBodyBytes: number

  constructor(item: CheckedItem, maxBodyBytes: number) {
    this.id = item.id
    this.bodyText = item.bodyText
    this.priority = item.priority
    this.notBeforeAt = item.notBeforeAt
    this.delayMs = item.delayMs
    this.resources = item.resources
    this.limitKey = item.limitKey
    this.maxBodyBytes = maxBodyBytes
  }

  get body(): JsonValue {
    const body: JsonValue = JSON.parse(this.bodyText)
    return body
  }
}

/**
 * The same item, checked, with its body as text. Only for a queue that takes such items: see
 * `takesEncodedItems`.
 *
 * @throws TypeError as {@link checkNewItem}
 */
export function encodeItem(item: NewItem, maxBodyBytes: number): NewItem {
  const encoded: unknown = new EncodedItem(checkNewItem(item, maxBodyBytes), maxBodyBytes)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it differs only by fields that are `undefined` instead of absent
  return encoded as NewItem
}

/**
 * {@link checkNewItem} for a queue that keeps bodies as values: the body is a copy, which no other code can
 * change.
 */
export function copyNewItem(item: NewItem, maxBodyBytes: number): CopiedItem {
  const { id, priority = 0, notBeforeAt, delayMs, limitKey } = item
  assertItemId(id)
  const body = copyJson(item.body, maxBodyBytes)
  assertPutOptions(item)
  const resources = item.resources === undefined ? undefined : checkResources(item.resources)
  return { id, body, priority: priority === 0 ? 0 : priority, notBeforeAt, delayMs, resources, limitKey }
}

/**
 * Checks a whole batch before anything of it is stored.
 *
 * @throws TypeError that names the index of the first bad item and its field
 */
export function checkNewItems(items: readonly NewItem[], maxBodyBytes: number): CheckedItem[] {
  return checkEach(items, maxBodyBytes, checkNewItem)
}

/** {@link checkNewItems} for a queue that keeps bodies as values. */
export function copyNewItems(items: readonly NewItem[], maxBodyBytes: number): CopiedItem[] {
  return checkEach(items, maxBodyBytes, copyNewItem)
}

/** @throws TypeError for what isn't an array, as plain JavaScript may pass it */
export function assertArray(value: unknown, what: string): void {
  if (Array.isArray(value)) return
  throw new TypeError(`${what} must be an array; got ${value === null ? 'null' : typeof value}`)
}

/** {@link checkNewItems} by any check of one item. */
export function checkEach<T>(
  items: readonly NewItem[],
  maxBodyBytes: number,
  check: (item: NewItem, maxBodyBytes: number) => T,
): T[] {
  assertArray(items, 'items')
  return items.map((item, index) => {
    try {
      return check(item, maxBodyBytes)
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error)
      throw new TypeError(`items[${index}]: ${cause}`, { cause: error })
    }
  })
}

/**
 * The options of `putMany`, and whether its items go with them.
 *
 * @throws TypeError for a stage that no item begins in, and for a delay of an item that is given out never
 */
export function checkPutMany(
  { compare = false, stage = 'WAITING' }: PutManyOptions,
  items: readonly Partial<Pick<CheckedPut, 'delayMs' | 'notBeforeAt'>>[],
): Required<Pick<PutManyOptions, 'compare' | 'stage'>> {
  if (stage === 'WAITING') return { compare, stage }
  if (stage !== 'SUCCESS')
    throw new TypeError(`stage must be WAITING or SUCCESS; got ${JSON.stringify(stage)}`)
  const delayed = items.findIndex(({ delayMs, notBeforeAt }) => (delayMs ?? notBeforeAt) !== undefined)
  if (delayed !== -1)
    throw new TypeError(`items[${delayed}]: an item that is put into SUCCESS takes no delayMs or notBeforeAt`)
  return { compare, stage }
}

/** Resources are checked by what copies them. @throws TypeError that names the field */
export function assertPutOptions({ priority = 0, notBeforeAt, delayMs, limitKey }: PutOptions): void {
  if (!Number.isInteger(priority) || Math.abs(priority) > MAX_PRIORITY) {
    throw new TypeError(`priority must be an integer within ±${MAX_PRIORITY}; got ${priority}`)
  }
  if (notBeforeAt !== undefined && delayMs !== undefined) {
    throw new TypeError('give notBeforeAt or delayMs, not both')
  }
  if (notBeforeAt !== undefined) assertSpan(notBeforeAt, 'notBeforeAt')
  if (delayMs !== undefined) assertSpan(delayMs, 'delayMs')
  if (limitKey !== undefined) assertLimitKey(limitKey)
}

/** @throws TypeError unless the value is a whole number of ms, zero or more. */
export function assertSpan(value: unknown, what: string): asserts value is number {
  if (!Number.isInteger(value) || Number(value) < 0 || Number(value) > MAX_INSTANT) {
    throw new TypeError(`${what} must be a whole number of milliseconds, 0 or more; got ${String(value)}`)
  }
}

/** @throws TypeError unless the value is a whole number, zero or more. */
export function assertCount(value: unknown, what: string): asserts value is number {
  if (!Number.isSafeInteger(value) || Number(value) < 0) {
    throw new TypeError(`${what} must be a whole number, 0 or more; got ${String(value)}`)
  }
}

/**
 * Of a reason that is cut, so much of its beginning stays; the rest of the room has its end, where a log has
 * the cause.
 */
const REASON_HEAD_CHARS = 500

/**
 * The reason as it is stored: of one longer than {@link MAX_REASON_CHARS} the beginning and the end, `…`
 * between them, never cut in the middle of a character.
 */
export function cutReason(reason: string | undefined): string | undefined {
  if (reason === undefined) return undefined
  if (typeof reason !== 'string') throw new TypeError(`reason must be a string, not ${typeof reason}`)
  if (reason.length <= MAX_REASON_CHARS) return wellFormed(reason)
  const head = reason.slice(0, REASON_HEAD_CHARS)
  const tail = reason.slice(reason.length - (MAX_REASON_CHARS - REASON_HEAD_CHARS - 1))
  return `${wellFormed(isHighSurrogate(head, head.length - 1) ? head.slice(0, -1) : head)}…${wellFormed(isLowSurrogate(tail, 0) ? tail.slice(1) : tail)}`
}

function wellFormed(text: string): string {
  return text.replaceAll('\0', '\u{FFFD}').toWellFormed()
}

function isHighSurrogate(text: string, index: number): boolean {
  const unit = text.charCodeAt(index)
  return unit >= 0xd8_00 && unit <= 0xdb_ff
}

function isLowSurrogate(text: string, index: number): boolean {
  const unit = text.charCodeAt(index)
  return unit >= 0xdc_00 && unit <= 0xdf_ff
}

/** JSON text of an optional result or details, or `undefined`; the same checks as for a body. */
export function encodeOptional(
  value: JsonValue | undefined,
  maxBytes: number,
  what: string,
): string | undefined {
  return value === undefined ? undefined : encodeJson(value, maxBytes, what)
}
