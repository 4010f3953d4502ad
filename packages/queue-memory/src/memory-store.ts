import { randomUUID } from 'node:crypto'
import type { Runtime } from '@sluice/core'
import { ItemTable } from './item-table.js'
import { DocumentTable } from './memory-documents.js'
import { ControlTable } from './memory-control.js'
import { LeaseTable } from './memory-lease.js'

export interface MemoryStoreOptions {
  /** What instants are read from. Default the machine's clock. */
  readonly runtime?: Pick<Runtime, 'now'>
  /** Makes the uid of a new item; unique for ever. Default a random UUID of the store and a number. */
  readonly newUid?: () => string
}

/** What one name in a store holds. */
export interface StoredQueue {
  readonly items: ItemTable
  readonly control: ControlTable
  readonly leases: LeaseTable
  readonly documents: DocumentTable
  /** Nothing is kept in it any more: the queue was dropped. */
  isDropped: boolean
}

/**
 * What several {@link MemoryQueue} objects of one process share, as they would a database: queues of one name see the same
 * items, queues of different names never do [Q-NAME-1]. It lives as long as something refers to it.
 */
export class MemoryStore {
  readonly #queues = new Map<string, StoredQueue>()
  readonly #runtime: Pick<Runtime, 'now'>
  readonly #newUid: () => string
  #latest = 0
  /** By how much the machine's clock was set back so far. */
  #aheadMs = 0

  constructor({ runtime = Date, newUid = uidMaker() }: MemoryStoreOptions = {}) {
    this.#runtime = runtime
    this.#newUid = newUid
  }

  /**
   * Epoch ms. It goes on when the machine's clock is set back: an instant of this store is never before an earlier one, and no delay and no lease lasts
   * longer for it.
   */
  now(): number {
    const read = Math.floor(this.#runtime.now())
    this.#aheadMs = Math.max(this.#aheadMs, this.#latest - read)
    this.#latest = read + this.#aheadMs
    return this.#latest
  }

  /** What is stored under a name, made when first asked for. */
  queue(name: string): StoredQueue {
    const known = this.#queues.get(name)
    if (known !== undefined) return known
    const now = () => this.now()
    const made = {
      items: new ItemTable(this.#newUid),
      control: new ControlTable(now),
      leases: new LeaseTable(now),
      documents: new DocumentTable(),
      isDropped: false,
    }
    this.#queues.set(name, made)
    return made
  }

  /** What is stored, by name. */
  stored(): readonly (readonly [name: string, stored: StoredQueue])[] {
    return [...this.#queues]
  }

  /** Forgets a queue. Objects that have it open can do nothing more. */
  drop(name: string): void {
    const known = this.#queues.get(name)
    if (known === undefined) return
    known.isDropped = true
    this.#queues.delete(name)
  }
}

/** No two items have one uid, in this process or any other: a UUID for each of them would be the dearest part of a put. */
function uidMaker(): () => string {
  const base = randomUUID()
  let count = 0
  return () => `${base}-${++count}`
}
