import { isSluiceError, SluiceError } from '@sluice/core'

const REASONS: Partial<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a directory',
  EACCES: 'it may not be read by this user',
  EPERM: 'it may not be read by this user',
  ENOSPC: 'the disk is full',
  Z_BUF_ERROR: 'the gzip file is cut off: get the whole file, then run the same command again',
  Z_DATA_ERROR: 'the gzip file is damaged: get the file again, then run the same command again',
}

const WRITE_REASONS: Partial<Record<string, string>> = {
  ENOENT: 'there is no such directory',
  EISDIR: 'it is a directory',
  EACCES: 'it may not be written by this user',
  EPERM: 'it may not be written by this user',
  EROFS: 'it may not be written there',
  ENOSPC: 'the disk is full',
}

/** Why a file can't be read, for people. */
export function whyUnreadable(error: unknown): string {
  const cause = asError(error)
  return REASONS['code' in cause ? String(cause.code) : ''] ?? cause.message
}

/** What went wrong while a manifest was read, as SLUICE_INPUT_INVALID; an abort stays what it is. */
export function manifestError(error: unknown, name: string): Error {
  if (isSluiceError(error)) return error
  if (!(error instanceof Error) || error.name === 'AbortError') return asError(error)
  return new SluiceError(
    'SLUICE_INPUT_INVALID',
    `Could not read the manifest ${name}: ${whyUnreadable(error)}`,
    { cause: error },
  )
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** What went wrong while the refused lines were written down, as SLUICE_INPUT_INVALID. */
export function rejectsError(error: unknown, path: string): Error {
  const cause = asError(error)
  const code = 'code' in cause ? String(cause.code) : ''
  const why = WRITE_REASONS[code] ?? cause.message
  return new SluiceError('SLUICE_INPUT_INVALID', `Could not write the refused lines to ${path}: ${why}`, {
    cause,
  })
}
