import { MAX_PAGE_ITEMS, type ItemSummary, type Queue } from '@sluice/core'

/** Everything in PROCESSING, by id, without bodies. */
export async function listProcessing(queue: Pick<Queue, 'listSummaries'>): Promise<Map<string, ItemSummary>> {
  const items = new Map<string, ItemSummary>()
  let cursor: string | undefined
  do {
    const page = await queue.listSummaries('PROCESSING', {
      limit: MAX_PAGE_ITEMS,
      ...(cursor === undefined ? {} : { cursor }),
    })
    for (const item of page.items) items.set(item.id, item)
    cursor = page.cursor
  } while (cursor !== undefined)
  return items
}
