import type { ItemRecord } from '@sluice/core'
import { isPartial, isSelected, type FailureFilter } from './item-selection.js'
import { stageSince } from './stage-since.js'

/** What a list is narrowed by. */
export interface ItemFilterFlags {
  /** Of the id. */
  readonly prefix?: string | undefined
  /** Most ms since the item came to its stage. */
  readonly since?: number | undefined
  readonly failures: FailureFilter
}

export type ItemFilter = (item: ItemRecord) => boolean

/**
 * @param now epoch ms of the storage's clock
 * @returns `undefined`: nothing is asked for, and every item passes
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
