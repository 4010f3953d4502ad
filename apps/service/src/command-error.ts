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
