import type { ItemRecord, Queue, RequeueOptions, SkippedItem } from '@sluice/core'
import pMap from 'p-map'
import { untilInterrupted } from '../../cli/command-error.js'
import { printable } from '../../output/output.js'
import { itemsText } from '../../output/amounts.js'
import { assertOneChoice, itemIds, spanMs, wholeNumber } from '../../cli/arguments.js'
import { runBulk, type BulkCommand } from '../../items/bulk-command.js'
import { printDryRun } from '../../items/bulk-move.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'
import {
  classOption,
  exitCodeOption,
  groupOption,
  isFiltered,
  reasonOption,
  type FailureFlags,
} from '../../items/failure-filter.js'
import { noteSkipped, printMoved, someMoved } from '../../items/moved-items.js'

interface RequeueFlags extends FailureFlags {
  readonly all?: true | undefined
  readonly delay?: number | undefined
  readonly priority?: number | undefined
  readonly dryRun?: true | undefined
  readonly yes?: true | undefined
}

/** `sluice requeue`: FAIL → WAITING. */
export function registerRequeue(program: Program, context: CommandContext): void {
  program
    .command('requeue')
    .description('Move failed items back to WAITING')
    .argument('[ids...]', 'the items', itemIds, [])
    .option('-a, --all', 'every failed item')
    .addOption(groupOption())
    .addOption(classOption())
    .addOption(exitCodeOption())
    .addOption(reasonOption())
    .option('--delay <span>', 'do not start them before this time has passed, such as 30s, 5m, 2h', spanMs)
    .option('--priority <n>', 'their new priority', wholeNumber(-2_147_483_647, 2_147_483_647))
    .option('--dry-run', 'only report which and how many')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, EXITS))
    .action(async (ids, flags) => {
      const bulk = flags.all === true || isFiltered(flags)
      assertOneChoice(ids, bulk, '--all, or any of --group, --class, --exit-code and --reason-matches')
      const queue = await context.openQueue(flags.dryRun === true ? { reading: true } : {})
      if (bulk) await requeueSelected(queue, flags, context)
      else await requeueIds(queue, ids, { flags, context })
    })
}

const NOTES = `
An item must match each of --group, --class, --exit-code and --reason-matches that is set, and any value of a repeated one.
Items move a page at a time: after Ctrl-C or an error, run the same command again for the rest. Items that fail after the start
are not included. A filter that matches nothing is an error (exit code 3).`

const EXAMPLES = [
  'sluice requeue tile-1 tile-2',
  'sluice requeue --group 67e188c0 --dry-run',
  'sluice requeue --class oom --exit-code 137 --delay 10m',
  'sluice requeue --reason-matches "timed? ?out" --delay 10m',
  'sluice requeue --all --yes',
]
const EXITS = ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'DENIED', 'REFUSED', 'INTERRUPTED'] as const

function optionsOf({ delay, priority }: RequeueFlags): RequeueOptions {
  return {
    ...(delay === undefined ? {} : { delayMs: delay }),
    ...(priority === undefined ? {} : { priority }),
  }
}

function requeueSelected(queue: Queue, flags: RequeueFlags, context: CommandContext): Promise<void> {
  const options = optionsOf(flags)
  const command: BulkCommand = {
    stage: 'FAIL',
    flags,
    verb: 'requeue',
    done: 'requeued',
    question: (count) => `Requeue ${itemsText(count)} of ${printable(queue.name)}?`,
    move: async (items, signal) => {
      const ids = items.map(({ id }) => id)
      return (await queue.requeue(ids, { ...options, signal })).moved
    },
    json: (moved) => ({ moved, skipped: [] }),
  }
  return runBulk(queue, command, context)
}

interface RequeueIds {
  readonly flags: RequeueFlags
  readonly context: CommandContext
}

async function requeueIds(
  queue: Queue,
  ids: readonly string[],
  { flags, context }: RequeueIds,
): Promise<void> {
  if (flags.dryRun === true) return dryRunIds(queue, ids, context)
  const signal = context.interrupted()
  const { moved, skipped } = await untilInterrupted(context, someMoved('requeued'), () =>
    queue.requeue(ids, { ...optionsOf(flags), signal }),
  )
  await printMoved(context, queue, {
    text: `Requeued ${itemsText(moved)}`,
    json: { moved, skipped },
    skipped,
  })
}

const CONCURRENCY = 16

async function dryRunIds(queue: Queue, ids: readonly string[], context: CommandContext): Promise<void> {
  const each = [...new Set(ids)]
  const signal = context.interrupted()
  const found = await untilInterrupted(context, 'Interrupted: nothing was done.', () =>
    pMap(each, (id) => queue.lookup(id, { signal }), { concurrency: CONCURRENCY, signal }),
  )
  const items = found.filter((item): item is ItemRecord => item?.stage === 'FAIL')
  await printDryRun(queue, { items: onePage(items), verb: 'requeue' }, context)
  const skipped = each.flatMap((id, index): SkippedItem[] => {
    const item = found[index]
    if (item?.stage === 'FAIL') return []
    return [{ id, reason: item === undefined ? 'not-found' : 'wrong-stage' }]
  })
  await noteSkipped(context, queue, skipped)
}

async function* onePage(items: readonly ItemRecord[]): AsyncGenerator<readonly ItemRecord[]> {
  yield items
}
