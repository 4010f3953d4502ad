import type { Queue, Stage } from '@sluice/core'
import { InvalidArgumentError } from '@commander-js/extra-typings'
import { printable } from '../output.js'
import { assertOneChoice, itemIds, pattern, stageName } from './arguments.js'
import { helpNotes, type CommandContext, type Program } from './command.js'
import { countSelected, selectPages, type Selection } from './item-selection.js'
import { itemsText } from '../progress/progress-text.js'
import { countMoved, printMoved } from './moved-items.js'

type RemovableStage = Exclude<Stage, 'PROCESSING'>

/** `sluice rm`: takes items out of the queue for good. */
export function registerRm(program: Program, context: CommandContext): void {
  program
    .command('rm')
    .description('Remove items for good; never those in PROCESSING, whose jobs may run')
    .argument('[ids...]', 'which', itemIds, [])
    .option('-s, --stage <stage>', 'every item in WAITING, SUCCESS or FAIL', removableStage)
    .option('--reason-matches <regex>', 'with --stage: only items whose reason matches', pattern)
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'REFUSED']))
    .action(async (ids, { stage, reasonMatches, yes }) => {
      assertOneChoice(ids, stage !== undefined, '--stage WAITING, SUCCESS or FAIL')
      const queue = await context.openQueue()
      const asked = { yes: yes === true }
      if (stage === undefined) await removeIds(queue, ids, { ...asked, context })
      else await removeStage(queue, stage, { ...asked, context, reasonMatches })
    })
}

const EXAMPLES = ['sluice rm tile-1 --yes', 'sluice rm --stage SUCCESS']

function removableStage(text: string): RemovableStage {
  const stage = stageName(text)
  if (stage !== 'PROCESSING') return stage
  throw new InvalidArgumentError('Their jobs may run: `sluice release` them first.')
}

interface Removal {
  readonly context: CommandContext
  readonly yes: boolean
  readonly reasonMatches?: RegExp | undefined
}

async function removeIds(queue: Queue, ids: readonly string[], { context, yes }: Removal): Promise<void> {
  await context.confirm(question(ids.length, queue), { yes })
  const { removed, skipped } = await queue.remove(ids)
  printMoved(context, {
    text: `Removed ${itemsText(removed)}`,
    json: { removed, skipped },
    skipped,
    why: 'in PROCESSING, or unknown',
  })
}

async function removeStage(queue: Queue, stage: RemovableStage, options: Removal): Promise<void> {
  const { context, yes, reasonMatches } = options
  const selection: Selection = { stage, reasonMatches }
  const count = yes ? 0 : await countSelected(queue, selection)
  if (count > 0) await context.confirm(question(count, queue), { yes })
  const removed = await countMoved('removed', async (moved) => {
    for await (const items of selectPages(queue, selection)) {
      const ids = items.map((item) => item.id)
      // Only while they are still there: an item that was claimed or requeued since is another matter.
      if (ids.length > 0) moved.items += (await queue.remove(ids, { stages: [stage] })).removed
    }
  })
  const none =
    reasonMatches === undefined ? `there are none in ${stage}` : `none in ${stage} has a reason that matches`
  const text = `Removed ${itemsText(removed)}`
  context.output.print(removed === 0 ? `${text}: ${none}` : text, { removed, skipped: [] })
  // An empty stage is what was asked for; a pattern that nothing matches may be mistyped.
  if (removed === 0 && reasonMatches !== undefined) context.exitWith('CONFLICT')
}

function question(count: number, queue: Queue): string {
  return `Remove ${itemsText(count)} of ${printable(queue.name)} for good?`
}
