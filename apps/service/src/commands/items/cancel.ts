import type { Queue } from '@sluice/core'
import { Option } from '@commander-js/extra-typings'
import { reportCancelled } from '../../jobs/cancel/cancel-report.js'
import { Cancelling } from '../../jobs/cancel/cancelling.js'
import { waitForEnds } from '../../jobs/cancel/wait-for-ends.js'
import { CommandError, withLine } from '../../cli/command-error.js'
import { printable } from '../../output/output.js'
import { itemsText, plural } from '../../output/amounts.js'
import { assertOneChoice, itemIds, spanMs, wholeNumber } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'
import { countSelected, selectPages } from '../../items/item-selection.js'
import { idsText } from '../../items/moved-items.js'

/** `sluice cancel`: PROCESSING → FAIL by hand, and the end of every job of an id. */
export function registerCancel(program: Program, context: CommandContext): void {
  program
    .command('cancel')
    .description('Fail items in PROCESSING by hand, end every job of theirs, and say how each job ended')
    .argument('[ids...]', 'which', itemIds, [])
    .option('-a, --all', 'every item in PROCESSING, and every job that the worker runs')
    .option('--attempt <n>', 'with ids: only the job of this attempt', wholeNumber(1))
    .option('-r, --reason <text>', 'why, for the history and the worker', 'cancelled by hand')
    .addOption(
      new Option('--timeout <span>', 'wait so long for the jobs to end, such as 30s or 5m; 0 for not at all')
        .argParser(spanMs)
        .default(60_000, '60s'),
    )
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, EXITS))
    .action(async (ids, { all, attempt, reason, timeout, yes }) => {
      assertOneChoice(ids, all === true, '--all')
      if (all === true && attempt !== undefined)
        throw new CommandError('INVALID', '--attempt names a job of the ids: give ids, not --all.')
      const queue = await context.openQueue()
      const worker = await context.openWorker()
      const cancelling = new Cancelling(queue, worker, reason)
      if (all === true) await cancelAll(queue, cancelling, { context, yes: yes === true })
      else await tellingCancelled(cancelling, () => cancelling.ids(ids, { attempt }))
      const beganMs = performance.now()
      const isWaitedFor = await waitedFor(cancelling, context, timeout)
      // After Ctrl-C it was not waited for as long as it was to be.
      const waitedMs = Math.min(timeout, performance.now() - beganMs)
      reportCancelled(cancelling, { context, isById: all !== true, waitedMs })
      if (!isWaitedFor) context.exitWith('INTERRUPTED')
    })
}

const EXAMPLES = [
  'sluice cancel tile-1',
  'sluice cancel tile-1 tile-2 --timeout 5m',
  'sluice cancel tile-1 --attempt 1',
  'sluice pause && sluice cancel --all --reason "wrong template"',
]
const EXITS = ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'DENIED', 'REFUSED', 'INTERRUPTED'] as const
const NOTES = `
The item goes to FAIL first, whatever its job reports later; then the worker is told to end every job of its id that runs, those of
earlier attempts too, and the command waits for that, and for a service that may just be sending one. Jobs of an id whose item is in
WAITING again, has finished or was removed are ended as well; such an item stays where it is: \`sluice rm\` removes one that
waits. A job may end well all the same: that is said, and a cancelled item stays in FAIL. \`sluice requeue\` sends cancelled items
back to WAITING.

  0  each id was cancelled, now or before, or a job of it was told to end, and all these jobs have ended
  3  of some id there was nothing to end: it waits, had finished, or is unknown (with --json: waiting, finished, unknown)
  4  jobs had not ended within --timeout, may still start, or could not be reached; they are named, and the same again goes on`

/** @returns `false` after a signal */
async function waitedFor(
  cancelling: Cancelling,
  context: CommandContext,
  timeoutMs: number,
): Promise<boolean> {
  const beganMs = performance.now()
  const signal = context.interrupted()
  await tellingCancelled(cancelling, () => cancelling.endLateOnes({ timeoutMs, signal }))
  if (signal.aborted) return false
  const leftMs = Math.max(0, timeoutMs - (performance.now() - beganMs))
  return timeoutMs === 0 || waitForEnds(cancelling.ends, context, leftMs)
}

async function cancelAll(
  queue: Queue,
  cancelling: Cancelling,
  { context, yes }: { context: CommandContext; yes: boolean },
): Promise<void> {
  if (!yes) await confirmAll(queue, cancelling, context)
  for await (const items of selectPages(queue, { stage: 'PROCESSING' })) {
    await tellingCancelled(cancelling, () => cancelling.items(items))
    // What the worker was not told of is to be told by name: better few than all.
    if (cancelling.unreachedWhy !== undefined) return
  }
  await tellingCancelled(cancelling, () => cancelling.endUnawaited())
}

async function confirmAll(queue: Queue, cancelling: Cancelling, context: CommandContext): Promise<void> {
  const count = await countSelected(queue, { stage: 'PROCESSING' })
  const name = printable(queue.name)
  if (count > 0)
    return context.confirm(
      `Cancel ${itemsText(count)} of ${name}, and end every job that the worker runs for it?`,
      {
        yes: false,
      },
    )
  const jobs = (await cancelling.runningJobs()) ?? 0
  if (jobs > 0)
    await context.confirm(`End ${plural(jobs, 'job')} of ${name} that no item waits for?`, { yes: false })
}

/** A cancel that breaks off has put items into FAIL whose jobs may run on: its error says so too. */
async function tellingCancelled(cancelling: Cancelling, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const { size } = cancelling.cancelled
    if (size === 0) throw error
    throw withLine(
      error,
      `${itemsText(size)} ${size === 1 ? 'is' : 'are'} in FAIL by this; jobs may run on. Cancel the same ids again to end them: ` +
        idsText([...cancelling.cancelled.keys()]),
    )
  }
}
