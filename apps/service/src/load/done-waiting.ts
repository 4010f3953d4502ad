import { isSluiceError, type Queue } from '@sluice/core'

const PAGE_ITEMS = 1_000

export interface DoneWaitingOptions {
  /** The items to ask for; absent: all that wait are read. */
  readonly ids: readonly string[] | undefined
  readonly isDone: (id: string) => boolean
  readonly signal?: AbortSignal
}

/** How many items still wait although their work was done elsewhere; `undefined` where the signal came before that was known. */
export async function countDoneWaiting(
  queue: Queue,
  { ids, isDone, signal }: DoneWaitingOptions,
): Promise<number | undefined> {
  let waiting = 0
  for await (const id of ids === undefined ? waitingIds(queue) : idsThatWait(queue, ids)) {
    if (signal?.aborted === true) return undefined
    if (isDone(id)) waiting += 1
  }
  return signal?.aborted === true ? undefined : waiting
}

async function* idsThatWait(queue: Queue, ids: readonly string[]): AsyncGenerator<string> {
  for (const id of ids) if (await waits(queue, id)) yield id
}

async function waits(queue: Queue, id: string): Promise<boolean> {
  try {
    return (await queue.lookupStatus(id)) === 'WAITING'
  } catch (error) {
    // It was removed since.
    if (isSluiceError(error, 'SLUICE_ITEM_NOT_FOUND')) return false
    throw error
  }
}

async function* waitingIds(queue: Queue): AsyncGenerator<string> {
  let cursor: string | undefined
  do {
    const page = await queue.listSummaries('WAITING', {
      limit: PAGE_ITEMS,
      ...(cursor === undefined ? {} : { cursor }),
    })
    for (const { id } of page.items) yield id
    cursor = page.cursor
  } while (cursor !== undefined)
}
