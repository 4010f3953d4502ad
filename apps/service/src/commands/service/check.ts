import { isSluiceError, silentLogger, type Logger, type Queue, type Worker } from '@sluice/core'
import {
  FIRST_ITEMS,
  areManyRejected,
  checkFirstItems,
  itemsFound,
  rejectionText,
  type RejectedItem,
} from '../../check/first-items.js'
import { assertSet } from '../../config/env-reference.js'
import { AbsentQueueError, CommandError, messageOf } from '../../cli/command-error.js'
import { printable, saidOnce } from '../../output/output.js'
import { itemsText } from '../../output/amounts.js'
import { retryWarnings } from '../../run/retry-options.js'
import { assertCanCancel } from '../../run/worker-check.js'
import { wholeNumber } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice check`: whether what a service does would work: with the storage, with the worker, and with the first items. */
export function registerCheck(program: Program, context: CommandContext): void {
  program
    .command('check')
    .description(
      'Try what a service does, with the storage, the worker and the first items; no job starts, and nothing is left behind',
    )
    .option(
      '--items <count>',
      'how many waiting items are held against the template or the command; 0: none',
      wholeNumber(0, 10_000),
      FIRST_ITEMS,
    )
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, EXITS))
    .action(async ({ items }) => {
      // What was written to try the storage is deleted before the process ends.
      const signal = context.interrupted()
      const findings = await findingsOf(context, { count: items, signal })
      const rows = findings.map(({ part, package: name, found }) => [part, printable(name), found])
      context.output.print(
        () => context.output.table(['part', 'package', 'found'], rows),
        findings.map(({ part, package: name, ok, found, rejected }) => ({
          part,
          package: name,
          ok,
          found,
          rejected,
        })),
      )
      if (signal.aborted) throw new CommandError('INTERRUPTED', 'Stopped before all was tried.')
      const [first, ...others] = findings.filter(({ ok }) => !ok)
      // The first one is told like every other error, and becomes the exit code.
      for (const { part, error } of others) context.output.warn(`${part}: ${messageOf(error)}`)
      if (first !== undefined) throw first.error
    })
}

const NOTES = `
The storage: what a service writes is written, changed and deleted, on keys of its own or in a transaction that is rolled back; on
PostgreSQL every privilege is asked for. The worker: address, credentials, each permission, template or program. The items that would be
given out first are held against the template or the command: where most of them would be rejected, it ends with exit code 2.`

const EXAMPLES = ['sluice check', 'sluice check --json', 'sluice check --items 1000']

const EXITS = ['OK', 'INVALID', 'UNAVAILABLE', 'DENIED', 'INTERRUPTED'] as const

/** What was found of one part. */
interface Finding {
  readonly part: 'queue' | 'worker' | 'items'
  readonly package: string
  readonly ok: boolean
  readonly found: string
  /** Of items: those that would be rejected. */
  readonly rejected?: readonly RejectedItem[]
  readonly error?: unknown
}

/** The same, with what the next part is tried with. */
interface Tried<T> {
  readonly finding: Omit<Finding, 'part' | 'package'>
  readonly opened?: T | undefined
}

interface FirstItems {
  readonly count: number
  readonly signal: AbortSignal
}

async function findingsOf(context: CommandContext, items: FirstItems): Promise<readonly Finding[]> {
  const { config, unset } = await context.config()
  // All at once: whoever sets up a machine is not to be told of one after the other.
  assertSet(unset)
  const { finding, opened: queue } = await tried(() => tryQueue(context))
  const findings: Finding[] = [{ part: 'queue', package: config.queue.package, ...finding }]
  if (config.worker === undefined || items.signal.aborted) return findings
  const { package: name } = config.worker
  const { finding: ofWorker, opened: worker } = await tried(() => tryWorker(context))
  findings.push({ part: 'worker', package: name, ...ofWorker })
  if (queue === undefined || worker === undefined || items.signal.aborted) return findings
  const ofItems = await tried(() => tryItems(context, { queue, worker, items }))
  if (ofItems.finding.found !== '') findings.push({ part: 'items', package: name, ...ofItems.finding })
  return findings
}

async function tried<T>(attempt: () => Promise<Tried<T>>): Promise<Tried<T>> {
  try {
    return await attempt()
  } catch (error) {
    // What isn't ours is a bug, and told as one.
    if (!isSluiceError(error) && !(error instanceof CommandError)) throw error
    return { finding: { ok: false, found: 'not usable', error } }
  }
}

async function tryQueue(context: CommandContext): Promise<Tried<Queue>> {
  const heard = hearing()
  // What is said when the storage is tried is said again when the queue is opened.
  const logger = saidOnce(listening(heard, (message) => context.output.warn(message)))
  const ready = (what: string) => ({ ok: true, found: readyText(heard, what) })
  const { upgrade } = await context.checkStorage(logger)
  if (upgrade !== undefined) return { finding: ready(upgrade) }
  try {
    const queue = await context.openQueue({ brief: false, logger })
    const { WAITING, PROCESSING, SUCCESS, FAIL } = await queue.sizes()
    return { finding: ready(itemsText(WAITING + PROCESSING + SUCCESS + FAIL)), opened: queue }
  } catch (error) {
    if (!(error instanceof AbsentQueueError)) throw error
    // It was tried, and it answered: the first `load`, `put` or `run` makes the queue.
    return { finding: ready('no queue of this name yet') }
  }
}

async function tryWorker(context: CommandContext): Promise<Tried<Worker>> {
  const heard = hearing()
  const logger = listening(heard, (message) => context.output.warn(`worker: ${message}`))
  const worker = await context.openWorker({ logger })
  const loaded = await context.config()
  assertCanCancel(worker, loaded.config)
  for (const text of retryWarnings({ ...loaded, supports: worker.supports })) {
    heard.warnings += 1
    context.output.warn(text)
  }
  const isChecked = worker.check !== undefined
  await worker.check?.()
  const found = isChecked ? readyText(heard) : readyText(heard, 'as far as this worker can tell')
  return { finding: { ok: true, found }, opened: worker }
}

interface ItemsToTry {
  readonly queue: Queue
  readonly worker: Worker
  readonly items: FirstItems
}

async function tryItems(
  context: CommandContext,
  { queue, worker, items }: ItemsToTry,
): Promise<Tried<undefined>> {
  const findings = await checkFirstItems(queue, worker, items)
  if (findings === undefined) return { finding: { ok: true, found: '' } }
  const { rejected } = findings
  const finding = { ok: true, found: itemsFound(findings), ...(rejected.length === 0 ? {} : { rejected }) }
  if (rejected.length === 0) return { finding }
  if (areManyRejected(findings))
    return { finding: { ...finding, ok: false, error: new CommandError('INVALID', rejectionText(findings)) } }
  context.output.warn(`items: ${rejectionText(findings)}`)
  return { finding }
}

/** Keeps what a queue or a worker says of itself, such as how much room one item has, and passes its warnings on: nothing else of this command is logged. */
function listening(heard: Heard, warn: (message: string) => void): Logger {
  const warned = (_: object, message: string): void => {
    heard.warnings += 1
    warn(message)
  }
  return {
    ...silentLogger,
    info: (fields, message) => void heard.notes.push([message, ...Object.values(fields)].join(': ')),
    warn: warned,
    error: warned,
  }
}

/** What a part has said of itself. */
interface Heard {
  readonly notes: string[]
  warnings: number
}

function hearing(): Heard {
  return { notes: [], warnings: 0 }
}

/** Whoever reads the last line alone is to know that there is more to read. */
function readyText({ notes, warnings }: Heard, what?: string): string {
  const counted = warnings === 0 ? '' : ` with ${warnings} warning${warnings === 1 ? '' : 's'}`
  return [`ready${counted}${what === undefined ? '' : `, ${what}`}`, ...notes].join('; ')
}
