import type { ItemRecord, ItemSummary } from './item.js'
import type { CallOptions, Page, PageOptions, Queue } from './queue.js'
import type { Stage } from './stage.js'

export interface EachOptions extends CallOptions {
  /** Items that are read at once, 1 to `MAX_PAGE_ITEMS`. Default 100 for items, 1,000 for summaries. */
  readonly pageItems?: number
}

/**
 * Every item of a stage, page by page: with writers, every one that stays in the stage throughout [Q-LIST-1].
 * Once the signal has aborted, it gives no further item and rejects with the signal's reason.
 *
 * @example
 * ```ts
 * import { eachItem } from '@sluice/core'
 * import { openQueue } from '@sluice/queue-memory'
 *
 * const queue = await openQueue({ name: 'tiles' })
 * for await (const item of eachItem(queue, 'FAIL')) console.log(item.id, item.reason)
 * ```
 */
export function eachItem<Body, Result, Stored>(
  queue: Pick<Queue<Body, Result, Stored>, 'list'>,
  stage: Stage,
  options: EachOptions = {},
): AsyncGenerator<ItemRecord<Stored, Result>, void, undefined> {
  return eachOf((page) => queue.list(stage, page), { pageItems: 100, ...options })
}

/** {@link eachItem} without bodies, results and history: cheaper in every backend. */
export function eachSummary(
  queue: Pick<Queue, 'listSummaries'>,
  stage: Stage,
  options: EachOptions = {},
): AsyncGenerator<ItemSummary, void, undefined> {
  return eachOf((page) => queue.listSummaries(stage, page), { pageItems: 1_000, ...options })
}

async function* eachOf<T>(
  read: (page: PageOptions) => Promise<Page<T>>,
  { pageItems, signal }: EachOptions & { readonly pageItems: number },
): AsyncGenerator<T, void, undefined> {
  let cursor: string | undefined
  do {
    const page: Page<T> = await read({
      limit: pageItems,
      ...(cursor !== undefined && { cursor }),
      ...(signal !== undefined && { signal }),
    })
    for (const item of page.items) {
      signal?.throwIfAborted()
      yield item
    }
    signal?.throwIfAborted()
    cursor = page.cursor
  } while (cursor !== undefined)
}
