import { basename, dirname } from 'node:path'
import { isSluiceError, SluiceError } from '@sluice/core'
import type { ExitName } from './exit-codes.js'

/**
 * The error of a command that is not a {@link @sluice/core!SluiceError}: not confirmed, interrupted, a broken
 * contract. It is printed as one message without a stack trace.
 */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exit: ExitName

  /** @param exit the name of the exit code, and the code of the error with `--json` */
  constructor(exit: ExitName, message: string) {
    super(message)
    this.exit = exit
  }
}

/**
 * Runs work that a signal ends.
 *
 * @throws CommandError INTERRUPTED with the message where the work fails after the signal; any other error of
 * the work
 */
export async function untilInterrupted<T>(
  context: { interrupted(): AbortSignal },
  message: string,
  work: () => Promise<T>,
): Promise<T> {
  const signal = context.interrupted()
  try {
    return await work()
  } catch (error) {
    if (!signal.aborted) throw error
    throw new CommandError('INTERRUPTED', message)
  }
}

/** The configured queue does not exist: a wrong setting, for a command that does not create one. */
export class AbsentQueueError extends SluiceError {
  constructor(message: string) {
    super('SLUICE_CONFIG_INVALID', message)
  }
}

/** The same error, with a further line in its message. */
export function withLine(error: unknown, line: string): Error {
  const message = `${messageOf(error)}\n${line}`
  if (error instanceof CommandError) return new CommandError(error.exit, message)
  if (!isSluiceError(error)) return new Error(message, { cause: error })
  const { code, retryable, retryAfterMs, stored } = error
  return new SluiceError(code, message, {
    cause: error,
    retryable,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(stored === undefined ? {} : { stored }),
  })
}

/** The message of an error. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

const REFUSED: Readonly<Record<string, readonly [why: string, next: string]>> = {
  EACCES: ['permission denied', 'Allow this user to write there'],
  EPERM: ['operation not permitted', 'Allow this user to write there'],
  EROFS: ['the file system is read-only', 'Choose another folder'],
  ENOSPC: ['the disk is full', 'Free some space'],
  EDQUOT: ["this user's quota is exhausted", 'Free some space'],
}

/** Errors of folders only. */
const NO_FOLDER: Readonly<Record<string, readonly [why: string, next: string]>> = {
  ENOENT: ['the file system does not allow folders there', 'Choose another folder'],
  EEXIST: ['it is not a folder, or a broken link', 'Move it away'],
}

/**
 * Explains a file or folder that can't be created or written, which is not a bug. Any other error stays
 * unchanged.
 */
export function fileRefusal(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || !('path' in error)) return error
  const { code, path } = error
  const isOfFolder = 'syscall' in error && error.syscall === 'mkdir'
  const [why, next] = REFUSED[String(code)] ?? (isOfFolder ? NO_FOLDER[String(code)] : undefined) ?? []
  if (why === undefined || next === undefined || typeof path !== 'string') return error
  const what = basename(path)
  return new CommandError(
    'INVALID',
    `Could not create or write ${what} in the folder ${dirname(path)}: ${why}. ${next}.`,
  )
}
