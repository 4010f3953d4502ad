import { isSluiceError, silentLogger, type Logger } from '@sluice/core'
import { AbsentQueueError, CommandError } from '../command-error.js'
import { printable } from '../output.js'
import { itemsText } from '../progress/progress-text.js'
import { assertCanCancel } from '../worker-check.js'
import { helpNotes, type CommandContext, type Program } from './command.js'

/** `sluice check`: whether the configured storage and worker can be used. */
export function registerCheck(program: Program, context: CommandContext): void {
  program
    .command('check')
    .description('Try the configured storage and worker: addresses, credentials, permissions; no job starts')
    .addHelpText('after', helpNotes(['sluice check', 'sluice check --json'], EXITS))
    .action(async () => {
      const { config } = await context.config()
      const findings = [
        { part: 'queue', package: config.queue.package, ...(await tried(() => tryQueue(context))) },
        ...(config.worker === undefined
          ? []
          : [{ part: 'worker', package: config.worker.package, ...(await tried(() => tryWorker(context))) }]),
      ]
      const rows = findings.map(({ part, package: name, found }) => [part, printable(name), found])
      context.output.print(
        () => context.output.table(['part', 'package', 'found'], rows),
        findings.map(({ part, package: name, ok, found }) => ({ part, package: name, ok, found })),
      )
      const [first, second] = findings.filter(({ ok }) => !ok)
      // The first one is told like every other error, and becomes the exit code.
      if (second !== undefined) context.output.warn(`${second.part}: ${second.why}`)
      if (first !== undefined) throw first.error
    })
}

const EXITS = ['OK', 'INVALID', 'UNAVAILABLE', 'DENIED'] as const

interface Finding {
  readonly ok: boolean
  readonly found: string
  readonly why: string
  readonly error?: unknown
}

async function tried(attempt: () => Promise<string>): Promise<Finding> {
  try {
    return { ok: true, found: await attempt(), why: '' }
  } catch (error) {
    // What isn't ours is a bug, and told as one.
    if (!isSluiceError(error) && !(error instanceof CommandError)) throw error
    return { ok: false, found: 'not usable', why: error.message, error }
  }
}

async function tryQueue(context: CommandContext): Promise<string> {
  const notes: string[] = []
  const logger = listening(notes, (message) => context.output.warn(message))
  try {
    const queue = await context.openQueue({ brief: false, logger })
    const { WAITING, PROCESSING, SUCCESS, FAIL } = await queue.sizes()
    return [`ready, ${itemsText(WAITING + PROCESSING + SUCCESS + FAIL)}`, ...notes].join('; ')
  } catch (error) {
    if (!(error instanceof AbsentQueueError)) throw error
    // It was asked, and it answered: the first `load`, `put` or `run` makes the queue.
    await context.checkStorage()
    return ['ready, no queue of this name yet', ...notes].join('; ')
  }
}

async function tryWorker(context: CommandContext): Promise<string> {
  const notes: string[] = []
  const warn = (message: string) => context.output.warn(`worker: ${message}`)
  const worker = await context.openWorker({ logger: listening(notes, warn) })
  assertCanCancel(worker, (await context.config()).config)
  if (worker.check === undefined) return 'ready, as far as this worker can tell'
  await worker.check()
  return ['ready', ...notes].join('; ')
}

/** Keeps what a queue or a worker says of itself, such as how much room one item has, and passes its warnings on: nothing else of this command is logged. */
function listening(notes: string[], warn: (message: string) => void): Logger {
  return {
    ...silentLogger,
    info: (fields, message) => void notes.push([message, ...Object.values(fields)].join(': ')),
    warn: (_, message) => warn(message),
    error: (_, message) => warn(message),
  }
}
