import {
  isSluiceError,
  type ItemSummary,
  type ItemRecord,
  type Page,
  type PageOptions,
  type Stage,
} from '@sluice/core'
import { ByteBudget, LEFT_OUT } from './byte-budget.js'
import type { QueueContext } from '../queue-context.js'
import { recordOf } from '../format/item-state.js'
import { encodeKey } from '../format/key-encoding.js'
import { summariesOf, summaryOf } from './item-summaries.js'
import { repair } from './repair.js'
import { findItem, findPlace, readPlace, type FoundItem } from '../protocol/find-item.js'
import { stagePage } from '../stages/stage-walk.js'

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
 * The same walk, by names alone, with what `summariesOf` reads.
 */
export async function listSummaries(
  context: QueueContext,
  stage: Stage,
  page: PageOptions,
): Promise<Page<ItemSummary>> {
  if (page.cursor === undefined && stage !== 'PROCESSING') await repair(context)
  const { attempts, cursor } = await stagePage(context, stage, { ...page, trust: true })
  const items = await summariesOf(context, stage, attempts)
  return cursor === undefined ? { items } : { items, cursor }
}

function itemRecord({ place, entry, state, selection }: FoundItem): ItemRecord {
  const stage = place.at === 'GONE' ? 'WAITING' : place.at
  return recordOf(summaryOf(entry.id, stage, { ...place, selection }), entry, state)
}
