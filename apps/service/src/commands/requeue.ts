import type { Queue } from '@sluice/core'
import { CommandError } from '../command-error.js'
import { printable } from '../output.js'
import { itemIds, pattern, spanMs, wholeNumber } from './arguments.js'
import { helpNotes, type CommandContext, type Program } from './command.js'
import { countSelected, selectPages, type Selection } from './item-selection.js'
import { itemsText } from '../progress/progress-text.js'
import { countMoved, printMoved } from './moved-items.js'

/** `sluice requeue`: FAIL → WAITING. */
export function registerRequeue(program: Program, context: CommandContext): void {
  program
    .command('requeue')
    .description('Send failed items back to WAITING')
    .argument('[ids...]', 'which', itemIds, [])
    .option('-a, --all', 'every failed item')
    .option('--reason-matches <regex>', 'the failed items whose reason matches', pattern)
    .option('--delay <span>', 'not given out earlier than in 30s, 5m, 2h', spanMs)
    .option('--priority <n>', 'their new priority', wholeNumber(-2_147_483_647, 2_147_483_647))
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'REFUSED']))
    .action(async (ids, { all, reasonMatches, delay, priority, yes }) => {
      const bulk = all === true || reasonMatches !== undefined
      if (bulk === ids.length > 0) {
        throw new CommandError('INVALID', 'Say which: ids, or --all, or --reason-matches REGEX.')
      }
      const options = {
        ...(delay === undefined ? {} : { delayMs: delay }),
        ...(priority === undefined ? {} : { priority }),
      }
      const queue = await context.openQueue()
      const move = (chosen: readonly string[]): ReturnType<Queue['requeue']> => queue.requeue(chosen, options)
      if (!bulk) return printRequeued(await move(ids), context)
      const selection: Selection = { stage: 'FAIL', reasonMatches }
      await askFirst(queue, { selection, yes: yes === true }, context)
      await printRequeued({ moved: await moveSelected(queue, selection, move), skipped: [] }, context)
    })
}

const EXAMPLES = [
  'sluice requeue tile-1 tile-2',
  'sluice requeue --reason-matches "timed? ?out" --delay 10m',
  'sluice requeue --all --yes',
]

interface Question {
  readonly selection: Selection
  readonly yes: boolean
}

async function askFirst(queue: Queue, { selection, yes }: Question, context: CommandContext): Promise<void> {
  if (yes) return
  const count = await countSelected(queue, selection)
  if (count === 0) return
  await context.confirm(`Requeue ${itemsText(count)} of ${printable(queue.name)}?`, { yes })
}

async function moveSelected(
  queue: Queue,
  selection: Selection,
  move: (ids: readonly string[]) => ReturnType<Queue['requeue']>,
): Promise<number> {
  return countMoved('requeued', async (moved) => {
    for await (const items of selectPages(queue, selection)) {
      if (items.length > 0) moved.items += (await move(items.map((item) => item.id))).moved
    }
  })
}

async function printRequeued(
  { moved, skipped }: { moved: number; skipped: readonly string[] },
  context: CommandContext,
): Promise<void> {
  printMoved(context, {
    text: `Requeued ${itemsText(moved)}`,
    json: { moved, skipped },
    skipped,
    why: 'not in FAIL, or unknown',
  })
}
