import { isSluiceError, SluiceError } from '@sluice/core'

const REASONS: Partial<Record<string, string>> = {
  ENOENT: 'no such file',
  EISDIR: 'it is a directory',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENOSPC: 'the disk is full',
  Z_BUF_ERROR: 'the gzip file is truncated: download it again, then run the same command again',
  Z_DATA_ERROR: 'the gzip file is corrupt: download it again, then run the same command again',
}

const WRITE_REASONS: Partial<Record<string, string>> = {
  ENOENT: 'no such directory',
  EISDIR: 'it is a directory',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
}

/** Why a file can't be read. */
export function whyUnreadable(error: unknown): string {
  const cause = asError(error)
  return REASONS['code' in cause ? String(cause.code) : ''] ?? cause.message
}

/** The error of reading a manifest as SLUICE_INPUT_INVALID; an abort stays unchanged. */
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

/** The error of writing the rejects file as SLUICE_INPUT_INVALID. */
export function rejectsError(error: unknown, path: string): Error {
  const cause = asError(error)
  const code = 'code' in cause ? String(cause.code) : ''
  const why = WRITE_REASONS[code] ?? cause.message
  return new SluiceError('SLUICE_INPUT_INVALID', `Could not write the rejects to ${path}: ${why}`, {
    cause,
  })
}
