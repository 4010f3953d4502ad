import { createRequire } from 'node:module'
import { CommanderError } from '@commander-js/extra-typings'
import { isSluiceError, type PartlyStored } from '@sluice/core'
import { redactError, type Secrets } from '@sluice/core/backend'
import { CommandError, fileRefusal, messageOf } from './command-error.js'
import { CliContext, type World } from './context.js'
import { atMost } from './timing.js'
import { EXIT, exitCodeOf, type ExitCode } from './exit-codes.js'
import { makeProgram } from './program.js'
import { ConfigSecrets } from '../secrets/config-secrets.js'

/**
 * Runs the command line of this process, and exits with its exit code.
 *
 * @param early aborted where a signal came before this could listen
 */
export async function runCli(early?: AbortSignal): Promise<never> {
  const reader = { isNeeded: true }
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' || reader.isNeeded) process.exit(outputFailed(error))
  })
  // It can't be reported anywhere: the exit code still has the result of the command.
  process.stderr.on('error', () => undefined)
  const { stdin, stdout, stderr, env } = process
  const secrets = new ConfigSecrets()
  redactNodeWarnings(secrets)
  // An unhandled rejection in a third-party backend must end in a message, not in a dump of source code.
  process.on('uncaughtException', (error) =>
    process.exit(fail(error, { json: process.argv.includes('--json'), world: { env, stderr }, secrets })),
  )
  // A call that never answers, and keeps no handle open, must not look like a success.
  process.on('beforeExit', () => {
    stderr.write('error: the command did not end: the queue or the worker never answered\n')
    process.exit(EXIT.UNEXPECTED)
  })
  const code = await main(process.argv.slice(2), {
    cwd: process.cwd(),
    env,
    stdin,
    stdout,
    stderr,
    early,
    reader,
    secrets,
  })
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()))
  // A third-party backend may leave a timer or socket open; the command has ended nevertheless.
  process.exit(code)
}

/** Redacts the warnings that Node writes to stderr, such as one that quotes a URL. */
function redactNodeWarnings(secrets: Secrets): void {
  const emit = process.emitWarning.bind(process)
  process.emitWarning = (warning: string | Error, ...rest: never[]) => {
    emit(typeof warning === 'string' ? secrets.redact(warning) : cleanError(warning, secrets), ...rest)
  }
}

function cleanError(error: Error, secrets: Secrets): Error {
  redactError(error, secrets)
  return error
}

/**
 * One run of the command line: parses, acts, and closes what was opened.
 *
 * @returns the exit code; every error has been printed to stderr
 */
export async function main(argv: readonly string[], world: World): Promise<ExitCode> {
  const context = new CliContext(world)
  const { secrets } = context
  secrets.readArguments(argv)
  // Read before parsing, since a usage error must use the same format.
  const at = { json: argv.includes('--json'), world, secrets }
  let code: ExitCode
  try {
    const program = await makeProgram(context, { ...world, argv, version: readVersion() })
    await program.parseAsync([...argv], { from: 'user' })
    code = context.exitCode
  } catch (error) {
    code = fail(error, at)
  }
  return await closed(context, code, at)
}

/** Closes what was opened. An error of it fails a successful command; after a failed one it is a warning. */
async function closed(context: CliContext, code: ExitCode, at: FailOptions): Promise<ExitCode> {
  const closing = context.close().then(
    () => ({ failure: undefined }),
    (failure: unknown) => ({ failure }),
  )
  // Storage that hangs must not delay the exit.
  const { closeMs, runtime } = context
  const end = await atMost(closing, closeMs, runtime)
  if (end?.failure !== undefined && code === EXIT.OK) return fail(end.failure, at)
  if (end?.failure !== undefined) context.output.warn(messageOf(end.failure))
  if (end === undefined && code === EXIT.OK) context.output.warn(lateText(closeMs))
  return code
}

function lateText(ms: number): string {
  const seconds = Math.round(ms / 100) / 10
  return `The queue or the worker did not close within ${seconds} s. The reported result is complete.`
}

/** A closed pipe, as in `sluice ls | head`, is not an error; a full disk is. */
function outputFailed(error: NodeJS.ErrnoException): ExitCode {
  if (error.code === 'EPIPE') return EXIT.OK
  const why = error.code === 'ENOSPC' ? 'the disk is full' : error.message
  process.stderr.write(`error: could not write to standard output: ${why}\n`)
  return EXIT.INVALID
}

/** From the sources as from `dist`: the package refers to itself by its name. */
function readVersion(): string {
  const content: unknown = createRequire(import.meta.url)('@sluice/service/package.json')
  const version = typeof content === 'object' && content !== null && 'version' in content && content.version
  return String(version)
}

interface FailOptions {
  readonly json: boolean
  readonly world: Pick<World, 'env' | 'stderr'>
  readonly secrets: Secrets
}

function fail(error: unknown, { json, world, secrets }: FailOptions): ExitCode {
  const shown = describe(fileRefusal(error))
  if (shown.message !== undefined) {
    const { code, stored } = shown
    const message = secrets.redact(shown.message)
    const text = json ? JSON.stringify({ error: { code, message, stored } }) : `error: ${message}`
    world.stderr.write(`${text}\n`)
  }
  if (world.env['SLUICE_DEBUG'] === '1' && error instanceof Error)
    world.stderr.write(`${secrets.redact(stackOf(error))}\n`)
  return shown.exit
}

interface ShownError {
  readonly exit: ExitCode
  readonly code: string
  /** Absent where there is nothing to print, as after `--help`. */
  readonly message?: string
  readonly stored?: PartlyStored
}

function describe(error: unknown): ShownError {
  if (error instanceof CommanderError) return describeUsage(error)
  const exit = exitCodeOf(error)
  if (error instanceof CommandError) return { exit, code: error.exit, message: error.message }
  if (isSluiceError(error)) {
    const { code, message, stored } = error
    return { exit, code, message, ...(stored === undefined ? {} : { stored }) }
  }
  const message = messageOf(error)
  return { exit, code: 'UNEXPECTED', message: `${message}\n${REPORT_IT}` }
}

const REPORT_IT =
  'This is unexpected and probably a bug in Sluice. Run it again with SLUICE_DEBUG=1 and report the output.'

function describeUsage(error: CommanderError): ShownError {
  if (error.exitCode === 0) return { exit: EXIT.OK, code: 'OK' }
  if (error.code === 'commander.help') return { exit: EXIT.INVALID, code: 'INVALID' }
  return { exit: EXIT.INVALID, code: 'INVALID', message: error.message.replace(/^error: /, '') }
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by: ${stackOf(error.cause)}` : ''
  return `${error.stack ?? error.message}${cause}`
}
