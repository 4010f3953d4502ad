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

/** `sluice cancel`: PROCESSING → FAIL, and the end of every job of an id. */
export function registerCancel(program: Program, context: CommandContext): void {
  program
    .command('cancel')
    .description('Move items in PROCESSING to FAIL, cancel all their jobs, and report how each job ended')
    .argument('[ids...]', 'the items', itemIds, [])
    .option('-a, --all', 'every item in PROCESSING, and every job that the worker runs')
    .option('--attempt <n>', 'with ids: only the job of this attempt', wholeNumber(1))
    .option('-r, --reason <text>', 'why, for the history and the worker', 'cancelled manually')
    .addOption(
      new Option('--timeout <span>', 'how long to wait for the jobs to end, such as 30s or 5m; 0 to not wait')
        .argParser(spanMs)
        .default(60_000, '60s'),
    )
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, EXITS))
    .action(async (ids, { all, attempt, reason, timeout, yes }) => {
      assertOneChoice(ids, all === true, '--all')
      if (all === true && attempt !== undefined)
        throw new CommandError('INVALID', '--attempt selects a job of an id: use ids, not --all.')
      const queue = await context.openQueue()
      const worker = await context.openWorker()
      const cancelling = new Cancelling(queue, worker, reason)
      if (all === true) await cancelAll(queue, cancelling, { context, yes: yes === true })
      else await withCancelledIds(cancelling, () => cancelling.ids(ids, { attempt }))
      const { runtime } = context
      const startedAtMonotonic = runtime.monotonicMs()
      const isWaitedFor = await waitedFor(cancelling, context, timeout)
      // Ctrl-C ends the wait early.
      const waitedMs = Math.min(timeout, runtime.monotonicMs() - startedAtMonotonic)
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
The item moves to FAIL first, whatever its job reports later. Then every running job of its id is cancelled, those of earlier attempts
too, and the command waits for their ends, and for a service that may be sending one. Jobs of an id whose item is in WAITING again,
has finished or was removed are cancelled as well; such an item stays unchanged: \`sluice rm\` removes one in WAITING. A job may
still succeed: the report says so, and the item stays in FAIL. \`sluice requeue\` moves cancelled items back to WAITING.

  0  each id was cancelled, now or before, or a job of it was, and all these jobs have ended
  3  some id had nothing to cancel: it waits, had finished, or is unknown (with --json: waiting, finished, unknown)
  4  jobs had not ended within --timeout, may still start, or were unreachable; the same command again continues`

/** @returns `false` after a signal */
async function waitedFor(
  cancelling: Cancelling,
  context: CommandContext,
  timeoutMs: number,
): Promise<boolean> {
  const { runtime } = context
  const startedAtMonotonic = runtime.monotonicMs()
  const signal = context.interrupted()
  await withCancelledIds(cancelling, () => cancelling.endLateOnes({ timeoutMs, signal, runtime }))
  if (signal.aborted) return false
  const leftMs = Math.max(0, timeoutMs - (runtime.monotonicMs() - startedAtMonotonic))
  return timeoutMs === 0 || waitForEnds(cancelling.ends, context, leftMs)
}

async function cancelAll(
  queue: Queue,
  cancelling: Cancelling,
  { context, yes }: { context: CommandContext; yes: boolean },
): Promise<void> {
  if (!yes) await confirmAll(queue, cancelling, context)
  const { runtime } = context
  for await (const items of selectPages(queue, { stage: 'PROCESSING' }, { runtime })) {
    await withCancelledIds(cancelling, () => cancelling.items(items))
    // While the worker is unreachable, each further item needs another cancel by id: stop here.
    if (cancelling.unreachedWhy !== undefined) return
  }
  await withCancelledIds(cancelling, () => cancelling.endUnawaited())
}

async function confirmAll(queue: Queue, cancelling: Cancelling, context: CommandContext): Promise<void> {
  const count = await countSelected(queue, { stage: 'PROCESSING' }, context)
  const name = printable(queue.name)
  if (count > 0)
    return context.confirm(
      `Cancel ${itemsText(count)} of ${name}, and every job that the worker runs for this queue?`,
      {
        yes: false,
      },
    )
  const jobs = (await cancelling.runningJobs()) ?? 0
  if (jobs > 0)
    await context.confirm(`Cancel ${plural(jobs, 'job')} of ${name} without an item in PROCESSING?`, {
      yes: false,
    })
}

/** Adds the cancelled ids to an error: their items are in FAIL, and their jobs may still run. */
async function withCancelledIds(cancelling: Cancelling, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const { size } = cancelling.cancelled
    if (size === 0) throw error
    throw withLine(
      error,
      `${itemsText(size)} moved to FAIL before that; jobs may still run. Cancel the same ids again to end them: ` +
        idsText([...cancelling.cancelled.keys()]),
    )
  }
}
