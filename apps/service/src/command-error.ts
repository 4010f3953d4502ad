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
