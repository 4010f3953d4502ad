import {
  isSluiceError,
  type ItemSummary,
  type ItemRecord,
  type JsonValue,
  type Page,
  type PageOptions,
  type Stage,
} from '@sluice/core'
import { ByteBudget, LEFT_OUT } from './byte-budget.js'
import type { QueueContext } from '../queue-context.js'
import { attemptIn, has, recordOf } from '../format/item-state.js'
import { decodeKey, encodeKey } from '../format/key-encoding.js'
import { repair } from './repair.js'
import { parseEntry, parseState } from '../format/object-texts.js'
import { findItem, findPlace, readPlace, type FoundItem } from '../protocol/find-item.js'
import { stagePage, type ListedAttempt } from '../stages/stage-walk.js'
import type { AttemptKey } from '../format/attempt-key.js'
import { read, type Protocol } from '../store/storage-op.js'

/** The summary according to the attempt's name; what it doesn't say comes from the attempt object. */
export function summaryOf(id: string, stage: Stage, { attemptKey, retryState }: NamedAttempt): ItemSummary {
  const { uid, uncounted, priority } = attemptKey
  const attempt = attemptIn(stage, attemptKey.attempt)
  return { id, uid, stage, attempt, uncounted, priority, ...has({ retryState }) }
}

interface NamedAttempt {
  readonly attemptKey: AttemptKey
  readonly retryState?: JsonValue | undefined
}

/** All data of an item [Q-LOOK-2]. */
export async function lookupItem(context: QueueContext, id: string): Promise<ItemRecord | undefined> {
  const found = await context.run(findItem(context.layout, encodeKey(id)))
  return found && itemRecord(found)
}

/** The current stage; `undefined` for an unknown id. It reads decisions only, no listing [Q-LOOK-1]. */
export async function lookupStage(context: QueueContext, id: string): Promise<Stage | undefined> {
  const place = await context.run(findPlace(context.layout, encodeKey(id)))
  return place === undefined || place.at === 'GONE' ? undefined : place.at
}

/** A page of whole records: at most two objects are read for each item. Large ones end it early. */
export async function listRecords(
  context: QueueContext,
  stage: Stage,
  page: PageOptions,
): Promise<Page<ItemRecord>> {
  if (page.cursor === undefined) await repair(context)
  const { attempts, cursor } = await stagePage(context, stage, page)
  const budget = new ByteBudget()
  const results = await context.runAll(
    attempts.map((listed) => budget.within(readPlace(context.layout, stage, listed))),
  )
  const items = results.flatMap((result, index) => {
    if ('value' in result)
      return result.value !== undefined && result.value !== LEFT_OUT ? [itemRecord(result.value)] : []
    // One damaged object must not prevent the others from being listed.
    if (!isSluiceError(result.error, 'SLUICE_QUEUE_CORRUPT')) throw result.error
    context.foreignObjects.report(context.layout.at(stage, attempts[index]?.name ?? ''), result.error.message)
    return []
  })
  const firstLeftOut = results.findIndex((result) => 'value' in result && result.value === LEFT_OUT)
  const next = firstLeftOut === -1 ? cursor : attempts[firstLeftOut - 1]?.name
  return next === undefined ? { items } : { items, cursor: next }
}

/**
 * The same walk, by names alone; ids too long for a name are read once, and so is the `retryState` of a
 * `release`.
 */
export async function listSummaries(
  context: QueueContext,
  stage: Stage,
  page: PageOptions,
): Promise<Page<ItemSummary>> {
  if (page.cursor === undefined && stage !== 'PROCESSING') await repair(context)
  const { attempts, cursor } = await stagePage(context, stage, { ...page, trust: true })
  await learnIds(context, attempts)
  await learnRetryStates(context, stage, attempts)
  const items = attempts.flatMap(({ name, attemptKey }) => {
    const id = decodeKey(attemptKey.key) ?? context.cache.idOf(attemptKey.key)
    const retryState = attemptKey.hasRetryState ? context.cache.retryStateOf(name)?.value : undefined
    return id === undefined ? [] : [summaryOf(id, stage, { attemptKey, retryState })]
  })
  return cursor === undefined ? { items } : { items, cursor }
}

function itemRecord({ place, entry, state }: FoundItem): ItemRecord {
  const stage = place.at === 'GONE' ? 'WAITING' : place.at
  return recordOf(summaryOf(entry.id, stage, place), entry, state)
}

async function learnIds(context: QueueContext, attempts: readonly ListedAttempt[]): Promise<void> {
  const unknown = attempts.filter(
    ({ attemptKey: { key } }) => decodeKey(key) === undefined && context.cache.idOf(key) === undefined,
  )
  const results = await context.runAll(unknown.map(({ attemptKey }) => readId(context, attemptKey)))
  for (const [index, result] of results.entries()) {
    if ('error' in result) throw result.error
    const key = unknown[index]?.attemptKey.key
    if (key !== undefined && result.value !== undefined) context.cache.rememberId(key, result.value)
  }
}

async function learnRetryStates(
  context: QueueContext,
  stage: Stage,
  attempts: readonly ListedAttempt[],
): Promise<void> {
  const { layout, cache } = context
  const unknown = attempts.filter(
    ({ name, attemptKey }) => attemptKey.hasRetryState && cache.retryStateOf(name) === undefined,
  )
  const results = await context.runAll(unknown.map(({ name }) => readRetryState(layout.at(stage, name))))
  for (const [index, result] of results.entries()) {
    if ('error' in result) throw result.error
    cache.rememberRetryState(unknown[index]?.name ?? '', result.value)
  }
}

/** `undefined` for one that has moved on, or is damaged. */
function* readRetryState(key: string): Protocol<JsonValue | undefined> {
  const object = yield* read(key)
  return object && parseState(object.content)?.state.retryState
}

function* readId({ layout }: QueueContext, attemptKey: AttemptKey): Protocol<string | undefined> {
  const object = yield* read(layout.index(attemptKey))
  return object && parseEntry(object.content)?.id
}
