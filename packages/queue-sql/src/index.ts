/** A queue in PostgreSQL or SQLite. */
import {
  silentLogger,
  type BackupOutcome,
  type BackupUse,
  type DropOutcome,
  type DropQueueUse,
  type PackageContext,
  type Queue,
  type QueueUse,
  type StorageFinding,
  type StoredQueue,
} from '@sluice/core'
import {
  baseDirOf,
  checkOptions,
  existingQueueOpener,
  queueOpener,
  type OpenQueue,
  type OptionsSchema,
} from '@sluice/core/backend'
import { checkSqlStorage } from './admin/check-storage.js'
import { dropSqlQueue } from './admin/drop-queue.js'
import { listSqlQueues } from './admin/list-queues.js'
import { openExistingSqlBackend, openSqlBackend, sqlQueueExists } from './open-backend.js'
import {
  optionsSchema as schema,
  placeOf,
  withAbsolutePaths,
  type SqlQueueOptions,
  type SqlQueueSettings,
} from './sql-options.js'
import type { OpenOptions } from './sql-store.js'
import { backupSqlite } from './sqlite/backup.js'
import { reportFileSystem } from './sqlite/file-system.js'
import { isInMemory } from './sqlite/store.js'

export type { SqlQueueOptions } from './sql-options.js'

const PACKAGE = '@sluice/queue-sql'

/** The options of `openQueue`: a Standard Schema. */
export const optionsSchema: OptionsSchema<Required<SqlQueueOptions>> = schema

/** Environment variables that the driver reads if the url has no password. */
export const credentialVariables = ['PGPASSWORD'] as const

/**
 * Opens a queue in PostgreSQL or SQLite, and creates or upgrades its tables if necessary.
 *
 * Relative paths in `url` are relative to `use.baseDir`. `use.logger` is warned of a SQLite with the
 * WAL-reset race that `allowOldSqlite` accepts, and, without `use.brief`, of a SQLite file on a network file
 * system.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID naming each wrong option, and for a SQLite file if the SQLite
 * library of this Node.js has the WAL-reset race, unless `allowOldSqlite` is set; SLUICE_QUEUE_UNAVAILABLE if
 * the database does not answer; SLUICE_QUEUE_DENIED for credentials and permissions; SLUICE_QUEUE_CORRUPT if
 * the tables or the file are not those of a queue
 */
export const openQueue: OpenQueue<SqlQueueOptions> = queueOpener({
  packageName: PACKAGE,
  optionsSchema: schema,
  open: async (checked, use) => {
    const settings = withBaseDir(checked, use)
    await reportPlace(settings, use)
    return openSqlBackend(settings, openOptionsOf(use))
  },
})

/**
 * Whether the queue that {@link openQueue} would open exists: the file or database, the tables and the
 * queue's name. It creates nothing. A SQLite file of another program holds no queue, and a queue in memory
 * never exists.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID, SLUICE_QUEUE_UNAVAILABLE, SLUICE_QUEUE_DENIED and
 * SLUICE_QUEUE_CORRUPT as {@link openQueue} does
 */
export async function queueExists(options: SqlQueueOptions, use: QueueUse = {}): Promise<boolean> {
  const settings = await settingsOf(options, use)
  await reportPlace(settings, use)
  return sqlQueueExists(settings, openOptionsOf(use))
}

/**
 * Opens the queue as {@link openQueue} does if it exists, by {@link queueExists}, and creates nothing
 * otherwise. On PostgreSQL it takes one statement.
 *
 * @returns `undefined`: there is no such queue
 * @throws SluiceError as {@link openQueue} does
 */
export const openIfExists: (options: SqlQueueOptions, use?: QueueUse) => Promise<Queue | undefined> =
  existingQueueOpener({
    packageName: PACKAGE,
    optionsSchema: schema,
    open: async (checked, use) => {
      const settings = withBaseDir(checked, use)
      await reportPlace(settings, use)
      return openExistingSqlBackend(settings, openOptionsOf(use))
    },
  })

/**
 * Tries what a service does with the database, and leaves nothing behind: it writes, changes and deletes a
 * row in each table, or creates the tables if there are none, in a transaction that is rolled back. On
 * PostgreSQL it names every missing privilege; for a SQLite file it also tries the folder and the disk.
 * Tables of an older version are left alone: the finding says that opening the queue would upgrade them.
 *
 * @throws SluiceError as {@link openQueue} does
 */
export async function checkStorage(options: SqlQueueOptions, use: QueueUse = {}): Promise<StorageFinding> {
  const settings = await settingsOf(options, use)
  await reportPlace(settings, { ...use, brief: false })
  return checkSqlStorage(settings, openOptionsOf(use))
}

/**
 * Copies a SQLite file with all its queues as it is at one instant, while services use it. The copy is
 * verified, and exists whole or not at all. PostgreSQL has tools of its own, which the error names. `name` is
 * ignored.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID for PostgreSQL, a database in memory, a file that does not exist
 * or has no queue, and a target that exists or has no folder; SLUICE_QUEUE_UNAVAILABLE if the disk is full;
 * SLUICE_QUEUE_DENIED; SLUICE_QUEUE_CORRUPT for a damaged file. With an aborted signal: its reason
 */
export async function backupStore(options: SqlQueueOptions, use: BackupUse): Promise<BackupOutcome> {
  return backupSqlite(await settingsOf(options, use), { ...use, ...openOptionsOf(use) })
}

/**
 * The queues in the tables of `url` and `tablePrefix`, by name, with their sizes and the leases that are
 * held. It creates and upgrades nothing; without a file, database or tables there are no queues. `name` is
 * ignored.
 *
 * @throws SluiceError as {@link queueExists} does
 */
export async function listQueues(
  options: SqlQueueOptions,
  use: QueueUse = {},
): Promise<readonly StoredQueue[]> {
  return listSqlQueues(await settingsOf(options, use), openOptionsOf(use))
}

/**
 * Removes a queue with its items, attempts, documents, leases, limits and pause. One transaction takes it out
 * of use, unless a lease is held or, without `withRunning`, items are in PROCESSING; its items are deleted
 * then, a thousand in a transaction. If the process is killed in between, the same call continues. Every
 * queue object that has it open rejects SLUICE_QUEUE_CORRUPT from the first step on. The tables stay, and a
 * SQLite file keeps its size until VACUUM. On PostgreSQL the role needs the privilege `delete` on all tables
 * of the queue.
 *
 * @throws SluiceError as {@link openQueue} does
 */
export async function dropQueue(options: SqlQueueOptions, use: DropQueueUse = {}): Promise<DropOutcome> {
  return dropSqlQueue(await settingsOf(options, use), use, openOptionsOf(use))
}

/** Not for short commands, which would repeat the warning each time. */
async function reportPlace({ url }: SqlQueueSettings, { brief, logger }: QueueUse): Promise<void> {
  const place = placeOf(url)
  if (brief === true || logger === undefined || place.kind !== 'sqlite' || isInMemory(place.path)) return
  await reportFileSystem(place.path, logger)
}

async function settingsOf(options: SqlQueueOptions, use: PackageContext): Promise<SqlQueueSettings> {
  return withBaseDir(await checkOptions(schema, options, PACKAGE), use)
}

function withBaseDir(settings: SqlQueueSettings, use: PackageContext): SqlQueueSettings {
  const baseDir = baseDirOf(use, 'url')
  return baseDir === undefined ? settings : { ...settings, url: withAbsolutePaths(settings.url, baseDir) }
}

function openOptionsOf({ logger = silentLogger, brief }: Pick<QueueUse, 'logger' | 'brief'>): OpenOptions {
  return { warn: (text) => logger.warn({}, text), brief }
}
