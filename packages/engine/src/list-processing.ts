import { MAX_PAGE_ITEMS, type ItemHead, type Queue } from '@sluice/core'

/** Everything in PROCESSING, by id, without bodies. */
export async function listProcessing(queue: Pick<Queue, 'listHeads'>): Promise<Map<string, ItemHead>> {
  const items = new Map<string, ItemHead>()
  let cursor: string | undefined
  do {
    const page = await queue.listHeads('PROCESSING', {
      limit: MAX_PAGE_ITEMS,
      ...(cursor === undefined ? {} : { cursor }),
    })
    for (const item of page.items) items.set(item.id, item)
    cursor = page.cursor
  } while (cursor !== undefined)
  return items
}
