import { isStage, type AttemptRecord, type JsonValue, type Resources } from '@sluice/core'
import { has, type IndexEntry, type ItemState } from './item-state.js'
import type { AttemptKey } from './attempt-key.js'
import type { Selection } from './selection.js'

/**
 * The JSON text of an index object. The body is given as text, so that it is not parsed and serialized again.
 */
export function entryText(entry: Omit<IndexEntry, 'body'>, bodyText: string): string {
  const { id, uid, first, priority, putAt, notBeforeAt, resources, limitKey } = entry
  const seldom = has({ notBeforeAt, resources, limitKey })
  const head = JSON.stringify({ sluice: 1, id, uid, first, priority, putAt, ...seldom })
  return `${head.slice(0, -1)},"body":${bodyText}}`
}

/** `undefined` for what is no index object: truncated, or foreign. */
export function parseEntry(text: string): IndexEntry | undefined {
  const fields = parseObject(text)
  if (fields === undefined) return undefined
  const { id, uid, first, priority, putAt, notBeforeAt } = fields
  if (typeof id !== 'string' || typeof uid !== 'string' || typeof first !== 'string') return undefined
  if (typeof priority !== 'number' || typeof putAt !== 'number' || !('body' in fields)) return undefined
  const { body = null } = fields
  const seldom = { notBeforeAt: numberOf(notBeforeAt), ...selectionIn(fields) }
  return { id, uid, first, priority, putAt, body, ...has(seldom) }
}

/** The JSON text of the object of a selection. */
export function selectionText({ resources, limitKey }: Selection): string {
  return JSON.stringify({ sluice: 1, ...has({ resources, limitKey }) })
}

/** `undefined` for what is none: truncated, or foreign. */
export function parseSelection(text: string): Selection | undefined {
  const fields = parseObject(text)
  return fields?.['sluice'] === 1 ? has(selectionIn(fields)) : undefined
}

function selectionIn({ resources, limitKey }: Readonly<Record<string, JsonValue | undefined>>) {
  return { resources: resourcesOf(resources), limitKey: textOf(limitKey) }
}

/** What is no amount is left out, as unknown fields are. */
function resourcesOf(value: JsonValue | undefined): Resources | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const amounts = Object.entries(value).filter(
    (pair): pair is [string, number] => typeof pair[1] === 'number',
  )
  return amounts.length === 0 ? undefined : Object.fromEntries(amounts)
}

/**
 * The JSON text of an attempt object. The latest details, which are also those of an attempt in the history,
 * are written once. Id and uid are there for readers; the name says the rest.
 */
export function stateText(id: string, { uid, attempt, priority }: AttemptKey, state: ItemState): string {
  const { history, ...rest } = state
  const at =
    state.details === undefined ? -1 : history.findLastIndex((entry) => entry.details === state.details)
  const detailsAttempt = history[at]?.attempt
  const kept = history.map((entry, index) => (index === at ? { ...entry, details: undefined } : entry))
  return JSON.stringify({ sluice: 1, id, uid, attempt, priority, ...rest, detailsAttempt, history: kept })
}

/** `undefined` for what is no attempt object: truncated, or foreign. */
export function parseState(text: string): { readonly id: string; readonly state: ItemState } | undefined {
  const fields = parseObject(text)
  if (fields === undefined) return undefined
  const { id, history } = fields
  if (typeof id !== 'string' || !Array.isArray(history)) return undefined
  const state = {
    ...has({
      body: fields['body'],
      retryState: fields['retryState'],
      notBeforeAt: numberOf(fields['notBeforeAt']),
      claimedAt: numberOf(fields['claimedAt']),
      finishedAt: numberOf(fields['finishedAt']),
      reason: textOf(fields['reason']),
      result: fields['result'],
      details: fields['details'],
      failureClass: textOf(fields['failureClass']),
      exitCode: numberOf(fields['exitCode']),
      jobUid: textOf(fields['jobUid']),
    }),
    history: history.filter(isAttempt).map((entry) => withDetails(entry, fields)),
  }
  return { id, state }
}

/** S3 accepts 2,048 bytes of metadata, names and values together. */
export const MAX_META_BYTES = 2_000

export function metaBytes(meta: Readonly<Record<string, string>>): number {
  return Object.entries(meta).reduce((sum, [name, value]) => sum + name.length + value.length, 0)
}

/** Text as ASCII for an object's metadata, cut to fit beside the rest of it. */
export function packText(text: string | undefined, maxChars = 200): string | undefined {
  if (text === undefined) return undefined
  // Not within a surrogate pair.
  const cut = text.slice(0, maxChars).replace(/[\uD800-\uDBFF]$/, '')
  return Buffer.from(cut.toWellFormed(), 'utf8').toString('base64url')
}

/** The reverse. */
export function unpackText(packed: string | undefined): string | undefined {
  return packed === undefined ? undefined : Buffer.from(packed, 'base64url').toString('utf8')
}

/** A JSON object with any content. */
export function parseObject(text: string): Readonly<Record<string, JsonValue | undefined>> | undefined {
  try {
    const value: Readonly<Record<string, JsonValue | undefined>> | null = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    // No JSON object; the caller decides what that means.
    return undefined
  }
}

function withDetails(
  entry: AttemptRecord,
  { details, detailsAttempt }: Readonly<Record<string, JsonValue | undefined>>,
): AttemptRecord {
  return details !== undefined && entry.attempt === detailsAttempt ? { ...entry, details } : entry
}

function isAttempt(value: unknown): value is AttemptRecord {
  if (typeof value !== 'object' || value === null) return false
  if (!('attempt' in value) || typeof value.attempt !== 'number') return false
  if (!('claimedAt' in value) || typeof value.claimedAt !== 'number') return false
  return !('outcome' in value) || isStage(value.outcome)
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}
