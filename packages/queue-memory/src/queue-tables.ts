import type { ItemTable } from './item-table.js'
import type { ControlTable } from './memory-control.js'
import type { DocumentTable } from './memory-documents.js'
import type { LeaseTable } from './memory-lease.js'

/** What one name in a store holds. */
export interface QueueTables {
  readonly items: ItemTable
  readonly control: ControlTable
  readonly leases: LeaseTable
  readonly documents: DocumentTable
  /** Nothing is kept in it any more: the queue was dropped. */
  isDropped: boolean
}
