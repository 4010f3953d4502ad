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
import type { Ground } from './ground.js'
import { attemptIn, has, recordOf } from './item-state.js'
import { decodeKey, encodeKey } from './key-encoding.js'
import { mend } from './mend.js'
import { parseEntry, parseState } from './object-texts.js'
import { findItem, findPlace, readPlace, type FoundItem } from './protocol/find-item.js'
import { stagePage, type ListedStint } from './stage-walk.js'
import type { Stint } from './stint-name.js'
import { read, type Protocol } from './storage-op.js'

/** The cheap view, out of a stint's name; what it doesn't say comes from the stint's object. */
export function summaryOf(id: string, stage: Stage, { stint, retryState }: NamedStint): ItemSummary {
  const { uid, uncounted, priority } = stint
  const attempt = attemptIn(stage, stint.attempt)
  return { id, uid, stage, attempt, uncounted, priority, ...has({ retryState }) }
}

interface NamedStint {
  readonly stint: Stint
  readonly retryState?: JsonValue | undefined
}

/** All that is known of an item [Q-LOOK-2]. */
export async function lookupItem(ground: Ground, id: string): Promise<ItemRecord | undefined> {
  const found = await ground.run(findItem(ground.layout, encodeKey(id)))
  return found && itemRecord(found)
}

/** The one current stage; `undefined` for an unknown id. It reads decisions only, no listing [Q-LOOK-1]. */
export async function lookupStage(ground: Ground, id: string): Promise<Stage | undefined> {
  const place = await ground.run(findPlace(ground.layout, encodeKey(id)))
  return place === undefined || place.at === 'GONE' ? undefined : place.at
}

/** A page of a stage, whole: two objects are read for each item at most. Large ones end it early. */
export async function listRecords(
  ground: Ground,
  stage: Stage,
  page: PageOptions,
): Promise<Page<ItemRecord>> {
  if (page.cursor === undefined) await mend(ground)
  const { stints, cursor } = await stagePage(ground, stage, page)
  const budget = new ByteBudget()
  const results = await ground.runAll(
    stints.map((listed) => budget.within(readPlace(ground.layout, stage, listed))),
  )
  const items = results.flatMap((result, index) => {
    if ('value' in result)
      return result.value !== undefined && result.value !== LEFT_OUT ? [itemRecord(result.value)] : []
    // One damaged object must not keep the others from being listed.
    if (!isSluiceError(result.error, 'SLUICE_QUEUE_CORRUPT')) throw result.error
    ground.strays.report(ground.layout.at(stage, stints[index]?.name ?? ''), result.error.message)
    return []
  })
  const firstLeftOut = results.findIndex((result) => 'value' in result && result.value === LEFT_OUT)
  const next = firstLeftOut === -1 ? cursor : stints[firstLeftOut - 1]?.name
  return next === undefined ? { items } : { items, cursor: next }
}

/** The same walk from the names alone; ids too long for a name are read once, and so is what a `release` left for the next claim. */
export async function listSummaries(
  ground: Ground,
  stage: Stage,
  page: PageOptions,
): Promise<Page<ItemSummary>> {
  if (page.cursor === undefined && stage !== 'PROCESSING') await mend(ground)
  const { stints, cursor } = await stagePage(ground, stage, { ...page, trust: true })
  await learnIds(ground, stints)
  await learnRetryStates(ground, stage, stints)
  const items = stints.flatMap(({ name, stint }) => {
    const id = decodeKey(stint.key) ?? ground.cache.idOf(stint.key)
    const retryState = stint.hasRetryState ? ground.cache.retryStateOf(name)?.value : undefined
    return id === undefined ? [] : [summaryOf(id, stage, { stint, retryState })]
  })
  return cursor === undefined ? { items } : { items, cursor }
}

function itemRecord({ place, entry, state }: FoundItem): ItemRecord {
  const stage = place.at === 'GONE' ? 'WAITING' : place.at
  return recordOf(summaryOf(entry.id, stage, place), entry, state)
}

async function learnIds(ground: Ground, stints: readonly ListedStint[]): Promise<void> {
  const unknown = stints.filter(
    ({ stint: { key } }) => decodeKey(key) === undefined && ground.cache.idOf(key) === undefined,
  )
  const results = await ground.runAll(unknown.map(({ stint }) => readId(ground, stint)))
  for (const [index, result] of results.entries()) {
    if ('error' in result) throw result.error
    const key = unknown[index]?.stint.key
    if (key !== undefined && result.value !== undefined) ground.cache.rememberId(key, result.value)
  }
}

async function learnRetryStates(ground: Ground, stage: Stage, stints: readonly ListedStint[]): Promise<void> {
  const { layout, cache } = ground
  const unknown = stints.filter(
    ({ name, stint }) => stint.hasRetryState && cache.retryStateOf(name) === undefined,
  )
  const results = await ground.runAll(unknown.map(({ name }) => readRetryState(layout.at(stage, name))))
  for (const [index, result] of results.entries()) {
    if ('error' in result) throw result.error
    cache.rememberRetryState(unknown[index]?.name ?? '', result.value)
  }
}

/** `undefined` of one that has moved on, or is damaged. */
function* readRetryState(key: string): Protocol<JsonValue | undefined> {
  const object = yield* read(key)
  return object && parseState(object.content)?.state.retryState
}

function* readId({ layout }: Ground, stint: Stint): Protocol<string | undefined> {
  const object = yield* read(layout.index(stint))
  return object && parseEntry(object.content)?.id
}
