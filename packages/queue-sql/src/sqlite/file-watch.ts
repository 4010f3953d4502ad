import { realpathSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { isSqliteBusy, FileGoneError } from '../sql-errors.js'

/** The longest time between two checks while there are calls: a check costs 10 µs. */
const CHECK_EVERY_MS = 10
/** A write-ahead log has 4 MB unless something prevents checkpoints. */
const LARGE_WAL_BYTES = 67_108_864
const MAX_OPENINGS = 3
const FRAME_HEADER_BYTES = 24

interface FileFacts {
  readonly identity: string
  readonly size: number
}

interface WatchedFile extends FileFacts {
  readonly path: string
}

/** Facts of a file by its path. Opening the file would endanger SQLite's locks on it. */
function factsOf(path: string): FileFacts | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? undefined : { identity: `${found.dev}:${found.ino}`, size: Number(found.size) }
}

/** A connection, and the identity of its file. */
export interface OpenedFile {
  readonly database: DatabaseSync
  readonly identity: string | undefined
}

/** Opens a file so that its identity is known to be that of the file at this path. */
export function openFile(path: string): OpenedFile {
  for (let opening = 1; ; opening++) {
    const before = factsOf(path)?.identity
    const database = new DatabaseSync(path)
    const identity = factsOf(path)?.identity
    if (before === identity || opening === MAX_OPENINGS) return { database, identity }
    database.close()
  }
}

export interface FileWatchOptions {
  /** The connection. */
  readonly database: DatabaseSync
  /** Absolute. */
  readonly path: string
  /** The identity of the file that the connection has open. */
  readonly identity: string | undefined
  readonly warn: (text: string) => void
}

/**
 * Notices that a SQLite file, its write-ahead log or the index of that log is no longer the one that the
 * connection has open. SQLite keeps writing to a file that was deleted, renamed or replaced, and reports
 * success for writes that no other process will read.
 *
 * The state is final: what was acknowledged since, and what other processes did with the files meanwhile, is
 * unknown.
 */
export class FileWatch {
  readonly #options: FileWatchOptions
  #files: WatchedFile[] = []
  #checkedAtMonotonic = Number.NEGATIVE_INFINITY
  #gone: FileGoneError | undefined
  #warnAtBytes = LARGE_WAL_BYTES

  constructor(options: FileWatchOptions) {
    this.#options = options
  }

  /**
   * Called after the first read: from then on SQLite keeps the log and its index while the connection is
   * open.
   */
  start(): void {
    const { path, identity } = this.#options
    const main = factsOf(path)
    if (main === undefined || main.identity !== identity) throw this.#end(path, main)
    // SQLite follows symbolic links, and keeps the log beside the real file.
    const real = realpathSync(path)
    const companions = [`${real}-wal`, `${real}-shm`].flatMap((companion): WatchedFile[] => {
      const facts = factsOf(companion)
      return facts === undefined ? [] : [{ ...facts, path: companion }]
    })
    this.#files = [{ ...main, path }, ...companions]
  }

  /**
   * Checks at most every 10 ms; the first call after a pause always checks.
   *
   * @throws FileGoneError now and at every later call; an error of the file system, which says nothing about
   * the file, only this time
   */
  assertInPlace(atMonotonic: number): void {
    if (this.#gone !== undefined) throw this.#gone
    if (atMonotonic - this.#checkedAtMonotonic < CHECK_EVERY_MS) return
    this.#files = this.#files.map((file) => this.#check(file))
    // Only after success: a failed check does not count.
    this.#checkedAtMonotonic = atMonotonic
  }

  #check(file: WatchedFile): WatchedFile {
    const facts = factsOf(file.path)
    if (facts?.identity !== file.identity) throw this.#end(file.path, facts)
    const isWhole = facts.size < file.size ? this.#isWhole(file, facts) : true
    if (isWhole === undefined) return file
    if (!isWhole) throw this.#end(file.path, facts)
    if (file.path.endsWith('-wal')) this.#warnOfSize(facts.size)
    return { ...file, size: facts.size }
  }

  /**
   * Whether the file is whole although it, or its log, is smaller than before. VACUUM shrinks the file, which
   * then has fewer pages; a checkpoint shrinks the log. Otherwise each missing page must be in the log, and
   * not written back yet. The check changes nothing: the writes of a checkpoint would hide that the file was
   * truncated.
   *
   * @returns `undefined` if it is unknown and must be checked again
   */
  #isWhole({ path, size: before }: WatchedFile, { size }: FileFacts): boolean | undefined {
    const { path: main, database } = this.#options
    if (size === 0 && path === main) return false
    if (database.isTransaction) return undefined
    try {
      const [pages, pageBytes] = [numberOf(database, 'page_count'), numberOf(database, 'page_size')]
      const { log, checkpointed } = framesOf(database)
      const [found, again] = [factsOf(path)?.size ?? 0, numberOf(database, 'page_count')]
      if (again !== pages || found !== size) return undefined
      if (path !== main) return size >= log * (pageBytes + FRAME_HEADER_BYTES)
      if (pages * pageBytes < before) return true
      const missing = pages - size / pageBytes
      if (missing <= 0) return true
      if (missing > log || log === checkpointed) return false
      // The log may have them: a new connection finds them there, or nowhere.
      return isSound(main)
    } catch (error) {
      return isSqliteBusy(error) ? undefined : false
    }
  }

  #warnOfSize(bytes: number): void {
    if (bytes < this.#warnAtBytes) return
    while (bytes >= this.#warnAtBytes) this.#warnAtBytes *= 2
    this.#options.warn(
      `The write-ahead log of the SQLite file ${this.#options.path} has ${Math.round(bytes / 1_048_576)} MiB. It cannot be written back while a ` +
        'program reads the file without pause: end long transactions of other programs, such as an open sqlite3 shell or a backup',
    )
  }

  #end(path: string, found: FileFacts | undefined): FileGoneError {
    const file = path === this.#options.path ? 'it' : `its companion ${path}`
    const known = this.#files.find((other) => other.path === path)
    const same = found !== undefined && found.identity === known?.identity
    const what = found === undefined ? 'deleted, renamed or unmounted' : same ? 'cut short' : 'replaced'
    this.#gone = new FileGoneError(`${file} was ${what} while it was open`)
    return this.#gone
  }
}

/**
 * Reads the whole file, which takes long if it is large. Needed only if VACUUM made it smaller and it has
 * grown since without a checkpoint.
 */
function isSound(path: string): boolean {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return Object.values(database.prepare('pragma quick_check(1)').get() ?? {})[0] === 'ok'
  } finally {
    database.close()
  }
}

function numberOf(database: DatabaseSync, pragma: string): number {
  return Number(Object.values(database.prepare(`pragma ${pragma}`).get() ?? {})[0])
}

/**
 * The frames of the log, and those written back; both -1 without a log.
 *
 * @see https://www.sqlite.org/pragma.html#pragma_wal_checkpoint NOOP, from SQLite 3.51 on
 */
function framesOf(database: DatabaseSync): { log: number; checkpointed: number } {
  const { log, checkpointed } = database.prepare('pragma wal_checkpoint(noop)').get() ?? {}
  return { log: Number(log), checkpointed: Number(checkpointed) }
}
