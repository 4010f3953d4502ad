import { realpathSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { isSqliteBusy, FileGoneError } from '../sql-errors.js'

/** The longest time between two looks while calls come: a look costs 10 µs. */
const LOOK_EVERY_MS = 10
/** A write-ahead log has 4 MB when nothing keeps it from being written back. */
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

/** What is known of a file by its path: to open it would endanger the locks that SQLite has on it. */
function factsOf(path: string): FileFacts | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? undefined : { identity: `${found.dev}:${found.ino}`, size: Number(found.size) }
}

/** A connection, and which file it has open. */
export interface OpenedFile {
  readonly database: DatabaseSync
  readonly identity: string | undefined
}

/** Opens a file of which it is then known that it was the one at this path. */
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
  /** Which file the connection has open. */
  readonly identity: string | undefined
  readonly warn: (text: string) => void
}

/**
 * Notices that a SQLite file, its write-ahead log or the index of that log is no longer what the connection has open. SQLite itself goes on writing to a file
 * that was deleted, renamed or replaced, and reports success for what nobody will ever read.
 *
 * Once noticed it stays so: what was acknowledged since and what another process made of the files meanwhile cannot be told any more.
 */
export class FileWatch {
  readonly #options: FileWatchOptions
  #files: WatchedFile[] = []
  #lookedAt = Number.NEGATIVE_INFINITY
  #gone: FileGoneError | undefined
  #warnAtBytes = LARGE_WAL_BYTES

  constructor(options: FileWatchOptions) {
    this.#options = options
  }

  /** Call it after the first read: from then on SQLite keeps the log and its index for as long as the connection is open. */
  start(): void {
    const { path, identity } = this.#options
    const main = factsOf(path)
    if (main === undefined || main.identity !== identity) throw this.#end(path, main)
    // SQLite follows a symbolic link, and has the log beside the file itself.
    const real = realpathSync(path)
    const companions = [`${real}-wal`, `${real}-shm`].flatMap((companion): WatchedFile[] => {
      const facts = factsOf(companion)
      return facts === undefined ? [] : [{ ...facts, path: companion }]
    })
    this.#files = [{ ...main, path }, ...companions]
  }

  /**
   * Looks at most every 10 ms; a pause always ends with a look.
   *
   * @throws FileGoneError now and ever after; an error of the file system, which says nothing about the file, for this time alone
   */
  assertInPlace(atMonotonic: number): void {
    if (this.#gone !== undefined) throw this.#gone
    if (atMonotonic - this.#lookedAt < LOOK_EVERY_MS) return
    this.#files = this.#files.map((file) => this.#look(file))
    // Not before all is well: a look that failed is no look.
    this.#lookedAt = atMonotonic
  }

  #look(file: WatchedFile): WatchedFile {
    const facts = factsOf(file.path)
    if (facts?.identity !== file.identity) throw this.#end(file.path, facts)
    const isWhole = facts.size < file.size ? this.#isWhole(file, facts) : true
    if (isWhole === undefined) return file
    if (!isWhole) throw this.#end(file.path, facts)
    if (file.path.endsWith('-wal')) this.#warnOfSize(facts.size)
    return { ...file, size: facts.size }
  }

  /**
   * Whether the file is whole although it, or its log, is smaller than before. VACUUM makes the file so, which then has fewer pages, and a checkpoint the log.
   * Else each page that the file lacks must be in the log, and not be written back yet. Nothing is changed to find that out: what a checkpoint writes
   * would hide that something was cut off.
   *
   * @returns `undefined` while it can't be told: it is to be asked again
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
      // The log may have them: a connection that has read nothing before finds them there, or nowhere.
      return isSound(main)
    } catch (error) {
      return isSqliteBusy(error) ? undefined : false
    }
  }

  #warnOfSize(bytes: number): void {
    if (bytes < this.#warnAtBytes) return
    while (bytes >= this.#warnAtBytes) this.#warnAtBytes *= 2
    this.#options.warn(
      `The write-ahead log of the SQLite file ${this.#options.path} has ${Math.round(bytes / 1_048_576)} MiB. It can't be written back while a ` +
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

/** Reads all of it, which takes long for a large file: it was made smaller by VACUUM, has grown again since, and this was not yet written back. */
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
 * How many frames the log has, and how many of them are written back; both -1 without a log.
 *
 * @see https://www.sqlite.org/pragma.html#pragma_wal_checkpoint NOOP, from SQLite 3.51 on
 */
function framesOf(database: DatabaseSync): { log: number; checkpointed: number } {
  const { log, checkpointed } = database.prepare('pragma wal_checkpoint(noop)').get() ?? {}
  return { log: Number(log), checkpointed: Number(checkpointed) }
}
