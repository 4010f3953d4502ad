import { linkSync, lstatSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs'
import { lstat, readlink, symlink, unlink } from 'node:fs/promises'
import { isSystemError } from '../process-errors.js'

/**
 * A record is a symbolic link whose target is its text. One system call makes it, whole, and fails if there
 * is one already: a write-once register that a shell (`ln -s`) and Node share, with no moment at which it
 * exists but is empty.
 */
export interface FileRecord {
  readonly text: string
  /** Epoch ms of the file system's clock. */
  readonly at: number
}

/** Makes the record. `false`: there is one, and it stays as it is. */
export async function writeOnce(path: string, text: string): Promise<boolean> {
  try {
    await symlink(text, path)
    return true
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return false
    throw error
  }
}

/** The record, or `undefined` when there is none. */
export async function readRecord(path: string): Promise<FileRecord | undefined> {
  return absentAsUndefined(async () => {
    const text = await readlink(path)
    const { mtimeMs } = await lstat(path)
    return { text, at: Math.round(mtimeMs) }
  })
}

/** Whether there is a record. */
export async function hasRecord(path: string): Promise<boolean> {
  return (await absentAsUndefined(() => readlink(path))) !== undefined
}

/** Removes a record or a file if it is there. */
export async function removeIfThere(path: string): Promise<void> {
  await absentAsUndefined(() => unlink(path))
}

/** What the function returns, or `undefined` when the file, the folder or the process is missing. */
export async function absentAsUndefined<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR', 'ESRCH')) return undefined
    throw error
  }
}

/** As {@link writeOnce}, without a turn of the event loop: a call of a local disk takes microseconds. */
export function writeOnceSync(path: string, text: string): boolean {
  try {
    symlinkSync(text, path)
    return true
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return false
    throw error
  }
}

/** As {@link readRecord}. */
export function readRecordSync(path: string): FileRecord | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return undefined
  return absentAsUndefinedSync(() => ({ text: readlinkSync(path), at: Math.round(found.mtimeMs) }))
}

/** As {@link hasRecord}. */
export function hasRecordSync(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

/** As {@link removeIfThere}. */
export function removeIfThereSync(path: string): void {
  absentAsUndefinedSync(() => unlinkSync(path))
}

/** As {@link absentAsUndefined}. */
export function absentAsUndefinedSync<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR', 'ESRCH')) return undefined
    throw error
  }
}

/** Gives a file or record a second name, which takes no inode. `false`: the name is taken. */
export function linkOnceSync(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return false
    throw error
  }
}
