import type { ItemHead, Queue } from '@sluice/core'
import { Option } from '@commander-js/extra-typings'
import pMap from 'p-map'
import { Cancelling } from '../cancel/cancelling.js'
import { endsText } from '../cancel/ends-text.js'
import { waitForEnds } from '../cancel/wait-for-ends.js'
import { CommandError, withLine } from '../command-error.js'
import { endsWhenText } from '../jobs/held-up.js'
import { printable } from '../output.js'
import { elapsedText, itemsText, plural } from '../progress/progress-text.js'
import { itemIds, spanMs } from './arguments.js'
import { helpNotes, type CommandContext, type Program } from './command.js'
import { countSelected, selectPages } from './item-selection.js'
import { idsText, printMoved } from './moved-items.js'

/** `sluice cancel`: PROCESSING → FAIL by hand, and the end of the job. */
export function registerCancel(program: Program, context: CommandContext): void {
  program
    .command('cancel')
    .description('Fail items in PROCESSING by hand, end their jobs, and say how each job ended')
    .argument('[ids...]', 'which', itemIds, [])
    .option('-a, --all', 'every item in PROCESSING')
    .option('-r, --reason <text>', 'why, for the history and the worker', 'cancelled by hand')
    .addOption(
      new Option('--timeout <span>', 'wait so long for the jobs to end, such as 30s or 5m; 0 for not at all')
        .argParser(spanMs)
        .default(60_000, '60s'),
    )
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, EXITS))
    .action(async (ids, { all, reason, timeout, yes }) => {
      if ((all === true) === ids.length > 0) throw new CommandError('INVALID', 'Say which: ids, or --all.')
      const queue = await context.openQueue()
      const worker = await context.openWorker()
      const cancelling = new Cancelling(queue, worker, reason)
      if (all === true) await cancelAll(queue, cancelling, { context, yes: yes === true })
      else {
        const items = await found(queue, ids)
        await tellingCancelled(cancelling, () => cancelling.items(items))
      }
      const beganMs = performance.now()
      const isWaitedFor = await waitedFor(cancelling, context, timeout)
      // After Ctrl-C it was not waited for as long as it was to be.
      const waitedMs = Math.min(timeout, performance.now() - beganMs)
      print(cancelling, { ids, context, waitedMs })
      if (!isWaitedFor) context.exitWith('INTERRUPTED')
    })
}

const EXAMPLES = [
  'sluice cancel tile-1',
  'sluice cancel tile-1 tile-2 --timeout 5m',
  'sluice pause && sluice cancel --all --reason "wrong template"',
]
const EXITS = ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'DENIED', 'REFUSED', 'INTERRUPTED'] as const
const NOTES = `
The item goes to FAIL first, whatever its job reports later; then the worker is told to end the job, and the command waits for
that, and for a service that may just be sending one. A job may end well all the same: that is said, and the item stays in FAIL.
Jobs that have not ended within --timeout, and those that may still start, are named, with exit code 4; \`sluice show ID\` says later how one ended, while the worker still knows it. Of an item in FAIL the
job is ended if it still runs, so that a cancel that was broken off can be done again. \`sluice requeue\` sends cancelled items
back to WAITING.`

const CONCURRENCY = 16

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
  const count = yes ? 0 : await countSelected(queue, { stage: 'PROCESSING' })
  if (count > 0)
    await context.confirm(`Cancel ${itemsText(count)} of ${printable(queue.name)}?`, { yes: false })
  for await (const items of selectPages(queue, { stage: 'PROCESSING' })) {
    await tellingCancelled(cancelling, () => cancelling.items(items))
    // What the worker was not told of is to be told by name: better few than all.
    if (cancelling.unreachedWhy !== undefined) return
  }
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
        idsText([...cancelling.cancelled]),
    )
  }
}

/** Items that a cancel is about: those in PROCESSING, and those in FAIL, whose job may have outlived an earlier cancel. */
async function found(queue: Queue, ids: readonly string[]): Promise<ItemHead[]> {
  const items = await pMap([...new Set(ids)], (id) => queue.lookup(id), { concurrency: CONCURRENCY })
  return items
    .filter((item) => item !== undefined)
    .filter(({ stage }) => stage === 'PROCESSING' || stage === 'FAIL')
}

interface Printing {
  readonly ids: readonly string[]
  readonly context: CommandContext
  readonly waitedMs: number
}

function print(cancelling: Cancelling, { ids, context, waitedMs }: Printing): void {
  const { cancelled, again, unreached, ends } = cancelling
  const skipped = ids.filter((id) => !cancelled.has(id) && !again.has(id))
  printMoved(context, {
    text: cancelledText(cancelling, context),
    json: {
      cancelled: cancelled.size,
      again: again.size,
      skipped,
      unreached: [...unreached],
      jobs: ends.ends.map(({ job: { id, attempt }, ...end }) => ({ id, attempt, ...end })),
      unfinished: ends.open.map(({ id }) => id),
      mayStart: cancelling.mayStart,
    },
    skipped,
    why: 'not in PROCESSING, or unknown',
  })
  warnOfOpen(cancelling, context, waitedMs)
  warnOfLate(cancelling, context, waitedMs)
  warnOfUnreached(cancelling, context)
}

function cancelledText({ cancelled, again, ends }: Cancelling, { output }: CommandContext): string {
  const before =
    again.size === 0 ? '' : `; ${itemsText(again.size)} had failed before, whose jobs were told to end`
  const head = `Cancelled ${itemsText(cancelled.size)}${before}`
  return ends.ends.length === 0 ? head : `${head}\n${endsText(ends.ends, output)}`
}

/** Their items are in FAIL, and yet the cancel has not done all that it was to do. */
function warnOfOpen({ ends }: Cancelling, context: CommandContext, waitedMs: number): void {
  const { open, unreachedWhy } = ends
  if (open.length === 0) return
  const heldUp = open.map((job) => ends.heldUp(job)).find((message) => message !== undefined)
  const why = heldUp === undefined ? unreachedWhy : endsWhenText(heldUp)
  context.output.warn(
    `${plural(open.length, 'job')} had not ended after ${elapsedText(waitedMs)}${why === undefined ? '' : ` (${why})`}: ` +
      `${idsText(open.map(({ id }) => id))}\nTheir items are in FAIL. \`sluice show ID\` says how a job ended; --json names all.`,
  )
  context.exitWith('UNAVAILABLE')
}

/** A service had a send under way, and has not said that it is over. */
function warnOfLate({ mayStart }: Cancelling, context: CommandContext, waitedMs: number): void {
  if (mayStart.length === 0) return
  context.output.warn(
    `${plural(mayStart.length, 'job')} may still start: a service may be sending ${mayStart.length === 1 ? 'it' : 'them'}, and did not say ` +
      `otherwise within ${elapsedText(waitedMs)}: ${idsText(mayStart)}\nThe service ends each that starts. Their items are in FAIL; ` +
      'cancel the same ids again to see.',
  )
  context.exitWith('UNAVAILABLE')
}

function warnOfUnreached({ unreached, unreachedWhy }: Cancelling, context: CommandContext): void {
  if (unreachedWhy === undefined) return
  context.output.warn(
    `The jobs of ${itemsText(unreached.size)} may run on: ${unreachedWhy}\n` +
      `Their items are in FAIL. To end the jobs, cancel the same ids again (--json names all): ${idsText([...unreached])}`,
  )
  context.exitWith('UNAVAILABLE')
}
