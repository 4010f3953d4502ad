import { createWriteStream } from 'node:fs'
import { open, realpath, rename, rm, stat } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { isSluiceError, SluiceError } from '@sluice/core'

/**
 * Writes a file atomically: to a temporary file beside it that is renamed at the end. A pipe or a device is
 * written directly.
 *
 * @throws SluiceError SLUICE_INPUT_INVALID where it can't be written; what `write` rejects with
 */
export async function writeFileWhole<T>(path: string, write: (out: Writable) => Promise<T>): Promise<T> {
  // A new file has no other name.
  const target = await realpath(path).catch(() => path)
  // A missing file is created; for any other error, opening it throws the reason.
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
      // The error of the write itself is reported.
    })
    throw error
  }
}

/** Explains errors of the file; any other error comes from the content. */
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

/** Without it a power failure after the rename could leave an empty file. */
async function flush(draft: string): Promise<void> {
  const file = await open(draft, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

const REASONS: Partial<Record<string, string>> = {
  ENOENT: 'no such directory',
  ENOTDIR: 'no such directory',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: "this user's quota is exhausted",
}

const FILE_CALLS = new Set(['open', 'write', 'writev', 'fsync', 'rename', 'close'])

/** Errors of other system calls come from a queue's network. */
function isOfFile(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && FILE_CALLS.has(String(error.syscall))
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
}

function outError(why: string, path: string, cause?: unknown): SluiceError {
  return new SluiceError('SLUICE_INPUT_INVALID', `Could not write the file ${path}: ${why}`, { cause })
}
