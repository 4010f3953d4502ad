import type { DropOutcome, DropQueueUse, StoredQueue } from '@sluice/core'
import { checkOptions } from '@sluice/core/backend'
import { optionsSchema, type MemoryQueueOptions } from './memory-options.js'
import { tablesOf } from './memory-store.js'
import { heldLeases } from './queue-tables.js'

/**
 * The queues of a store, by their names; without `store` there are none.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID naming each wrong option
 */
export async function listQueues(options: MemoryQueueOptions): Promise<readonly StoredQueue[]> {
  const { store } = await checkOptions(optionsSchema, options, '@sluice/queue-memory')
  if (store === undefined) return []
  const tables = tablesOf(store)
  const now = tables.now()
  return tables
    .all()
    .map(([name, queue]): StoredQueue => {
      const leases = heldLeases(queue, now)
      return { name, state: 'ready', format: 'in memory', leases, sizes: queue.items.sizes() }
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * Removes a queue from a store, in one step. Objects that have it open reject every call with
 * SLUICE_QUEUE_CORRUPT from then on.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID naming each wrong option
 */
export async function dropQueue(
  options: MemoryQueueOptions,
  { withRunning = false, onProgress }: DropQueueUse = {},
): Promise<DropOutcome> {
  const { name, store } = await checkOptions(optionsSchema, options, '@sluice/queue-memory')
  if (store === undefined) return { is: 'absent' }
  const tables = tablesOf(store)
  const queue = tables.all().find(([known]) => known === name)?.[1]
  if (queue === undefined) return { is: 'absent' }
  const leases = heldLeases(queue, tables.now())
  if (leases.length > 0) return { is: 'held', leases }
  const sizes = queue.items.sizes()
  if (sizes.PROCESSING > 0 && !withRunning) return { is: 'running', processing: sizes.PROCESSING }
  tables.drop(name)
  const removed = Object.values(sizes).reduce((sum, size) => sum + size, 0)
  onProgress?.({ removed, unit: 'items', of: removed })
  return { is: 'dropped', removed, unit: 'items', notes: [] }
}
