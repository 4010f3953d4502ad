import { dirname } from 'node:path'
import { SluiceError, type ErrorCode } from '@sluice/core'
import { utf8Bytes } from '@sluice/core/backend'

/** Whether a value is an error of the operating system, of one of the given codes if any are given. */
export function isSystemError(error: unknown, ...codes: readonly string[]): error is NodeJS.ErrnoException {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return false
  return codes.length === 0 || codes.includes(error.code)
}

/** Whether the disk has no room: no free bytes, no free inodes, or none that this user may use. */
export function isNoRoom(error: unknown): boolean {
  return isSystemError(error, 'ENOSPC', 'EDQUOT')
}

const DENIED_ADVICE =
  '; let the user of the service write there, or name another folder as `dir` (`worker.dir` in the service)'

/**
 * An error of the file system as one of ours: a missing permission is SLUICE_WORKER_DENIED. All else (a full
 * disk, too many open files, a folder that went away) passes or is fixed by an operator, so it is
 * SLUICE_WORKER_UNAVAILABLE and no item fails for it: it is the worker's trouble.
 */
export function fileError(error: unknown, doing: string, more = ''): SluiceError {
  if (error instanceof SluiceError) return error
  const code: ErrorCode = isSystemError(error, 'EACCES', 'EPERM', 'EROFS')
    ? 'SLUICE_WORKER_DENIED'
    : 'SLUICE_WORKER_UNAVAILABLE'
  const advice = code === 'SLUICE_WORKER_DENIED' ? DENIED_ADVICE : ''
  return new SluiceError(code, `Could not ${doing}: ${systemText(error)}${more}${advice}.`, {
    concerns: 'worker',
    cause: error,
  })
}

/**
 * An error of starting a process as one of ours. Only arguments that are too large are the item's trouble;
 * too many processes or too little memory mean that the machine has no capacity for now, and all else is the
 * worker's trouble.
 */
export function spawnError(error: unknown, itemId: string): SluiceError {
  if (isSystemError(error, 'E2BIG')) return tooLarge(itemId, error)
  const concerns = isSystemError(error, 'EAGAIN', 'ENOMEM') ? 'capacity' : 'worker'
  const code: ErrorCode = isSystemError(error, 'EACCES', 'EPERM')
    ? 'SLUICE_WORKER_DENIED'
    : 'SLUICE_WORKER_UNAVAILABLE'
  const message = `Could not start the process for item ${JSON.stringify(itemId)}: ${systemText(error)}.`
  return new SluiceError(code, message, { itemId, concerns, cause: error })
}

/** Linux takes no longer argument, its NUL included, however short the whole command line is. */
const MAX_ARGUMENT_BYTES = 131_072

/**
 * Whether the system takes each argument. How many it takes together depends on the limits of the service's
 * process, and shows when a process is started.
 *
 * @throws SluiceError SLUICE_JOB_REJECTED
 */
export function assertArgumentsFit(args: readonly string[], itemId: string): void {
  if (process.platform !== 'linux') return
  if (args.some((argument) => utf8Bytes(argument) >= MAX_ARGUMENT_BYTES)) throw tooLarge(itemId)
}

function tooLarge(itemId: string, cause?: unknown): SluiceError {
  const message =
    `The command line for item ${JSON.stringify(itemId)} is larger than the system allows. ` +
    'Hand the body over on stdin, or put the data elsewhere and its address into the body.'
  return new SluiceError('SLUICE_JOB_REJECTED', message, {
    itemId,
    concerns: 'item',
    ...(cause === undefined ? {} : { cause }),
  })
}

const PLAIN: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
}

/** The system's own message without the arguments of the call, which may hold a body. */
function systemText(error: unknown): string {
  if (!isSystemError(error)) return error instanceof Error ? error.message : String(error)
  const call = error.syscall?.split(' ')[0]
  const words = PLAIN[error.code ?? '']
  if (words === undefined) return [error.code, call, error.path].filter(Boolean).join(' ')
  // The folder refuses; the name of what was to be made in it is internal.
  const folder = error.path === undefined ? '' : ` in ${dirname(error.path)}`
  return `${words} (${[error.code, call].filter(Boolean).join(' ')}${folder})`
}
