/** A queue in PostgreSQL or SQLite. */
import { checkOptions, type Queue } from '@sluice/core'
import { openSqlQueue, sqlQueueExists } from './open-sql-queue.js'
import { optionsSchema } from './sql-options.js'

export { optionsSchema } from './sql-options.js'
export type { SqlQueueOptions } from './sql-options.js'
export { SqlQueue } from './sql-queue.js'

/**
 * Opens a queue in PostgreSQL or SQLite, and creates or upgrades its tables if need be.
 *
 * @param options as {@link optionsSchema} says: `{ name, url, poolSize?, tablePrefix?, timeoutMs?, … }`
 * @throws SluiceError SLUICE_CONFIG_INVALID naming each wrong option; SLUICE_QUEUE_UNAVAILABLE when the database does not answer;
 * SLUICE_QUEUE_DENIED for credentials and permissions; SLUICE_QUEUE_CORRUPT when what is there isn't a queue of ours
 */
export async function openQueue(options: unknown): Promise<Queue> {
  return openSqlQueue(await checkOptions(optionsSchema, options, '@sluice/queue-sql'))
}

/**
 * Whether the queue that {@link openQueue} would open is there already: the file or database, the tables and the queue's name. It creates
 * nothing. A SQLite file of another program holds no queue, and one in memory is never there.
 *
 * @param options as for {@link openQueue}
 * @throws SluiceError SLUICE_CONFIG_INVALID, SLUICE_QUEUE_UNAVAILABLE, SLUICE_QUEUE_DENIED and SLUICE_QUEUE_CORRUPT as {@link openQueue} does
 */
export async function queueExists(options: unknown): Promise<boolean> {
  return sqlQueueExists(await checkOptions(optionsSchema, options, '@sluice/queue-sql'))
}
