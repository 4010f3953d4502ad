import type { Queue, Runtime } from '@sluice/core'
import { createQueue, systemRuntime } from '@sluice/core/backend'
import { ItemTable } from './item-table.js'
import { MemoryBackend } from './memory-backend.js'
import type { QueueTables } from './queue-tables.js'

export interface MemoryStoreOptions {
  /** Where instants and uids come from. Default the machine's. */
  readonly runtime?: Runtime
}

let tablesIn: (store: MemoryStore) => Tables

/** For this package alone: what a store is made of is no part of its API. */
export function tablesOf(store: MemoryStore): Tables {
  return tablesIn(store)
}

/**
 * What several queues of one process share, as they would a database: queue objects of one name see the same
 * items, those of different names never do [Q-NAME-1]. It lives as long as something refers to it.
 *
 * @example
 * ```ts
 * import { MemoryStore, openQueue } from '@sluice/queue-memory'
 *
 * const store = new MemoryStore()
 * const producer = await openQueue({ name: 'tiles', store })
 * const consumer = await openQueue({ name: 'tiles', store })
 * ```
 */
export class MemoryStore {
  readonly #tables: Tables

  static {
    tablesIn = (store) => store.#tables
  }

  constructor({ runtime = systemRuntime }: MemoryStoreOptions = {}) {
    this.#tables = new Tables(runtime)
  }

  /** Opens a queue of this store, as `openQueue` does, without waiting. */
  queue(name: string): Queue {
    return createQueue({ name }, this.#tables.backend(name))
  }
}

/** The tables of all queues of a store, by name. */
export class Tables {
  readonly #queues = new Map<string, QueueTables>()
  readonly #runtime: Runtime
  readonly #newUid: () => string
  #latest = 0
  /** By how much the machine's clock was set back so far. */
  #aheadMs = 0

  constructor(runtime: Runtime) {
    this.#runtime = runtime
    this.#newUid = uidMaker(runtime)
  }

  backend(name: string): MemoryBackend {
    return new MemoryBackend(name, this.#of(name), () => this.now())
  }

  /** What is stored, by name. */
  all(): readonly (readonly [name: string, tables: QueueTables])[] {
    return [...this.#queues]
  }

  /** Deletes a queue. Objects that have it open can do nothing more. */
  drop(name: string): void {
    const known = this.#queues.get(name)
    if (known === undefined) return
    known.isDropped = true
    this.#queues.delete(name)
  }

  #of(name: string): QueueTables {
    const known = this.#queues.get(name)
    if (known !== undefined) return known
    const made: QueueTables = {
      items: new ItemTable(this.#newUid),
      control: { paused: false, limits: {} },
      leases: new Map(),
      documents: new Map(),
      isDropped: false,
    }
    this.#queues.set(name, made)
    return made
  }

  /**
   * Epoch ms. It goes on when the machine's clock is set back: an instant of this store is never before an
   * earlier one, and no delay and no lease lasts longer for it.
   */
  now(): number {
    const read = Math.floor(this.#runtime.now())
    this.#aheadMs = Math.max(this.#aheadMs, this.#latest - read)
    this.#latest = read + this.#aheadMs
    return this.#latest
  }
}

/**
 * No two items have one uid, in this process or any other. A UUID for each of them would be the most
 * expensive part of a put.
 */
function uidMaker(runtime: Runtime): () => string {
  const base = runtime.newId()
  let count = 0
  return () => `${base}-${++count}`
}
