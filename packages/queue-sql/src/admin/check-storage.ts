import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { open, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { SluiceError, type StorageFinding } from '@sluice/core'
import { CallGate } from '../calls/call-gate.js'
import { tryRows } from './check-rows.js'
import { rolledBack } from '../schema/migration.js'
import { isPlaceThere, openStore } from '../open-sql-queue.js'
import { SCHEMA_VERSION } from '../schema/steps.js'
import { codeOf, sqlError } from '../sql-errors.js'
import { placeOf, type SqlQueueSettings } from '../sql-options.js'
import type { OpenOptions, SqlStore } from '../sql-store.js'
import { unmakeable } from '../sqlite/path.js'
import { isInMemory } from '../sqlite/store.js'

/** What is written to find out whether the disk takes anything: more than the log of SQLite grows by with a few calls. */
const TRIED_BYTES = 65_536

/**
 * Tries what a service does with a database, in a transaction that is rolled back: it makes the tables, or writes, changes and deletes a row in each of
 * them. On PostgreSQL all privileges are asked for first, so that every missing one is named. Of a SQLite file the folder and the disk are tried too.
 *
 * @throws SluiceError as `openQueue`
 */
export async function checkSqlStorage(
  settings: SqlQueueSettings,
  warn: OpenOptions['warn'],
): Promise<StorageFinding> {
  const place = placeOf(settings.url)
  if (place.kind === 'sqlite') {
    if (isInMemory(place.path)) return {}
    const isThere = isPlaceThere(settings, warn)
    await assertWritable(resolve(place.path))
    if (!isThere) return {}
  }
  const store = openStore(settings)
  const gate = new CallGate(settings.name, store)
  try {
    return await gate.run('try what a service does', () => tryStore(store))
  } finally {
    await gate.close()
  }
}

async function tryStore(store: SqlStore): Promise<StorageFinding> {
  const version = await store.tablesVersion()
  if (version === 0) {
    await store.tryMigration()
    return {}
  }
  // To try that would copy and lock tables that others use.
  if (version < SCHEMA_VERSION) return { upgrade: upgradeText(version) }
  const lacking = await store.lackingPrivileges?.()
  if (lacking !== undefined)
    throw new SluiceError('SLUICE_QUEUE_DENIED', `Cannot use the tables of ${store.place}: ${lacking}`)
  await rolledBack(store.db, (trx) => tryRows(trx, store))
  return {}
}

function upgradeText(version: number): string {
  return (
    `its tables are of version ${version}: opening the queue upgrades them to ${SCHEMA_VERSION}, and older releases can't use them from then on; ` +
    'stop their processes first'
  )
}

/** Writes a file that has no name any more, so that nothing of it is left, whatever happens meanwhile. */
async function assertWritable(path: string): Promise<void> {
  const folder = existingFolder(dirname(path))
  try {
    const trial = join(folder, `.sluice-check-${randomUUID()}`)
    const file = await open(trial, 'wx', 0o600)
    try {
      await unlink(trial)
      await file.writeFile(new Uint8Array(TRIED_BYTES))
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' && existsSync(folder)) throw unmakeable(folder, 'open')
    throw sqlError(error, {
      what: 'write a file',
      place: `the folder ${folder} of the SQLite file ${path}`,
      advice:
        code === 'ENOSPC' || code === 'EDQUOT'
          ? undefined
          : 'SQLite keeps files of its own beside it: let this user write into the folder, or name another place in the url',
      hidesFile: true,
    })
  }
}

/** Where the first folder is made that is not there yet. */
function existingFolder(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : existingFolder(dirname(path))
}
