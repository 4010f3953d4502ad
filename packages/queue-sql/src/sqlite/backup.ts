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

/** Pages that are copied at a time, some 4 MB: so often progress is told, and a signal obeyed. */
const STEP_PAGES = 1_000
/** Another process may have to end what it is at, such as reading the log of one that was killed. */
const BUSY_MS = 10_000

export interface BackupFileUse extends BackupUse, Pick<OpenOptions, 'warn' | 'runtime'> {}

/** What is copied, and where to. */
interface Copy {
  readonly from: string
  readonly to: string
  /** Where it is until it is whole. */
  readonly partial: string
  readonly tablePrefix: string
}

/**
 * Copies a SQLite file by SQLite's own online backup. The source has a read transaction open all the time: the copy is of that instant, writers go on, and
 * what they write does not make the copying begin again, which without it may go on for as long as they write.
 */
export async function backupSqlite(
  { url, tablePrefix, ...settings }: SqlQueueSettings,
  use: BackupFileUse,
): Promise<BackupOutcome> {
  const place = placeOf(url)
  if (place.kind === 'postgres') throw invalid(POSTGRES)
  if (isInMemory(place.path))
    throw invalid('A database in memory can’t be backed up: it is gone with its process.')
  assertOpenable(place.path, { url, tablePrefix, ...settings }, use.warn)
  const { runtime = systemRuntime } = use
  const [from, to] = [resolve(place.path), resolve(use.target)]
  const copy = { from, to, partial: `${to}.partial-${runtime.newId()}`, tablePrefix }
  assertPlaces(copy)
  try {
    return await made(copy, use)
  } catch (error) {
    if (use.signal?.aborted === true) throw use.signal.reason
    throw sqlError(error, attemptOf(error, copy))
  } finally {
    for (const ending of ['', '-journal', '-wal', '-shm'])
      await rm(`${copy.partial}${ending}`, { force: true })
  }
}

const POSTGRES =
  "Only a SQLite file is copied by this. PostgreSQL copies itself while it is at work: pg_dump --format=custom --table='sluice_*' (with your tablePrefix) " +
  'is of one instant, and so is a base backup with its log.'

/** What the file system refuses is the copy, which has another name as long as it is made; all else may be either file. */
function attemptOf(error: unknown, { from, to, partial }: Copy): Attempt {
  const isOfCopy = error instanceof Error && 'path' in error && error.path === partial
  if (!isOfCopy) return { what: `make the copy ${to} of what is`, place: `the SQLite file ${from}` }
  const place = `the folder ${dirname(to)}`
  return {
    what: 'write the copy',
    place,
    hidesFile: true,
    advice: 'Check the permissions of that folder and its room, or name another one',
  }
}

function assertPlaces({ from, to }: Copy): void {
  if (!sqliteFileExists(from)) throw invalid(`There is no SQLite file ${from}.`)
  if (existsSync(to))
    throw invalid(`${to} exists, and is not overwritten: name another file, or move it away.`)
  if (statSync(dirname(to), { throwIfNoEntry: false })?.isDirectory() !== true)
    throw invalid(`There is no folder ${dirname(to)}: make it, or name another one.`)
}

async function made(copy: Copy, use: BackupFileUse): Promise<BackupOutcome> {
  // Its own from the first byte on: bodies may be private. What SQLite adds beside it has the same mode.
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
    const tell = (remainingPages: number): void => {
      onProgress?.({ doneBytes: totalBytes - remainingPages * pageBytes, totalBytes })
      // What is thrown here ends the copying.
      signal?.throwIfAborted()
    }
    tell(totalBytes / pageBytes)
    // It says nothing of its last step.
    await backup(source, partial, {
      rate: STEP_PAGES,
      progress: ({ remainingPages }) => tell(remainingPages),
    })
    tell(0)
  } finally {
    source.close()
  }
}

/** Where nobody has put an item yet there is nothing to copy; a file of a newer release may be damaged by what this one takes for whole. */
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
    `There is no room for the copy: it is ${neededBytes} bytes, and ${freeBytes} are free in ${dirname(path)}. Nothing was written.`,
  )
}

/** Reads all of the copy. It is then a file by itself, without a log: the next queue that opens it makes one. */
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

/** A rename would overwrite what another process has made meanwhile. */
async function moveUnlessThere({ partial, to }: Copy): Promise<void> {
  try {
    await link(partial, to)
    // A queue refuses a file of two names.
    await rm(partial)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EEXIST')
      throw invalid(`${to} was made by another process meanwhile, and is not overwritten.`)
    if (!WITHOUT_LINKS.has(code)) throw error
    // Its name is taken first, by a file that is empty for a moment.
    await writeFile(to, '', { flag: 'wx', mode: 0o600 })
    await rename(partial, to)
  }
}

/** What file systems say that have no second names for files. */
const WITHOUT_LINKS: ReadonlySet<unknown> = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'])

function numberOf(database: DatabaseSync, text: string): number {
  return Number(Object.values(database.prepare(text).get() ?? {})[0])
}

function invalid(message: string): SluiceError {
  return new SluiceError('SLUICE_CONFIG_INVALID', message)
}
