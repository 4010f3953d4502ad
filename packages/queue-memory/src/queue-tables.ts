import type { LeaseView } from '@sluice/core'
import type { QueueTables as Parts } from '@sluice/core/backend'
import type { ItemTable } from './item-table.js'

/** What one name in a store holds. */
export interface QueueTables extends Parts {
  readonly items: ItemTable
  /** Nothing is kept in it any more: the queue was dropped. */
  isDropped: boolean
}

/** The leases that are held at this instant. */
export function heldLeases({ leases }: Pick<QueueTables, 'leases'>, now: number): LeaseView[] {
  return [...leases]
    .filter(([, { endsAt }]) => endsAt > now)
    .map(([name, { endsAt, ...held }]) => ({ name, ...held, leftMs: endsAt - now }))
}
