import { basename, dirname } from 'node:path'
import { isSluiceError, SluiceError } from '@sluice/core'
import type { ExitName } from './exit-codes.js'

/**
 * A command's own end that is no {@link @sluice/core!SluiceError}: refused by the user, interrupted, a contract that is
 * broken. It is shown as one message without a stack trace.
 */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exit: ExitName

  /** @param exit the exit code by its name; it is also the code of the error in `--json` */
  constructor(exit: ExitName, message: string) {
    super(message)
    this.exit = exit
  }
}

/** There is no queue where the configuration says that it is: a wrong setting, as far as a command that makes none can tell. */
export class AbsentQueueError extends SluiceError {
  constructor(message: string) {
    super('SLUICE_CONFIG_INVALID', message)
  }
}

/** The same error with one more line, of the same code. */
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

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

const REFUSED: Readonly<Record<string, readonly [why: string, next: string]>> = {
  EACCES: ['permission denied', 'let this user write there'],
  EPERM: ['operation not permitted', 'let this user write there'],
  EROFS: ['the file system is read-only', 'choose another place'],
  ENOSPC: ['the disk is full', 'make room there'],
  EDQUOT: ['the quota of this user is used up', 'make room there'],
}

/** What the system says of a folder alone. */
const NO_FOLDER: Readonly<Record<string, readonly [why: string, next: string]>> = {
  ENOENT: ['the file system lets no folder be made there', 'choose another place'],
  EEXIST: ['it is not a folder, or a link that leads nowhere', 'move it away'],
}

/** A file or folder that the system does not let this user make or write is no bug: the folder is named, and what to do. All else stays as it is. */
export function fileRefusal(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || !('path' in error)) return error
  const { code, path } = error
  const isOfFolder = 'syscall' in error && error.syscall === 'mkdir'
  const [why, next] = REFUSED[String(code)] ?? (isOfFolder ? NO_FOLDER[String(code)] : undefined) ?? []
  if (why === undefined || next === undefined || typeof path !== 'string') return error
  const what = basename(path)
  return new CommandError(
    'INVALID',
    `Could not make or write ${what} in the folder ${dirname(path)}: ${why}. To go on, ${next}.`,
  )
}
