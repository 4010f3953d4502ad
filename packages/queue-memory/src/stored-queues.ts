import { checkOptions, type DropOutcome, type DropQueueUse, type StoredQueue } from '@sluice/core'
import { optionsSchema } from './memory-options.js'
import type { StoredQueue as Stored } from './memory-store.js'

/**
 * The queues of a store, by their names.
 *
 * @param options as {@link optionsSchema} says; without `store` there are none
 * @throws SluiceError SLUICE_CONFIG_INVALID naming each wrong option
 */
export async function listQueues(options: unknown): Promise<readonly StoredQueue[]> {
  const { store } = await checkOptions(optionsSchema, options, '@sluice/queue-memory')
  return (store?.stored() ?? [])
    .map(([name, stored]): StoredQueue => {
      const { leases } = stored
      return { name, state: 'ready', format: 'in memory', leases: leases.held(), sizes: sizesOf(stored) }
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * Removes a queue from a store, in one step. Objects that have it open reject every call with SLUICE_QUEUE_CORRUPT from then on.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID naming each wrong option
 */
export async function dropQueue(
  options: unknown,
  { withRunning = false, onProgress }: DropQueueUse = {},
): Promise<DropOutcome> {
  const { name, store } = await checkOptions(optionsSchema, options, '@sluice/queue-memory')
  const stored = store?.stored().find(([known]) => known === name)?.[1]
  if (store === undefined || stored === undefined) return { is: 'absent' }
  const leases = stored.leases.held()
  if (leases.length > 0) return { is: 'held', leases }
  const sizes = sizesOf(stored)
  if (sizes.PROCESSING > 0 && !withRunning) return { is: 'running', processing: sizes.PROCESSING }
  store.drop(name)
  const removed = Object.values(sizes).reduce((sum, size) => sum + size, 0)
  onProgress?.({ removed, unit: 'items', of: removed })
  return { is: 'dropped', removed, unit: 'items', notes: [] }
}

function sizesOf({ items }: Stored) {
  return {
    WAITING: items.size('WAITING'),
    PROCESSING: items.size('PROCESSING'),
    SUCCESS: items.size('SUCCESS'),
    FAIL: items.size('FAIL'),
  }
}
