import { eachItem, type ItemRecord, type Queue, type Runtime, type Stage } from '@sluice/core'
import { failureGroupOf } from '@sluice/core/backend'
import { inPages } from './pages.js'

const PAGE_ITEMS = 500

/** Which items of a stage a command selects. */
export interface Selection extends FailureFilter {
  readonly stage: Stage
}

/** Which failures a command selects: those that match every given condition. */
export interface FailureFilter {
  /** Only items whose reason matches. */
  readonly reasonMatches?: RegExp | undefined
  /** Only items that failed with one of these classes. */
  readonly failureClasses?: readonly string[] | undefined
  /** Only items that failed with one of these exit codes. */
  readonly exitCodes?: readonly number[] | undefined
  /** Only items of these failure groups, by their full ids. */
  readonly groups?: ReadonlySet<string> | undefined
}

export interface ReadOptions {
  readonly runtime: Pick<Runtime, 'yield'>
  /** Ends it early, with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * The selected items, one page at a time, as they were at the start: items that enter the stage later are
 * left out, so that a walk that moves items ends even while a service returns them.
 */
export async function* selectPages(
  queue: Queue,
  selection: Selection,
  { runtime, signal }: ReadOptions,
): AsyncGenerator<ItemRecord[]> {
  signal?.throwIfAborted()
  const beganAt = await queue.now()
  const reading = { pageItems: PAGE_ITEMS, ...(signal !== undefined && { signal }) }
  const items = eachItem(queue, selection.stage, reading)
  for await (const page of inPages(items, { ...reading, runtime }))
    yield page.filter((item) => stageSince(item) <= beganAt && isSelected(item, selection))
}

/** How many items are selected now; the storage counts a whole stage. */
export async function countSelected(
  queue: Queue,
  selection: Selection,
  options: ReadOptions,
): Promise<number> {
  const { signal } = options
  if (!isPartial(selection)) return queue.size(selection.stage, { ...(signal !== undefined && { signal }) })
  let count = 0
  for await (const items of selectPages(queue, selection, options)) count += items.length
  return count
}

/** Whether a filter excludes any items. */
export function isPartial({ reasonMatches, failureClasses, exitCodes, groups }: FailureFilter): boolean {
  return [reasonMatches, failureClasses, exitCodes, groups].some((wanted) => wanted !== undefined)
}

/** Whether an item matches a filter, in any stage. */
export function isSelected(item: ItemRecord, filter: FailureFilter): boolean {
  const { reasonMatches, failureClasses, exitCodes, groups } = filter
  if (failureClasses !== undefined && !failureClasses.includes(item.failureClass ?? '')) return false
  if (exitCodes !== undefined && !exitCodes.some((code) => code === item.exitCode)) return false
  if (reasonMatches !== undefined && !reasonMatches.test(item.reason ?? '')) return false
  // Last, since it is the most expensive.
  return groups === undefined || (hasFailed(item) && groups.has(failureGroupOf(item).id))
}

/** An item that never failed is in no group, not even in that of failures without a reason. */
export function hasFailed({ stage, reason, failureClass, exitCode }: ItemRecord): boolean {
  if (stage === 'FAIL' || stage === 'SUCCESS') return stage === 'FAIL'
  return reason !== undefined || failureClass !== undefined || exitCode !== undefined
}

/** The conditions of a list. */
export interface ItemFilterFlags {
  /** Of the id. */
  readonly prefix?: string | undefined
  /** The most ms since the item came to its stage. */
  readonly since?: number | undefined
  readonly failures: FailureFilter
}

export type ItemFilter = (item: ItemRecord) => boolean

/**
 * @param now epoch ms of the storage's clock
 * @returns `undefined` without any condition
 */
export function itemFilter(
  { prefix, since, failures }: ItemFilterFlags,
  now: number,
): ItemFilter | undefined {
  const filters: ItemFilter[] = []
  if (prefix !== undefined) filters.push(({ id }) => id.startsWith(prefix))
  if (since !== undefined) filters.push((item) => now - stageSince(item) <= since)
  if (isPartial(failures)) filters.push((item) => isSelected(item, failures))
  if (filters.length === 0) return undefined
  return (item) => filters.every((filter) => filter(item))
}

/** When an item came to its stage, epoch ms of the storage's clock; in WAITING, when it was put. */
export function stageSince({ stage, putAt, claimedAt, finishedAt }: ItemRecord): number {
  if (stage === 'WAITING') return putAt
  return (stage === 'PROCESSING' ? claimedAt : (finishedAt ?? claimedAt)) ?? putAt
}

/** The duration of its latest job so far, in ms; `undefined` without a job. */
export function tookMs({ stage, claimedAt, finishedAt }: ItemRecord, now: number): number | undefined {
  if (claimedAt === undefined || stage === 'WAITING') return undefined
  const endedAt = stage === 'PROCESSING' ? now : finishedAt
  return endedAt === undefined ? undefined : Math.max(0, endedAt - claimedAt)
}
