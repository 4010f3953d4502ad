import { eachSummary, isSluiceError, type CallOptions, type Queue } from '@sluice/core'

export interface DoneWaitingOptions extends CallOptions {
  /** The items to look up; absent: all of WAITING is read. */
  readonly ids: readonly string[] | undefined
  readonly isDone: (id: string) => boolean
}

/** How many items still wait although they are done elsewhere; `undefined` where the signal came first. */
export async function countDoneWaiting(
  queue: Queue,
  { ids, isDone, ...call }: DoneWaitingOptions,
): Promise<number | undefined> {
  const { signal } = call
  let waiting = 0
  try {
    for await (const { id } of ids === undefined
      ? eachSummary(queue, 'WAITING', call)
      : found(queue, ids, call)) {
      signal?.throwIfAborted()
      if (isDone(id)) waiting += 1
    }
  } catch (error) {
    // After the signal the count is unknown.
    if (signal?.aborted !== true) throw error
  }
  return signal?.aborted === true ? undefined : waiting
}

async function* found(
  queue: Queue,
  ids: readonly string[],
  call: CallOptions,
): AsyncGenerator<{ readonly id: string }> {
  for (const id of ids) if (await waits(queue, id, call)) yield { id }
}

async function waits(queue: Queue, id: string, call: CallOptions): Promise<boolean> {
  try {
    return (await queue.lookupStatus(id, call)) === 'WAITING'
  } catch (error) {
    // It was removed since then.
    if (isSluiceError(error, 'SLUICE_ITEM_NOT_FOUND')) return false
    throw error
  }
}
