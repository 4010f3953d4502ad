import {
  baseDirOf,
  checkOptions,
  silentLogger,
  type BackupOutcome,
  type BackupUse,
  type DropOutcome,
  type DropQueueUse,
  type Queue,
  type QueueUse,
  type StorageFinding,
  type StoredQueue,
} from '@sluice/core'
import { backupSqlite } from './sqlite/backup.js'
import { checkSqlStorage } from './admin/check-storage.js'
import { dropSqlQueue } from './admin/drop-queue.js'
import { reportFileSystem } from './sqlite/file-system.js'
import { listSqlQueues } from './admin/list-queues.js'
import { openSqlQueue, sqlQueueExists } from './open-sql-queue.js'
import { optionsSchema, placeOf, type SqlQueueSettings, withAbsolutePaths } from './sql-options.js'
import type { OpenOptions } from './sql-store.js'
import { isInMemory } from './sqlite/store.js'

/** A queue in PostgreSQL or SQLite. */

export { optionsSchema } from './sql-options.js'
export type { SqlQueueOptions } from './sql-options.js'
export { SqlQueue } from './sql-queue.js'

/** What the driver reads by itself where the url has no password. */
export const credentialVariables = ['PGPASSWORD'] as const

/**
 * Opens a queue in PostgreSQL or SQLite, and creates or upgrades its tables if need be.
 *
 * @param options as {@link optionsSchema} says: `{ name, url, poolSize?, tablePrefix?, timeoutMs?, … }`
 * @param use what the paths in `url` are relative to; its `logger` is warned of a SQLite with the WAL-reset race that `allowOldSqlite` accepts, and,
 * without `brief`, of a SQLite file on a network file system
 * @throws SluiceError SLUICE_CONFIG_INVALID naming each wrong option, and for a SQLite file when the library of this Node.js has the
 * WAL-reset race, unless `allowOldSqlite` is set; SLUICE_QUEUE_UNAVAILABLE when the database does not answer;
 * SLUICE_QUEUE_DENIED for credentials and permissions; SLUICE_QUEUE_CORRUPT when what is there isn't a queue of ours
 */
export async function openQueue(options: unknown, use: QueueUse = {}): Promise<Queue> {
  const settings = await settingsOf(options, use)
  await reportPlace(settings, use)
  return openSqlQueue(settings, openOptionsOf(use))
}

/**
 * Whether the queue that {@link openQueue} would open is there already: the file or database, the tables and the queue's name. It creates
 * nothing. A SQLite file of another program holds no queue, and one in memory is never there.
 *
 * @param options as for {@link openQueue}
 * @throws SluiceError SLUICE_CONFIG_INVALID, SLUICE_QUEUE_UNAVAILABLE, SLUICE_QUEUE_DENIED and SLUICE_QUEUE_CORRUPT as {@link openQueue} does
 */
export async function queueExists(options: unknown, use: QueueUse = {}): Promise<boolean> {
  const settings = await settingsOf(options, use)
  await reportPlace(settings, use)
  return sqlQueueExists(settings, openOptionsOf(use))
}

/**
 * Tries what a service does with the database, and leaves nothing behind: a row is written, changed and deleted in each table, or the tables are made where
 * there are none, in a transaction that is rolled back. On PostgreSQL every privilege that is missing is named; of a SQLite file the folder and the disk
 * are tried too. Tables of an older version are left alone: the finding says that opening the queue would upgrade them.
 *
 * @param options as for {@link openQueue}
 * @throws SluiceError as {@link openQueue} does
 */
export async function checkStorage(options: unknown, use: QueueUse = {}): Promise<StorageFinding> {
  const settings = await settingsOf(options, use)
  await reportPlace(settings, { ...use, brief: false })
  return checkSqlStorage(settings, openOptionsOf(use))
}

/**
 * Copies a SQLite file, with all its queues, as it is at one instant, while services are at work on it. The copy is verified, and is there whole or not at
 * all. PostgreSQL has tools of its own: the error says which.
 *
 * @param options as for {@link openQueue}; `name` makes no difference
 * @throws SluiceError SLUICE_CONFIG_INVALID for PostgreSQL, a database in memory, a file that is not there or has no queue, and a target that exists or has
 * no folder; SLUICE_QUEUE_UNAVAILABLE when the disk is full; SLUICE_QUEUE_DENIED; SLUICE_QUEUE_CORRUPT for a file that is damaged. With a signal that has
 * aborted: its reason
 */
export async function backupStore(options: unknown, use: BackupUse): Promise<BackupOutcome> {
  return backupSqlite(await settingsOf(options, use), { ...use, ...openOptionsOf(use) })
}

/**
 * The queues of the tables that `url` and `tablePrefix` name, by their names, with their sizes and who holds a lease. It creates and upgrades nothing; where
 * there is no file, database or table there are no queues.
 *
 * @param options as for {@link openQueue}; `name` makes no difference
 * @throws SluiceError as {@link queueExists} does
 */
export async function listQueues(options: unknown, use: QueueUse = {}): Promise<readonly StoredQueue[]> {
  return listSqlQueues(await settingsOf(options, use), openOptionsOf(use))
}

/**
 * Removes a queue with its items, attempts, documents, leases, limits and pause. One transaction takes it out of use, unless a lease is held or, without
 * `withRunning`, items are in PROCESSING; what it stored is deleted then, a thousand items in a transaction. Killed in between, the same call goes on. Every
 * queue object that has it open rejects SLUICE_QUEUE_CORRUPT from the first step on. The tables stay, and a SQLite file keeps its size until VACUUM.
 *
 * On PostgreSQL the role needs the privilege `delete` on all tables of the queue.
 *
 * @param options as for {@link openQueue}
 * @throws SluiceError as {@link openQueue} does
 */
export async function dropQueue(options: unknown, use: DropQueueUse = {}): Promise<DropOutcome> {
  return dropSqlQueue(await settingsOf(options, use), use, openOptionsOf(use))
}

/** To whoever opens the queue to keep it, and not again at each short command. */
async function reportPlace({ url }: SqlQueueSettings, { brief, logger }: QueueUse): Promise<void> {
  const place = placeOf(url)
  if (brief === true || logger === undefined || place.kind !== 'sqlite' || isInMemory(place.path)) return
  await reportFileSystem(place.path, logger)
}

async function settingsOf(options: unknown, use: QueueUse): Promise<SqlQueueSettings> {
  const settings = await checkOptions(optionsSchema, options, '@sluice/queue-sql')
  const baseDir = baseDirOf(use, 'url')
  return baseDir === undefined ? settings : { ...settings, url: withAbsolutePaths(settings.url, baseDir) }
}

function openOptionsOf({ logger = silentLogger }: QueueUse): OpenOptions {
  return { warn: (text) => logger.warn({}, text) }
}
