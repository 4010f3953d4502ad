import { failureGroupOf, type ItemRecord, type Queue, type Stage } from '@sluice/core'
import { stageSince } from './stage-since.js'

const PAGE_ITEMS = 500

/** Which items of a stage a command is about. */
export interface Selection extends FailureFilter {
  readonly stage: Stage
}

/** Which failures a command is about: those of which all that is given holds. */
export interface FailureFilter {
  /** Only items whose reason matches. */
  readonly reasonMatches?: RegExp | undefined
  /** Only items that failed with one of these classes. */
  readonly failureClasses?: readonly string[] | undefined
  /** Only items that failed with one of these exit codes. */
  readonly exitCodes?: readonly number[] | undefined
  /** Only items of these groups of failures, by their whole ids. */
  readonly groups?: ReadonlySet<string> | undefined
}

/**
 * The items of a stage, a page at a time, as they are when it begins: what comes into the stage later is left out, so that a
 * walk that moves items ends even while a service sends them back.
 *
 * @param signal ends it early, with an AbortError
 */
export async function* selectPages(
  queue: Queue,
  selection: Selection,
  signal?: AbortSignal,
): AsyncGenerator<ItemRecord[]> {
  const beganAt = await queue.now()
  let cursor: string | undefined
  do {
    signal?.throwIfAborted()
    const page = await queue.list(selection.stage, {
      limit: PAGE_ITEMS,
      ...(cursor === undefined ? {} : { cursor }),
    })
    yield page.items.filter((item) => stageSince(item) <= beganAt && isSelected(item, selection))
    cursor = page.cursor
    // Storage in this process answers without a turn of the event loop, and Ctrl-C wants one.
    await new Promise((resolve) => setImmediate(resolve))
  } while (cursor !== undefined)
}

/** How many items are selected now; a whole stage is counted by the storage. */
export async function countSelected(
  queue: Queue,
  selection: Selection,
  signal?: AbortSignal,
): Promise<number> {
  if (!isPartial(selection)) return queue.size(selection.stage)
  let count = 0
  for await (const items of selectPages(queue, selection, signal)) count += items.length
  return count
}

/** Whether a selection is about some items of its stage only. */
export function isPartial({ reasonMatches, failureClasses, exitCodes, groups }: FailureFilter): boolean {
  return [reasonMatches, failureClasses, exitCodes, groups].some((wanted) => wanted !== undefined)
}

/** Whether an item is one of those that a filter is about, whatever stage it is in. */
export function isSelected(item: ItemRecord, filter: FailureFilter): boolean {
  const { reasonMatches, failureClasses, exitCodes, groups } = filter
  if (failureClasses !== undefined && !failureClasses.includes(item.failureClass ?? '')) return false
  if (exitCodes !== undefined && !exitCodes.some((code) => code === item.exitCode)) return false
  if (reasonMatches !== undefined && !reasonMatches.test(item.reason ?? '')) return false
  // The last, since it takes the most time.
  return groups === undefined || (hasFailed(item) && groups.has(failureGroupOf(item).id))
}

/** An item that never failed is in no group, not even in that of failures without a reason. */
export function hasFailed({ stage, reason, failureClass, exitCode }: ItemRecord): boolean {
  if (stage === 'FAIL' || stage === 'SUCCESS') return stage === 'FAIL'
  return reason !== undefined || failureClass !== undefined || exitCode !== undefined
}
