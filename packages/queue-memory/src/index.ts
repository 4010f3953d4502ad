/** The reference queue: in memory, and readable in five minutes. */
import { checkOptions, type Queue } from '@sluice/core'
import { optionsSchema } from './memory-options.js'
import { MemoryQueue } from './memory-queue.js'

export { optionsSchema } from './memory-options.js'
export { MemoryQueue } from './memory-queue.js'
export type { MemoryQueueOptions } from './memory-queue.js'
export { MemoryStore } from './memory-store.js'
export type { MemoryStoreOptions } from './memory-store.js'
export { dropQueue, listQueues } from './stored-queues.js'

/**
 * Opens a queue in memory.
 *
 * @param options as {@link optionsSchema} says: `{ name, clock?, store? }`
 * @throws SluiceError SLUICE_CONFIG_INVALID naming each wrong option
 */
export async function openQueue(options: unknown): Promise<Queue> {
  const { name, runtime, store } = await checkOptions(optionsSchema, options, '@sluice/queue-memory')
  return new MemoryQueue({ name, ...(runtime && { runtime }), ...(store && { store }) })
}
