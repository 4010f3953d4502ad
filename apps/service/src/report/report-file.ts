import { createWriteStream } from 'node:fs'
import { open, realpath, rename, rm, stat } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { SluiceError } from '@sluice/core'

/**
 * Writes a file so that it is there whole or as it was before: into a neighbour that is renamed at the end.
 * A pipe or a device is written directly.
 *
 * @throws SluiceError SLUICE_INPUT_INVALID when it can't be written there; whatever `write` rejects with
 */
export async function writeFileWhole<T>(path: string, write: (out: Writable) => Promise<T>): Promise<T> {
  const target = await realpath(path).catch(() => path)
  const found = await stat(target).catch(() => undefined)
  if (found !== undefined && !found.isFile()) {
    if (found.isDirectory()) throw outError('it is a directory', path)
    return await write(createWriteStream(target))
  }
  const draft = `${target}.${process.pid}.part`
  try {
    const result = await write(await openDraft(draft, path))
    await flush(draft)
    await rename(draft, target)
    return result
  } catch (error) {
    await rm(draft, { force: true })
    throw isFull(error) ? outError('the disk is full', path, error) : error
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
}

function isFull(error: unknown): boolean {
  return codeOf(error) === 'ENOSPC'
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
}

function outError(why: string, path: string, cause?: unknown): SluiceError {
  return new SluiceError('SLUICE_INPUT_INVALID', `Could not write the file ${path}: ${why}`, { cause })
}
