import { isSluiceError, type Queue, type QueueItem, type Worker } from '@sluice/core'
import { oneLine, printable } from '../output/output.js'
import { countText, itemsText } from '../output/amounts.js'

/** How many items are held against the worker when nothing else is said. */
export const FIRST_ITEMS = 100
/** So many that would be rejected are no slip of single items: it is where a service pauses the queue by itself. */
const MANY_REJECTED = 20

const REASONS_TOLD = 5
const IDS_TOLD = 5
const ID_CHARS = 80
const REASON_CHARS = 600

/** An item that no job could be made of. */
export interface RejectedItem {
  readonly id: string
  readonly reason: string
}

/** What came of holding the first items against the worker. */
export interface ItemFindings {
  /** How many were held against it. */
  readonly checked: number
  readonly rejected: readonly RejectedItem[]
}

export interface FirstItemsOptions {
  readonly count: number
  /** Aborted, no further item is checked. */
  readonly signal: AbortSignal
}

/**
 * Holds the items that would be given out first against what the worker makes jobs of. No item is moved, and no job starts.
 *
 * @returns `undefined` where the worker can't tell, or no item waits
 * @throws SluiceError of the queue; SLUICE_WORKER_UNAVAILABLE, SLUICE_WORKER_DENIED where the worker can't find it out
 */
export async function checkFirstItems(
  queue: Queue,
  worker: Worker,
  { count, signal }: FirstItemsOptions,
): Promise<ItemFindings | undefined> {
  if (worker.checkItem === undefined || count === 0) return undefined
  const items = await queue.peek(count)
  const rejected: RejectedItem[] = []
  let checked = 0
  // One after the other: a service at work beside this is not to notice it.
  for (const item of items) {
    if (signal.aborted) break
    const reason = await rejection(worker, item)
    checked += 1
    if (reason !== undefined) rejected.push({ id: item.id, reason })
  }
  return checked === 0 ? undefined : { checked, rejected }
}

async function rejection(worker: Worker, { id, body }: QueueItem): Promise<string | undefined> {
  try {
    await worker.checkItem?.(id, body)
    return undefined
  } catch (error) {
    if (!isSluiceError(error, 'SLUICE_JOB_REJECTED')) throw error
    return error.message
  }
}

/** Whether so many would be rejected that it is the worker's settings, or the list as a whole, and not one item or another. */
export function areManyRejected({ checked, rejected }: ItemFindings): boolean {
  return rejected.length >= Math.min(MANY_REJECTED, Math.ceil(checked / 2)) && rejected.length > 0
}

/** In a few words. */
export function itemsFound({ checked, rejected }: ItemFindings): string {
  const first = checked === 1 ? 'the first item' : `the first ${itemsText(checked)}`
  if (rejected.length === 0) return `ready, ${first} can become ${checked === 1 ? 'a job' : 'jobs'}`
  return `${countText(rejected.length)} of ${first} would be rejected`
}

/** Which items would be rejected, why, and what to do. */
export function rejectionText(findings: ItemFindings): string {
  const byReason = Map.groupBy(findings.rejected, ({ id, reason }) => withoutId(reason, id))
  const groups = [...byReason].toSorted(([, one], [, other]) => other.length - one.length)
  const lines = groups
    .slice(0, REASONS_TOLD)
    .map(([reason, items]) => `  ${idsText(items)}: ${oneLine(reason, REASON_CHARS)}`)
  const more = groups.length - REASONS_TOLD
  return [
    `${itemsFound(findings)}, and fail without a job:`,
    ...lines,
    ...(more > 0 ? [`  and ${countText(more)} more reasons, all of them with --json`] : []),
    'Correct what the worker makes of an item (its template and parameters, or its command), or the items: correct the list and load it again with ' +
      '--update-waiting, or take them out with sluice rm',
  ].join('\n')
}

/** Each reason begins with its item: without it many are one. */
function withoutId(reason: string, id: string): string {
  const name = JSON.stringify(id)
  const begin = `Item ${name} `
  if (reason.startsWith(begin)) return reason.slice(begin.length)
  return reason.replaceAll(`item ${name}`, 'this item').replaceAll(name, 'this item')
}

function idsText(items: readonly RejectedItem[]): string {
  const told = items.slice(0, IDS_TOLD).map(({ id }) => printable(JSON.stringify(id), ID_CHARS))
  const more = items.length - told.length
  return `${told.join(', ')}${more > 0 ? ` and ${countText(more)} more` : ''}`
}
