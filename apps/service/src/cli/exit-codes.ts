import { isSluiceError, type ErrorCode } from '@sluice/core'
import { CommandError } from './command-error.js'

/** Every exit code of `sluice`; scripts may rely on them, so semantic versioning covers them. */
export const EXIT = {
  OK: 0,
  UNEXPECTED: 1,
  INVALID: 2,
  CONFLICT: 3,
  UNAVAILABLE: 4,
  DENIED: 5,
  REFUSED: 6,
  BROKEN: 7,
  FAILED: 8,
  PAUSED: 9,
  INTERRUPTED: 130,
} as const

/** The name of an exit code. */
export type ExitName = keyof typeof EXIT
/** One of the exit codes. */
export type ExitCode = (typeof EXIT)[ExitName]

/** What each exit code means, for `--help`. */
export const EXIT_MEANINGS: Readonly<Record<ExitName, string>> = {
  OK: 'success',
  UNEXPECTED: 'unexpected error: a bug, please report it',
  INVALID: 'invalid command line, configuration or input, or the configured queue does not exist',
  CONFLICT:
    'no such item or log, nothing matches, the item is in another stage, or another service is running',
  UNAVAILABLE: 'the storage or the worker is unreachable, or jobs did not end in time: try again later',
  DENIED: 'the storage or the worker refused the credentials',
  REFUSED: 'not confirmed: answer yes, or use --yes',
  BROKEN: 'verify: the queue breaks its contract',
  FAILED: 'run --fail-if-failed: items are in FAIL at the end',
  PAUSED: 'Sluice itself paused the queue, such as by run --halt: fix the cause, then `sluice resume`',
  INTERRUPTED: 'interrupted by a signal before the end',
}

const CODE_EXITS: Readonly<Record<ErrorCode, ExitName>> = {
  SLUICE_ITEM_EXISTS: 'CONFLICT',
  SLUICE_ITEM_NOT_FOUND: 'CONFLICT',
  SLUICE_STAGE_CONFLICT: 'CONFLICT',
  // Another process took over and continues the work.
  SLUICE_LEASE_LOST: 'UNAVAILABLE',
  SLUICE_QUEUE_CLOSED: 'UNEXPECTED',
  SLUICE_QUEUE_UNAVAILABLE: 'UNAVAILABLE',
  SLUICE_QUEUE_DENIED: 'DENIED',
  // The configured address has no valid queue: to the user, a wrong setting.
  SLUICE_QUEUE_CORRUPT: 'INVALID',
  SLUICE_JOB_REJECTED: 'INVALID',
  SLUICE_WORKER_UNAVAILABLE: 'UNAVAILABLE',
  SLUICE_WORKER_DENIED: 'DENIED',
  SLUICE_WORKER_CLOSED: 'UNEXPECTED',
  SLUICE_CONFIG_INVALID: 'INVALID',
  SLUICE_INPUT_INVALID: 'INVALID',
  SLUICE_PACKAGE_MISSING: 'INVALID',
}

/** The exit code of an error; a foreign error is unexpected. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandError) return EXIT[error.exit]
  return isSluiceError(error) ? EXIT[CODE_EXITS[error.code] ?? 'UNEXPECTED'] : EXIT.UNEXPECTED
}

/** The lines `code  meaning` of some exit codes, for `--help`. */
export function exitCodeLines(names: readonly ExitName[]): string[] {
  return names.map((name) => `  ${String(EXIT[name]).padEnd(4)} ${EXIT_MEANINGS[name]}`)
}
