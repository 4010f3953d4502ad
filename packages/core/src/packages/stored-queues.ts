import type { LeaseView } from '../items/lease.js'
import type { QueueUse } from './package-entry.js'
import type { Stage } from '../items/stage.js'

/**
 * What a stored queue is. `ready`: it can be opened · `dropping`: a drop of it began and did not end; it
 * can't be opened, and dropping it again ends it · `unreadable`: of a format that this version doesn't know,
 * or damaged · `leftovers`: objects without a queue, such as what a late request wrote after a drop, or what
 * a producer put before anybody opened the queue.
 */
export type StoredQueueState = 'ready' | 'dropping' | 'unreadable' | 'leftovers'

/** One queue of a store. */
export interface StoredQueue {
  readonly name: string
  readonly state: StoredQueueState
  /** A description of how it is stored, such as `tables of version 4`. */
  readonly format: string
  /** Leases that are held now, as far as one read can tell. */
  readonly leases: readonly LeaseView[]
  /**
   * Items by stage; absent where counting them is expensive and `sizes` wasn't asked for, or where they can't
   * be counted.
   */
  readonly sizes?: Readonly<Record<Stage, number>>
}

/** How the queues of a store are to be listed. */
export interface ListQueuesUse extends QueueUse {
  /** Count items also where that takes long. */
  readonly sizes?: boolean
}

/** How far a drop has come. */
export interface DropProgress {
  /** What was removed so far: items, or objects. */
  readonly removed: number
  readonly unit: 'items' | 'objects'
  /** How many there are, where that is known. */
  readonly of?: number
}

/** How a queue is to be dropped. */
export interface DropQueueUse extends QueueUse {
  /** Drop it although items are in PROCESSING, whose jobs run on unobserved. */
  readonly withRunning?: boolean
  /** Told after each batch. */
  readonly onProgress?: (progress: DropProgress) => void
  /** Stops it between two batches; to be ended by the same call later. */
  readonly signal?: AbortSignal
}

/**
 * What became of a queue that was to be dropped. `held`: nothing was changed, since a lease is held ·
 * `running`: nothing was changed, since items are in PROCESSING · `absent`: there is no such queue, nor
 * anything left of one · `stopped`: by the signal; it can't be opened any more, and the same call ends it.
 */
export type DropOutcome =
  | {
      readonly is: 'dropped'
      readonly removed: number
      readonly unit: DropProgress['unit']
      /** What stays behind: one sentence each. */
      readonly notes: readonly string[]
    }
  | { readonly is: 'absent' }
  | { readonly is: 'held'; readonly leases: readonly LeaseView[] }
  | { readonly is: 'running'; readonly processing: number }
  | { readonly is: 'stopped'; readonly removed: number; readonly unit: DropProgress['unit'] }
