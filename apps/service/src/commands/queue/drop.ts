import { Option } from '@commander-js/extra-typings'
import type { DropOutcome, DropProgress, LeaseView } from '@sluice/core'
import { DISPATCHER_LEASE } from '@sluice/engine'
import { CommandError } from '../../cli/command-error.js'
import { printable, warningsOf } from '../../output/output.js'
import { countText, elapsedText, itemsText, percentText, plural } from '../../output/amounts.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice drop`: removes a whole queue permanently. */
export function registerDrop(program: Program, context: CommandContext): void {
  program
    .command('drop')
    .description(
      'Remove the whole queue permanently: items, documents, limits, leases; stop every service first',
    )
    .option('-n, --name <name>', 'the name of the queue, as confirmation; on a terminal it is asked for')
    .option('--with-running', 'even with items in PROCESSING: their jobs continue and are not followed')
    // Accepted and ignored: a drop is confirmed by the name only.
    .addOption(new Option('-y, --yes', 'has no effect').hideHelp())
    .addHelpText('after', NOTES)
    .addHelpText(
      'after',
      helpNotes(EXAMPLES, ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'DENIED', 'REFUSED', 'INTERRUPTED']),
    )
    .action(async ({ name, withRunning }) => {
      const { config } = await context.config()
      await assertNamed(context, config.queue.name, name)
      await drop(context, withRunning === true)
    })
}

const EXAMPLES = ['sluice drop --name tiles', 'sluice drop --name tiles --with-running']
const NOTES = `
The drop is refused while a service dispatches the queue. A killed or frozen service holds the lease until it expires; the message says
when. After the drop, standby services and other programs with the queue open get an error. A drop may be interrupted and run again: from
its first step on the queue can't be opened, and the same command completes it. For what the store keeps (old versions in a bucket, the
size of a SQLite file) see the package's README.`

/** Confirms the name: by the option, or typed on a terminal. */
async function assertNamed(context: CommandContext, name: string, given: string | undefined): Promise<void> {
  const { output, stdin } = context
  const shown = printable(JSON.stringify(name), 210)
  const isAsked = given === undefined && !output.json && stdin.isTTY === true && output.live
  const typed = isAsked
    ? await ask(`Type the name of the queue to remove ${shown} with all its items permanently:`)
    : given
  if (typed === name) return
  const why =
    typed === undefined ? 'not confirmed' : `${printable(JSON.stringify(typed), 210)} is not its name`
  throw new CommandError(
    'REFUSED',
    `The queue ${shown} of the configuration was not dropped: ${why}. Confirm with: sluice drop --name NAME`,
  )
}

async function ask(message: string): Promise<string | undefined> {
  const { text, isCancel } = await import('@clack/prompts')
  const answer = await text({ message })
  return isCancel(answer) ? undefined : answer
}

async function drop(context: CommandContext, withRunning: boolean): Promise<void> {
  const { output } = context
  const loaded = await context.config()
  const { queue } = loaded.config
  const { loadQueueStore } = await import('../../packages/open-package.js')
  const { found, given, use, at } = await loadQueueStore(queue, {
    ...loaded,
    brief: true,
    logger: warningsOf(output),
  })
  if (found.dropQueue === undefined) throw new CommandError('INVALID', cannotText(queue.package))
  const { LiveView } = await import('../../output/live-view.js')
  const view = new LiveView({ stream: output.stderr, runtime: context.runtime })
  const onProgress = (progress: DropProgress): void => {
    const shown = () => progressText(progress)
    if (!output.json) view.update({ picture: shown, line: shown })
  }
  const signal = context.interrupted()
  const outcome = await found
    .dropQueue(given, { ...use, withRunning, onProgress, signal })
    .finally(() => view.stop())
  const name = printable(JSON.stringify(queue['name']), 210)
  if (outcome.is !== 'dropped') throw new CommandError(...failureOf(outcome, { name, at }))
  const { removed, unit, notes } = outcome
  output.print(`Dropped the queue ${name}${at}: ${amountText(removed, unit)} removed`, {
    queue: queue['name'],
    ...outcome,
  })
  for (const note of notes) output.note(note)
}

const REMOVALS = ['WAITING', 'SUCCESS', 'FAIL'].map((stage) => `  sluice rm --stage ${stage}`)

function cannotText(name: string): string {
  return (
    `${name} can't drop a queue: it exports no function dropQueue. Stop every service, then remove the items:\n` +
    `${REMOVALS.join('\n')}\nRemove the rest with the storage's own tools.`
  )
}

function progressText({ removed, unit, of }: DropProgress): string {
  const whole = of === undefined ? '' : ` of ${countText(of)} (${percentText(removed, of)})`
  return `${amountText(removed, unit)}${whole} removed`
}

function amountText(count: number, unit: DropProgress['unit']): string {
  return unit === 'items' ? itemsText(count) : plural(count, 'object')
}

interface Place {
  readonly name: string
  readonly at: string
}

function failureOf(
  outcome: Exclude<DropOutcome, { is: 'dropped' }>,
  { name, at }: Place,
): ['CONFLICT' | 'INTERRUPTED', string] {
  if (outcome.is === 'absent') return ['CONFLICT', `There is no queue ${name}${at}: nothing was dropped.`]
  if (outcome.is === 'held')
    return ['CONFLICT', `The queue ${name} was not dropped: ${heldText(outcome.leases)}`]
  if (outcome.is === 'running')
    return ['CONFLICT', `The queue ${name} was not dropped: ${runningText(outcome.processing)}`]
  const done = amountText(outcome.removed, outcome.unit)
  return [
    'INTERRUPTED',
    `Interrupted with ${done} removed: the queue ${name} can no longer be opened. Run the same command again to complete the drop.`,
  ]
}

function heldText(leases: readonly LeaseView[]): string {
  const all = leases.map(({ name, holder, leftMs }) => {
    const who =
      name === DISPATCHER_LEASE
        ? 'a service dispatches it'
        : `a process holds its lease ${printable(name, 60)}`
    return `${who} (${printable(holder, 100)}) for ${elapsedText(leftMs)} more, unless it renews the lease`
  })
  return `${all.join('; ')}. Stop every service of the queue first; the lease of a killed one expires then.`
}

function runningText(processing: number): string {
  const are = processing === 1 ? 'is' : 'are'
  return (
    `${itemsText(processing)} ${are} in PROCESSING, and their jobs would continue without a service to follow them. End them (sluice cancel --all), or ` +
    'drop the queue anyway: --with-running'
  )
}
