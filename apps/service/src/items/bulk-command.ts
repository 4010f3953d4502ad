import type { ItemRecord, Queue, Stage } from '@sluice/core'
import { CommandError } from '../cli/command-error.js'
import { itemsText } from '../output/amounts.js'
import { moveSelected, printDryRun } from './bulk-move.js'
import type { CommandContext } from '../cli/command.js'
import { filterOf, isFiltered, nothingMatches, type FailureFlags } from './failure-filter.js'
import { countSelected, selectPages, type Selection } from './item-selection.js'

/** A command on many items of a stage, as it was given. */
export interface BulkCommand {
  readonly stage: Stage
  readonly flags: FailureFlags & { readonly dryRun?: true | undefined; readonly yes?: true | undefined }
  /** Such as `requeue`. */
  readonly verb: string
  /** Such as `requeued`. */
  readonly done: string
  /** What is asked before so many are moved. */
  readonly question: (count: number) => string
  /** Moves a page of them; gives how many moved. */
  readonly move: (items: readonly ItemRecord[]) => Promise<number>
  /** What is printed with `--json`. */
  readonly json: (moved: number) => object
}

/**
 * Finds the items, asks, and moves them a page at a time; with `--dry-run` it only says which. A signal ends it after the page that is being
 * moved.
 *
 * @throws CommandError CONFLICT when there is a filter and nothing that it matches, INTERRUPTED after a signal before anything was moved
 */
export async function runBulk(queue: Queue, command: BulkCommand, context: CommandContext): Promise<void> {
  const { flags, stage, done } = command
  const { selection, count } = await untilInterrupted(context, () => prepare(queue, command, context))
  if (count === 0 && isFiltered(flags)) throw await nothingMatches(queue, flags, { stages: [stage], done })
  if (flags.dryRun === true) return
  const bulk = { selection, done, total: count, move: command.move }
  const { selected, moved, interrupted } = await moveSelected(queue, bulk, context)
  if (selected === 0 && !interrupted && isFiltered(flags))
    throw await nothingMatches(queue, flags, { stages: [stage], done })
  const { output } = context
  const why = selected === 0 && !interrupted ? `: there are none in ${stage}` : ''
  const text = `${done.charAt(0).toUpperCase()}${done.slice(1)} ${itemsText(moved)}${why}`
  output.print(text, { ...command.json(moved), ...(interrupted ? { interrupted } : {}) })
  if (!interrupted) return
  output.note('Stopped before the end: run the same command again for the rest.')
  context.exitWith('INTERRUPTED')
}

interface Prepared {
  readonly selection: Selection
  /** Absent where it was not worth a walk over the stage. */
  readonly count: number | undefined
}

async function prepare(queue: Queue, command: BulkCommand, context: CommandContext): Promise<Prepared> {
  const { flags, stage, verb } = command
  const signal = context.interrupted()
  const selection = { stage, ...(await filterOf(queue, flags, { stages: [stage], signal })) }
  if (flags.dryRun === true) {
    const items = selectPages(queue, selection, signal)
    return { selection, count: await printDryRun(queue, { items, verb }, context) }
  }
  if (flags.yes === true && isFiltered(flags)) return { selection, count: undefined }
  const count = await countSelected(queue, selection, signal)
  if (count > 0 && flags.yes !== true) await context.confirm(command.question(count), { yes: false })
  return { selection, count }
}

/** A signal while nothing was moved yet: reading, counting, asking. */
async function untilInterrupted<T>(context: CommandContext, work: () => Promise<T>): Promise<T> {
  const signal = context.interrupted()
  try {
    return await work()
  } catch (error) {
    if (!signal.aborted) throw error
    throw new CommandError('INTERRUPTED', 'Stopped before anything was done.')
  }
}
