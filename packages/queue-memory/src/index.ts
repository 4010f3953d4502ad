/** The reference queue: in memory, and readable in five minutes. */
import { queueOpener, type OpenQueue } from '@sluice/core/backend'
import { optionsSchema, type MemoryQueueOptions } from './memory-options.js'
import { MemoryStore, tablesOf } from './memory-store.js'

export { optionsSchema } from './memory-options.js'
export type { MemoryQueueOptions } from './memory-options.js'
export { MemoryStore } from './memory-store.js'
export type { MemoryStoreOptions } from './memory-store.js'
export { dropQueue, listQueues } from './stored-queues.js'

/**
 * Opens a queue in memory.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID naming each wrong option
 */
export const openQueue: OpenQueue<MemoryQueueOptions> = queueOpener({
  packageName: '@sluice/queue-memory',
  optionsSchema,
  open: ({ name, runtime, store = new MemoryStore(runtime && { runtime }) }) => tablesOf(store).backend(name),
})
