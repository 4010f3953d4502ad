import { lstat, mkdir, readlink, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SluiceError } from '@sluice/core'
import { isSystemError } from '../process-errors.js'
import { absentAsUndefined } from './record.js'

/** A path that can be no folder: an operator must name another one. */
export class FolderError extends Error {
  override readonly name = 'FolderError'

  asMistake(): SluiceError {
    const advice = 'Name a folder that can be made as `dir` (`worker.dir` in the service)'
    return new SluiceError('SLUICE_CONFIG_INVALID', `${this.message}. ${advice}.`, { cause: this })
  }
}

/**
 * Makes a folder, and those above it that are missing, for this user alone. One after the other: where a file
 * system allows none, such as `/proc`, `recursive` of Node tries for ever.
 *
 * @throws FolderError; other errors of the system as they are
 */
export async function makeFolder(path: string): Promise<void> {
  const missing: string[] = []
  for (let at = path; !(await isFolder(at, path)); at = dirname(at)) missing.push(at)
  for (const folder of missing.toReversed()) await makeOne(folder, path)
}

async function isFolder(at: string, wanted: string): Promise<boolean> {
  try {
    if ((await stat(at)).isDirectory()) return true
  } catch (error) {
    if (isSystemError(error, 'ELOOP', 'ENAMETOOLONG'))
      throw cannotBe(wanted, `${at} can’t be used (${error.code})`)
    // Below a file, the error must name that file.
    if (isSystemError(error, 'ENOTDIR')) return false
    if (!isSystemError(error, 'ENOENT')) throw error
    const link = await absentAsUndefined(() => linkTarget(at))
    if (link === undefined) return false
    throw cannotBe(wanted, `${at} is a symbolic link to ${link}, which is not there`)
  }
  throw cannotBe(wanted, `${at} is not a folder`)
}

async function linkTarget(path: string): Promise<string | undefined> {
  return (await lstat(path)).isSymbolicLink() ? readlink(path) : undefined
}

async function makeOne(folder: string, wanted: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (error) {
    // Another process that starts at the same time may have made it.
    if (isSystemError(error, 'EEXIST', 'ENAMETOOLONG') && (await isFolder(folder, wanted))) return
    const parent = dirname(folder)
    if (!isSystemError(error, 'ENOENT') || !(await isFolder(parent, wanted))) throw error
    throw cannotBe(wanted, `the file system lets no folder be made in ${parent} (ENOENT mkdir ${folder})`)
  }
}

function cannotBe(wanted: string, why: string): FolderError {
  return new FolderError(`Could not make the folder ${wanted}: ${why}`)
}
