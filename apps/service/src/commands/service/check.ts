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
import { escalated, retryWarnings } from '../../run/retry-options.js'
import { assertCanChoose, dispatchPolicy } from '../../run/dispatch-policy.js'
import { assertSupported } from '../../run/worker-check.js'
import { wholeNumber } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice check`: whether a service would work with the storage, the worker and the first items. */
export function registerCheck(program: Program, context: CommandContext): void {
  program
    .command('check')
    .description(
      'Check the storage, the worker and the first items as a service uses them; no job starts, and nothing is left behind',
    )
    .option(
      '--items <count>',
      'how many waiting items to check with the template or the command; 0 for none',
      wholeNumber(0, 10_000),
      FIRST_ITEMS,
    )
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, EXITS))
    .action(async ({ items }) => {
      // After a signal, what was written to try the storage is still deleted.
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
      if (signal.aborted) throw new CommandError('INTERRUPTED', 'Interrupted before all checks were done.')
      const [first, ...others] = findings.filter(({ ok }) => !ok)
      // The first one is thrown, and sets the exit code.
      for (const { part, error } of others) context.output.warn(`${part}: ${messageOf(error)}`)
      if (first !== undefined) throw first.error
    })
}

const NOTES = `
Storage: the check writes, changes and deletes as a service does, on its own keys or in a transaction that is rolled back; on PostgreSQL
it checks every privilege. Worker: address, credentials, each permission, template or program. Items: the next items to claim are checked
with the template or the command; where most of them would be rejected, the exit code is 2.`

const EXAMPLES = ['sluice check', 'sluice check --json', 'sluice check --items 1000']

const EXITS = ['OK', 'INVALID', 'UNAVAILABLE', 'DENIED', 'INTERRUPTED'] as const

/** The result for one part. */
interface Finding {
  readonly part: 'queue' | 'worker' | 'items'
  readonly package: string
  readonly ok: boolean
  readonly found: string
  /** Items that would be rejected. */
  readonly rejected?: readonly RejectedItem[]
  readonly error?: unknown
}

/** The same, with the object that the next check uses. */
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
  // All in one message, for the setup of a machine.
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
    // Any other error is a bug and reported as one.
    if (!isSluiceError(error) && !(error instanceof CommandError)) throw error
    return { finding: { ok: false, found: 'not usable', error } }
  }
}

async function tryQueue(context: CommandContext): Promise<Tried<Queue>> {
  const heard = hearing()
  // The check and the opening log the same messages.
  const logger = saidOnce(listening(heard, (message) => context.output.warn(message)))
  const ready = (what: string) => ({ ok: true, found: readyText(heard, what) })
  const { upgrade } = await context.checkStorage(logger)
  if (upgrade !== undefined) return { finding: ready(upgrade) }
  try {
    const queue = await context.openQueue({ brief: false, logger })
    assertCanChoose(queue, (await context.config()).config)
    const { WAITING, PROCESSING, SUCCESS, FAIL } = await queue.sizes()
    return { finding: ready(itemsText(WAITING + PROCESSING + SUCCESS + FAIL)), opened: queue }
  } catch (error) {
    if (!(error instanceof AbsentQueueError)) throw error
    // The storage works: the first `load`, `put` or `run` creates the queue.
    return { finding: ready('no queue of this name yet') }
  }
}

async function tryWorker(context: CommandContext): Promise<Tried<Worker>> {
  const heard = hearing()
  const logger = listening(heard, (message) => context.output.warn(`worker: ${message}`))
  const worker = await context.openWorker({ logger })
  const loaded = await context.config()
  assertSupported(worker, loaded)
  // Refuses bounds that this machine has no readings for.
  dispatchPolicy(loaded.config.processing)
  for (const text of retryWarnings({ ...loaded, supports: worker.supports })) {
    heard.warnings += 1
    context.output.warn(text)
  }
  const isChecked = worker.check !== undefined
  await worker.check?.({ overrides: escalated(loaded.config) })
  const found = isChecked ? readyText(heard) : readyText(heard, 'this worker has no check of its own')
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

/** Collects the infos of a queue or a worker, such as the room for one item, and passes its warnings on. */
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

/** The messages of one part. */
interface Heard {
  readonly notes: string[]
  warnings: number
}

function hearing(): Heard {
  return { notes: [], warnings: 0 }
}

/** The count points a reader of the last line to the warnings above. */
function readyText({ notes, warnings }: Heard, what?: string): string {
  const counted = warnings === 0 ? '' : ` with ${warnings} warning${warnings === 1 ? '' : 's'}`
  return [`ready${counted}${what === undefined ? '' : `, ${what}`}`, ...notes].join('; ')
}
