import { isSluiceError, type Queue, type QueueItem, type Worker } from '@sluice/core'
import { oneLine, printable } from '../output/output.js'
import { countText, itemsText } from '../output/amounts.js'

/** How many items are checked by default. */
export const FIRST_ITEMS = 100
/** From this many on it is the settings, not single items: a service pauses the queue at the same number. */
const MANY_REJECTED = 20

const SHOWN_REASONS = 5
const SHOWN_IDS = 5
const ID_CHARS = 80
const REASON_CHARS = 600

/** An item that can't become a job. */
export interface RejectedItem {
  readonly id: string
  readonly reason: string
}

/** The result of the check. */
export interface ItemFindings {
  /** How many were checked. */
  readonly checked: number
  readonly rejected: readonly RejectedItem[]
}

export interface FirstItemsOptions {
  readonly count: number
  /** After its abort no further item is checked. */
  readonly signal: AbortSignal
}

/**
 * Checks with the worker whether the next items to claim can become jobs. No item moves, and no job starts.
 *
 * @returns `undefined` where the worker has no such check, or no item waits
 * @throws SluiceError of the queue; SLUICE_WORKER_UNAVAILABLE, SLUICE_WORKER_DENIED where the worker can't
 * check
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
  // Sequentially, so as not to slow down a service that runs beside this.
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

/** Whether the rejections point to the worker's settings or the whole list, not to single items. */
export function areManyRejected({ checked, rejected }: ItemFindings): boolean {
  return rejected.length >= Math.min(MANY_REJECTED, Math.ceil(checked / 2)) && rejected.length > 0
}

/** The findings in brief. */
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
    .slice(0, SHOWN_REASONS)
    .map(([reason, items]) => `  ${idsText(items)}: ${oneLine(reason, REASON_CHARS)}`)
  const more = groups.length - SHOWN_REASONS
  return [
    `${itemsFound(findings)}, and fail without a job:`,
    ...lines,
    ...(more > 0 ? [`  and ${countText(more)} more reasons; --json has all`] : []),
    'Correct how the worker makes jobs (its template and parameters, or its command), or the items: correct the list and load it again with ' +
      '--update-waiting, or remove them with sluice rm',
  ].join('\n')
}

/** Removes the item from a reason, so that equal reasons group. */
function withoutId(reason: string, id: string): string {
  const name = JSON.stringify(id)
  const begin = `Item ${name} `
  if (reason.startsWith(begin)) return reason.slice(begin.length)
  return reason.replaceAll(`item ${name}`, 'this item').replaceAll(name, 'this item')
}

function idsText(items: readonly RejectedItem[]): string {
  const shown = items.slice(0, SHOWN_IDS).map(({ id }) => printable(JSON.stringify(id), ID_CHARS))
  const more = items.length - shown.length
  return `${shown.join(', ')}${more > 0 ? ` and ${countText(more)} more` : ''}`
}
