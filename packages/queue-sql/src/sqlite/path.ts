import { existsSync, lstatSync, mkdirSync, readlinkSync, statSync, writeFileSync, type Stats } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { SluiceError } from '@sluice/core'
import { codeOf } from '../sql-errors.js'

/** The path that is not a file: a database in memory, which only its own connection sees. */
export const IN_MEMORY = ':memory:'

/**
 * Why what follows `sqlite:` in a url is not a file path, or `undefined`. SQLite would read `file:…` as a
 * URI, whose parameters can make the database one in memory, or open it without locks.
 */
export function wrongSqlitePath(path: string): string | undefined {
  if (path === IN_MEMORY) return undefined
  if (/^file:/i.test(path))
    return 'must have a path right after sqlite:, not a file: URI, as in sqlite:/data/queue.db; in memory it is sqlite::memory:'
  if (/^:memory:/i.test(path)) return 'must be exactly sqlite::memory: for a database in memory'
  if (/^\/\/(?!\/)/.test(path))
    return 'must have a path right after sqlite:, without a host, as in sqlite:queue.db or sqlite:/data/queue.db'
  if (/\?[a-z_]+=/i.test(path))
    return 'must have only a path after sqlite:, without parameters such as mode, cache or vfs'
  if (!path.isWellFormed()) return 'must be well-formed Unicode: file names have no lone surrogates'
  if (path.endsWith('/')) return 'must name a file, not a folder: give it a name, as in sqlite:/data/queue.db'
  return undefined
}

/**
 * Whether the file exists; a database in memory never does. It opens nothing: closing a second descriptor of
 * a file releases SQLite's locks on it.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID if it is not a regular file with one name
 */
export function sqliteFileExists(given: string): boolean {
  if (given === IN_MEMORY) return false
  const path = resolve(given)
  const found = statSync(path, { throwIfNoEntry: false })
  const wrong = found === undefined ? wrongAbsence(path) : wrongKind(path, found)
  if (wrong === undefined) return found !== undefined
  throw new SluiceError('SLUICE_CONFIG_INVALID', `Cannot open the SQLite file ${path}: ${wrong}`)
}

function wrongAbsence(path: string): string | undefined {
  const link = firstThere(path)
  if (statSync(link, { throwIfNoEntry: false }) !== undefined) return undefined
  if (link === path)
    return 'it is a symbolic link to a file that does not exist. Create that file, or use a path without the link'
  return `${link} is a symbolic link to ${readlinkSync(link)}, which does not exist. Create that folder, or use another path in the url`
}

/** The path, or its nearest ancestor that exists, a dangling link included. */
function firstThere(path: string): string {
  let at = path
  while (!isNamed(at)) at = dirname(at)
  return at
}

/** Unlike `statSync`, `lstatSync` throws where a part of the path is a file. */
function isNamed(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    if (codeOf(error) === 'ENOTDIR') return false
    throw error
  }
}

function wrongKind(path: string, found: Stats): string | undefined {
  if (found.isDirectory()) return `it is a directory. Use a file in it, such as ${path}/sluice.db`
  if (!found.isFile()) return 'it is a device, a pipe or a socket. Use a regular file'
  if (found.nlink > 1)
    return (
      `it has ${found.nlink} names (hard links), and SQLite would keep a log beside each of them: a process that uses another name would ` +
      'damage it. Remove the other names, or copy it to a file of its own'
    )
  return undefined
}

/**
 * Creates the file if it does not exist, readable only by its owner because bodies may be private; SQLite
 * gives `-wal` and `-shm` its mode.
 */
export function prepareFile(path: string): void {
  if (sqliteFileExists(path)) return
  createFolder(dirname(path))
  try {
    writeFileSync(path, '', { flag: 'wx', mode: 0o600 })
  } catch (error) {
    // Another process that starts at the same time has created it.
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

/** One folder at a time: where none can be created, Node's own recursion may not end. */
function createFolder(path: string): void {
  if (existsSync(path)) return
  createFolder(dirname(path))
  try {
    mkdirSync(path)
  } catch (error) {
    // Another process that starts at the same time has created it.
    if (codeOf(error) === 'EEXIST') return
    if (codeOf(error) !== 'ENOENT' || !existsSync(dirname(path))) throw error
    throw cannotCreate(dirname(path), `mkdir ${path}`)
  }
}

/** A file system such as `/proc`, in which nothing can be created, reports ENOENT. */
export function cannotCreate(folder: string, attempted: string): SluiceError {
  const message =
    `Cannot create the SQLite file: the file system allows nothing to be created in ${folder} (ENOENT ${attempted}). ` +
    'Use another path in the url'
  return new SluiceError('SLUICE_CONFIG_INVALID', message)
}
