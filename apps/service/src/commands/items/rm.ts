import type { Queue, Stage } from '@sluice/core'
import { InvalidArgumentError } from '@commander-js/extra-typings'
import { CommandError, untilInterrupted } from '../../cli/command-error.js'
import { printable } from '../../output/output.js'
import { itemsText } from '../../output/amounts.js'
import { assertOneChoice, itemIds, stageName } from '../../cli/arguments.js'
import { runBulk, type BulkCommand } from '../../items/bulk-command.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'
import {
  classOption,
  exitCodeOption,
  groupOption,
  isFiltered,
  reasonOption,
  type FailureFlags,
} from '../../items/failure-filter.js'
import { printMoved, someMoved } from '../../items/moved-items.js'

type RemovableStage = Exclude<Stage, 'PROCESSING'>

interface RemoveFlags extends FailureFlags {
  readonly stage?: RemovableStage | undefined
  readonly dryRun?: true | undefined
  readonly yes?: true | undefined
}

/** `sluice rm`: removes items permanently. */
export function registerRm(program: Program, context: CommandContext): void {
  program
    .command('rm')
    .description('Remove items permanently; never those in PROCESSING, whose jobs may be running')
    .argument('[ids...]', 'the items', itemIds, [])
    .option('-s, --stage <stage>', 'every item in WAITING, SUCCESS or FAIL', removableStage)
    .addOption(groupOption())
    .addOption(classOption())
    .addOption(exitCodeOption())
    .addOption(reasonOption())
    .option('--dry-run', 'with --stage or a filter: only report which and how many')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, EXITS))
    .action(async (ids, flags) => {
      const stage = flags.stage ?? (isFiltered(flags) ? 'FAIL' : undefined)
      assertOneChoice(
        ids,
        stage !== undefined,
        '--stage WAITING, SUCCESS or FAIL, or any of --group, --class, --exit-code and --reason-matches',
      )
      const queue = await context.openQueue(flags.dryRun === true ? { reading: true } : {})
      if (stage === undefined) await removeIds(queue, ids, { flags, context })
      else await removeStage(queue, stage, { flags, context })
    })
}

const NOTES = `
--group, --class, --exit-code and --reason-matches apply to items in FAIL, unless --stage is set; an item must match each of them.`

const EXAMPLES = [
  'sluice rm tile-1 --yes',
  'sluice rm --stage SUCCESS',
  'sluice rm --group 67e188c0 --dry-run',
]
const EXITS = ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'DENIED', 'REFUSED', 'INTERRUPTED'] as const

function removableStage(text: string): RemovableStage {
  const stage = stageName(text)
  if (stage !== 'PROCESSING') return stage
  throw new InvalidArgumentError('Their jobs may be running: `sluice release` them first.')
}

interface Removal {
  readonly context: CommandContext
  readonly flags: RemoveFlags
}

async function removeIds(queue: Queue, ids: readonly string[], { flags, context }: Removal): Promise<void> {
  if (flags.dryRun === true)
    throw new CommandError('INVALID', '--dry-run applies to --stage and the filters, not to ids.')
  await context.confirm(question(ids.length, queue), { yes: flags.yes === true })
  const signal = context.interrupted()
  const { removed, skipped } = await untilInterrupted(context, someMoved('removed'), () =>
    queue.remove(ids, { signal }),
  )
  await printMoved(context, queue, {
    text: `Removed ${itemsText(removed)}`,
    json: { removed, skipped },
    skipped,
  })
}

function removeStage(queue: Queue, stage: RemovableStage, { flags, context }: Removal): Promise<void> {
  const command: BulkCommand = {
    stage,
    flags,
    verb: 'remove',
    done: 'removed',
    question: (count) => question(count, queue),
    // Only from this stage: an item that was claimed or requeued since then stays.
    move: async (items, signal) => {
      const ids = items.map(({ id }) => id)
      return (await queue.remove(ids, { stages: [stage], signal })).removed
    },
    json: (removed) => ({ removed, skipped: [] }),
  }
  return runBulk(queue, command, context)
}

function question(count: number, queue: Queue): string {
  return `Remove ${itemsText(count)} of ${printable(queue.name)} permanently?`
}
