import { createWriteStream } from 'node:fs'
import { open, realpath, rename, rm, stat } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { isSluiceError, SluiceError } from '@sluice/core'

/**
 * Writes a file so that it is there whole or as it was before: into a neighbour that is renamed at the end.
 * A pipe or a device is written directly.
 *
 * @throws SluiceError SLUICE_INPUT_INVALID when it can't be written there; whatever `write` rejects with
 */
export async function writeFileWhole<T>(path: string, write: (out: Writable) => Promise<T>): Promise<T> {
  // A file that isn't there yet has no other name.
  const target = await realpath(path).catch(() => path)
  // It is made then; where it can't even be looked at, opening it says why.
  const found = await stat(target).catch(() => undefined)
  if (found !== undefined && !found.isFile()) {
    if (found.isDirectory()) throw outError('it is a directory', path)
    return await writing(path, () => write(createWriteStream(target)))
  }
  const draft = `${target}.${process.pid}.part`
  try {
    return await writing(path, async () => {
      const result = await write(await openDraft(draft, path))
      await flush(draft)
      await rename(draft, target)
      return result
    })
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {
      // The failure of the file itself is the one to report.
    })
    throw error
  }
}

/** What the file system refuses is a file that can't be written; anything else comes from what was to be written. */
async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isSluiceError(error) || !isOfFile(error)) throw error
    throw outError(REASONS[codeOf(error)] ?? String(error), path, error)
  }
}

async function openDraft(draft: string, path: string): Promise<Writable> {
  try {
    return (await open(draft, 'w')).createWriteStream()
  } catch (error) {
    throw outError(REASONS[codeOf(error)] ?? String(error), path, error)
  }
}

/** Without it a power cut after the rename could leave an empty file under the right name. */
async function flush(draft: string): Promise<void> {
  const file = await open(draft, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

const REASONS: Partial<Record<string, string>> = {
  ENOENT: 'there is no such directory',
  ENOTDIR: 'there is no such directory',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'nobody may write there',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of this user is used up',
}

const FILE_CALLS = new Set(['open', 'write', 'writev', 'fsync', 'rename', 'close'])

/** Of other calls are the errors of a queue's network. */
function isOfFile(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && FILE_CALLS.has(String(error.syscall))
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
}

function outError(why: string, path: string, cause?: unknown): SluiceError {
  return new SluiceError('SLUICE_INPUT_INVALID', `Could not write the file ${path}: ${why}`, { cause })
}
