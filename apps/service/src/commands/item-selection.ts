import type { ItemRecord, Queue, Stage } from '@sluice/core'

const PAGE_ITEMS = 500

/** Which items of a stage a command is about. */
export interface Selection {
  readonly stage: Stage
  /** Only items whose reason matches. */
  readonly reasonMatches?: RegExp | undefined
}

/**
 * The items of a stage, a page at a time, as they are when it begins: what comes into the stage later is left out, so that a
 * walk that moves items ends even while a service sends them back.
 */
export async function* selectPages(queue: Queue, selection: Selection): AsyncGenerator<ItemRecord[]> {
  const beganAt = await queue.now()
  let cursor: string | undefined
  do {
    const page = await queue.list(selection.stage, {
      limit: PAGE_ITEMS,
      ...(cursor === undefined ? {} : { cursor }),
    })
    yield page.items.filter((item) => sinceAt(item) <= beganAt && matches(item, selection))
    cursor = page.cursor
  } while (cursor !== undefined)
}

/** How many items are selected now; without a pattern the storage counts them. */
export async function countSelected(queue: Queue, selection: Selection): Promise<number> {
  if (selection.reasonMatches === undefined) return queue.size(selection.stage)
  let count = 0
  for await (const items of selectPages(queue, selection)) count += items.length
  return count
}

function matches(item: ItemRecord, { reasonMatches }: Selection): boolean {
  return reasonMatches === undefined || reasonMatches.test(item.reason ?? '')
}

/** When the item came into its stage, as far as its record tells. */
function sinceAt(item: ItemRecord): number {
  if (item.stage === 'WAITING') return item.putAt
  return (item.stage === 'PROCESSING' ? item.claimedAt : item.finishedAt) ?? item.putAt
}
