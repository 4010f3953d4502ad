import type { ItemRef, ItemSummary, PeekSummariesOptions, Queue, QueueSupports } from '@sluice/core'
import { AssertionError } from 'node:assert'
import { at, check } from '../../../check.js'
import { recordOf } from '../../queue-walk.js'

/** The calls of a queue whose caller may choose items. */
export type Selecting = Required<Pick<Queue, 'peekSummaries' | 'getItems'>>

/** The `needs` of a case that chooses items. */
export function needsSelection({ selection }: QueueSupports): string | undefined {
  return selection === undefined ? 'the queue keeps no resources and lets no caller choose items' : undefined
}

/** The `needs` of a case that asks for the items of a limit key. */
export function needsLimitKeys({ selection }: QueueSupports): string | undefined {
  return selection?.limitKeys === 'indexed' ? undefined : 'the queue finds no items by their limit key'
}

/** Throws unless a queue that declares the calls has them. */
export function selecting(queue: Queue): Selecting {
  const peekSummaries: Queue['peekSummaries'] = queue.peekSummaries?.bind(queue)
  const getItems: Queue['getItems'] = queue.getItems?.bind(queue)
  if (peekSummaries !== undefined && getItems !== undefined) return { peekSummaries, getItems }
  throw new AssertionError({
    message: 'a queue that declares supports.selection has peekSummaries and getItems',
  })
}

/** The items of these ids as they are now. */
export async function refsOf(queue: Queue, ids: readonly string[]): Promise<ItemRef[]> {
  const records = await Promise.all(ids.map((id) => recordOf(queue, id)))
  return records.map(({ id, uid }) => ({ id, uid }))
}

/** Every summary of what may be given out, page by page. */
export async function allAhead(
  queue: Queue,
  maxItems: number,
  options: Pick<PeekSummariesOptions, 'limitKey'> = {},
): Promise<ItemSummary[]> {
  const { peekSummaries } = selecting(queue)
  const found: ItemSummary[] = []
  for (let after: string | undefined, pages = 0; pages < 1_000; pages++) {
    const page = await peekSummaries(maxItems, after === undefined ? options : { ...options, after })
    check(page.items.length <= maxItems, `a page of ${maxItems} has at most that many`, page.items.length)
    found.push(...page.items)
    after = page.cursor
    if (after === undefined) return found
  }
  throw new Error(`paging by ${maxItems} did not end within 1,000 pages: is the cursor going on?`)
}

/** The cursor of a first page of some items, of which there are more. */
export async function cursorAfter(queue: Queue, ids: readonly string[]): Promise<string> {
  const page = await selecting(queue).peekSummaries(ids.length)
  for (const [index, id] of ids.entries())
    check(page.items[index]?.id === id, `the first page has ${id} at ${index}`, page.items)
  return at(
    [page.cursor].filter((cursor) => cursor !== undefined),
    0,
    'there is a cursor: there are more',
  )
}
