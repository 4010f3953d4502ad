import { existsSync, statSync } from 'node:fs'
import { link, open, rename, rm, statfs, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { DatabaseSync, backup } from 'node:sqlite'
import { SluiceError, type BackupOutcome, type BackupUse } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { SCHEMA_VERSION } from '../schema/steps.js'
import { sqlError, type Attempt } from '../sql-errors.js'
import { placeOf, type SqlQueueSettings } from '../sql-options.js'
import type { OpenOptions } from '../sql-store.js'
import { sqliteFileExists } from './path.js'
import { assertOpenable, isInMemory } from './store.js'
import { tableNames } from '../schema/tables.js'

/** Pages copied at a time, some 4 MB: after each step progress is reported and the signal checked. */
const STEP_PAGES = 1_000
/** The wait for another process, such as one that recovers the log. */
const BUSY_MS = 10_000

export interface BackupFileUse extends BackupUse, Pick<OpenOptions, 'warn' | 'runtime'> {}

/** The source and the target of a copy. */
interface Copy {
  readonly from: string
  readonly to: string
  /** The name of the copy until it is whole. */
  readonly partial: string
  readonly tablePrefix: string
}

/**
 * Copies a SQLite file by SQLite's online backup. A read transaction stays open on the source: the copy is of
 * that instant, writers continue, and their writes do not restart the copy, as they otherwise would.
 */
export async function backupSqlite(
  { url, tablePrefix, ...settings }: SqlQueueSettings,
  use: BackupFileUse,
): Promise<BackupOutcome> {
  const place = placeOf(url)
  if (place.kind === 'postgres') throw invalid(POSTGRES)
  if (isInMemory(place.path))
    throw invalid('A database in memory cannot be backed up: it ends with its process.')
  assertOpenable(place.path, { url, tablePrefix, ...settings }, use.warn)
  const { runtime = systemRuntime } = use
  const [from, to] = [resolve(place.path), resolve(use.target)]
  const copy = { from, to, partial: `${to}.partial-${runtime.newId()}`, tablePrefix }
  assertPlaces(copy)
  try {
    return await makeCopy(copy, use)
  } catch (error) {
    if (use.signal?.aborted === true) throw use.signal.reason
    throw sqlError(error, attemptOf(error, copy))
  } finally {
    for (const ending of ['', '-journal', '-wal', '-shm'])
      await rm(`${copy.partial}${ending}`, { force: true })
  }
}

const POSTGRES =
  "This copies only SQLite files. For PostgreSQL use pg_dump --format=custom --table='sluice_*' (with your tablePrefix), or a base backup with its " +
  'WAL: both are of one instant, while the server runs.'

/**
 * An error of the file system that names the partial copy is one of the target; others may be of either file.
 */
function attemptOf(error: unknown, { from, to, partial }: Copy): Attempt {
  const isOfCopy = error instanceof Error && 'path' in error && error.path === partial
  if (!isOfCopy) return { what: `copy to ${to} what is`, place: `the SQLite file ${from}` }
  const place = `the folder ${dirname(to)}`
  return {
    what: 'write the copy',
    place,
    hidesFile: true,
    advice: 'Check the permissions and the free space of that folder, or use another one',
  }
}

function assertPlaces({ from, to }: Copy): void {
  if (!sqliteFileExists(from)) throw invalid(`There is no SQLite file ${from}.`)
  if (existsSync(to)) throw invalid(`${to} exists and is not overwritten: use another name, or move it away.`)
  if (statSync(dirname(to), { throwIfNoEntry: false })?.isDirectory() !== true)
    throw invalid(`There is no folder ${dirname(to)}: create it, or use another one.`)
}

async function makeCopy(copy: Copy, use: BackupFileUse): Promise<BackupOutcome> {
  // Readable only by its owner from the start: bodies may be private. SQLite gives its companion files the
  // same mode.
  await writeFile(copy.partial, '', { flag: 'wx', mode: 0o600 })
  await copyPages(copy, use)
  use.signal?.throwIfAborted()
  const outcome = verified(copy)
  use.signal?.throwIfAborted()
  await synced(copy.partial)
  await moveUnlessThere(copy)
  await synced(dirname(copy.to))
  return outcome
}

async function copyPages(
  { from, partial, tablePrefix }: Copy,
  { onProgress, signal }: BackupFileUse,
): Promise<void> {
  const source = new DatabaseSync(from, { timeout: BUSY_MS })
  try {
    source.exec('begin')
    assertQueues(source, { path: from, tablePrefix })
    const pageBytes = numberOf(source, 'pragma page_size')
    const totalBytes = pageBytes * numberOf(source, 'pragma page_count')
    await assertRoom(partial, totalBytes)
    const report = (remainingPages: number): void => {
      onProgress?.({ doneBytes: totalBytes - remainingPages * pageBytes, totalBytes })
      // A throw ends the backup.
      signal?.throwIfAborted()
    }
    report(totalBytes / pageBytes)
    // `backup` does not report its last step.
    await backup(source, partial, {
      rate: STEP_PAGES,
      progress: ({ remainingPages }) => report(remainingPages),
    })
    report(0)
  } finally {
    source.close()
  }
}

/** A file without tables has nothing to copy; this release cannot verify the file of a newer one. */
function assertQueues(
  database: DatabaseSync,
  { path, tablePrefix }: { path: string; tablePrefix: string },
): void {
  const { schema } = tableNames(tablePrefix)
  const found = database.prepare('select 1 from sqlite_master where name = ?').get(schema)
  if (found === undefined)
    throw invalid(`The SQLite file ${path} has no queue with the tablePrefix ${tablePrefix}.`)
  const version = numberOf(database, `select max(version) from ${schema}`)
  if (version <= SCHEMA_VERSION) return
  throw new SluiceError(
    'SLUICE_QUEUE_CORRUPT',
    `The tables of the SQLite file ${path} are of version ${version}; this release knows versions up to ${SCHEMA_VERSION}. Upgrade @sluice/queue-sql`,
  )
}

async function assertRoom(path: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path))
  const freeBytes = bavail * bsize
  if (freeBytes >= neededBytes) return
  throw new SluiceError(
    'SLUICE_QUEUE_UNAVAILABLE',
    `Not enough space for the copy: it needs ${neededBytes} bytes, and ${freeBytes} are free in ${dirname(path)}. Nothing was written.`,
  )
}

/** Reads the whole copy, and makes it one file without a log. */
function verified({ partial, tablePrefix }: Copy): BackupOutcome {
  const database = new DatabaseSync(partial)
  try {
    database.exec('pragma journal_mode = delete')
    const problems = database
      .prepare('pragma integrity_check(1)')
      .all()
      .map((row) => String(Object.values(row)[0]))
    if (problems.join() !== 'ok') {
      const why = `the copy is damaged, and so is its source, or the disk: ${problems.join('; ')}`
      throw new SluiceError(
        'SLUICE_QUEUE_CORRUPT',
        `No backup was made: ${why}. Check the source with: sqlite3 FILE 'pragma integrity_check'`,
      )
    }
    const { items } = tableNames(tablePrefix)
    const bytes = numberOf(database, 'pragma page_size') * numberOf(database, 'pragma page_count')
    return { bytes, items: numberOf(database, `select count(*) from ${items}`) }
  } finally {
    database.close()
  }
}

async function synced(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** A rename would overwrite a file that another process has created meanwhile. */
async function moveUnlessThere({ partial, to }: Copy): Promise<void> {
  try {
    await link(partial, to)
    // A queue refuses a file of two names.
    await rm(partial)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EEXIST')
      throw invalid(`${to} was created by another process meanwhile, and is not overwritten.`)
    if (!WITHOUT_LINKS.has(code)) throw error
    // An empty file reserves the name first.
    await writeFile(to, '', { flag: 'wx', mode: 0o600 })
    await rename(partial, to)
  }
}

/** Error codes of file systems without hard links. */
const WITHOUT_LINKS: ReadonlySet<unknown> = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'])

function numberOf(database: DatabaseSync, text: string): number {
  return Number(Object.values(database.prepare(text).get() ?? {})[0])
}

function invalid(message: string): SluiceError {
  return new SluiceError('SLUICE_CONFIG_INVALID', message)
}
