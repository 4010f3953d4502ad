import type { ItemRecord, Queue, Stage } from '@sluice/core'

/** Stages that a report is about unless another is asked for. */
export const REPORT_STAGES: readonly Stage[] = ['SUCCESS', 'FAIL']

/** Small enough that a page of large results fits in memory, large enough that a million rows are few calls. */
const PAGE_ITEMS = 500

/**
 * Every item of some stages, one page in memory at a time. Exact for a queue at rest; an item that moves meanwhile is
 * seen in the stage it was in when its page was read [Q-LIST-1].
 *
 * @param signal ends it early, with an AbortError
 */
export async function* reportRows(
  queue: Queue,
  stages: readonly Stage[] = REPORT_STAGES,
  signal?: AbortSignal,
): AsyncGenerator<ItemRecord> {
  for (const stage of stages) {
    let cursor: string | undefined
    do {
      signal?.throwIfAborted()
      const page = await queue.list(stage, {
        limit: PAGE_ITEMS,
        ...(cursor === undefined ? {} : { cursor }),
      })
      yield* page.items
      cursor = page.cursor
      // Storage in this process answers without a turn of the event loop, and Ctrl-C wants one.
      await new Promise((resolve) => setImmediate(resolve))
    } while (cursor !== undefined)
  }
}
