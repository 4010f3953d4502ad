import { existsSync, lstatSync, mkdirSync, readlinkSync, statSync, writeFileSync, type Stats } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { SluiceError } from '@sluice/core'
import { codeOf } from '../sql-errors.js'

/** The one path that is no file: a database in memory, which only its own connection sees. */
export const IN_MEMORY = ':memory:'

/**
 * Why what follows `sqlite:` in a url names no file, or `undefined`. It is a path and nothing else: SQLite would read `file:…` as a URI, whose parameters
 * can make the database one in memory, or open it without locks.
 */
export function wrongSqlitePath(path: string): string | undefined {
  if (path === IN_MEMORY) return undefined
  if (/^file:/i.test(path))
    return 'must have a path right after sqlite:, not a file: URI, as in sqlite:/data/queue.db; in memory it is sqlite::memory:'
  if (/^:memory:/i.test(path)) return 'must be sqlite::memory: as it stands for a database in memory'
  if (/^\/\/(?!\/)/.test(path))
    return 'must have a path right after sqlite:, without a host, as in sqlite:queue.db or sqlite:/data/queue.db'
  if (/\?[a-z_]+=/i.test(path))
    return 'must have a path alone after sqlite: no parameters such as mode, cache or vfs'
  if (!path.isWellFormed()) return 'must be well-formed text: no file name has a lone surrogate'
  if (path.endsWith('/')) return 'must name a file, not a folder: give it a name, as in sqlite:/data/queue.db'
  return undefined
}

/**
 * Whether the file is there; what is in memory never is. It opens nothing: to close a second descriptor of a file takes away the locks that SQLite has on it.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID when it is something else than a file of one name
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
    return 'it is a symbolic link to a file that is not there. Make that file, or name it without the link'
  return `${link} is a symbolic link to ${readlinkSync(link)}, which is not there. Make that folder, or name another one in the url`
}

/** The path, or the nearest one above it that has a name in its folder, a link that leads nowhere included. */
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
  if (found.isDirectory()) return `it is a directory. Name a file in it instead, such as ${path}/sluice.db`
  if (!found.isFile()) return 'it is a device, a pipe or a socket. Name an ordinary file'
  if (found.nlink > 1)
    return (
      `it has ${found.nlink} names (hard links), and SQLite would keep a log beside each of them: whoever uses another name would ` +
      'damage it. Remove the other names, or copy it to a file of its own'
    )
  return undefined
}

/** Makes the file that isn't there yet, readable by its owner alone, since bodies may be private; SQLite gives `-wal` and `-shm` its mode. */
export function prepareFile(path: string): void {
  if (sqliteFileExists(path)) return
  makeFolder(dirname(path))
  try {
    writeFileSync(path, '', { flag: 'wx', mode: 0o600 })
  } catch (error) {
    // Of ten processes that start together nine find that another has made it.
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

/** One folder after the other: where the system lets nobody make one, Node's own recursion may try for ever. */
function makeFolder(path: string): void {
  if (existsSync(path)) return
  makeFolder(dirname(path))
  try {
    mkdirSync(path)
  } catch (error) {
    // Another process that starts at the same time has made it.
    if (codeOf(error) === 'EEXIST') return
    if (codeOf(error) !== 'ENOENT' || !existsSync(dirname(path))) throw error
    throw unmakeable(dirname(path), `mkdir ${path}`)
  }
}

/** A file system such as `/proc`, where no user makes anything, says that it is not there. */
export function unmakeable(folder: string, attempted: string): SluiceError {
  const message =
    `Cannot make the SQLite file: the file system lets nothing be made in ${folder} (ENOENT ${attempted}). ` +
    'Name another place in the url'
  return new SluiceError('SLUICE_CONFIG_INVALID', message)
}
