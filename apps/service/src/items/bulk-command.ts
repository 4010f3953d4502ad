import type { ItemRecord, Queue, Stage } from '@sluice/core'
import { untilInterrupted } from '../cli/command-error.js'
import { itemsText } from '../output/amounts.js'
import { moveSelected, printDryRun } from './bulk-move.js'
import type { CommandContext } from '../cli/command.js'
import { filterOf, isFiltered, nothingMatches, type FailureFlags } from './failure-filter.js'
import { countSelected, selectPages, type Selection } from './item-selection.js'

/** A command on many items of a stage. */
export interface BulkCommand {
  readonly stage: Stage
  readonly flags: FailureFlags & { readonly dryRun?: true | undefined; readonly yes?: true | undefined }
  /** Such as `requeue`. */
  readonly verb: string
  /** Such as `requeued`. */
  readonly done: string
  /** The confirmation question. */
  readonly question: (count: number) => string
  /** Moves a page of items, until the signal; returns how many moved. */
  readonly move: (items: readonly ItemRecord[], signal: AbortSignal) => Promise<number>
  /** The result for `--json`. */
  readonly json: (moved: number) => object
}

/**
 * Finds the items, asks for confirmation, and moves them a page at a time; with `--dry-run` it only reports
 * them. A signal ends it at once.
 *
 * @throws CommandError CONFLICT where a filter matches nothing, INTERRUPTED after a signal before any item
 * moved
 */
export async function runBulk(queue: Queue, command: BulkCommand, context: CommandContext): Promise<void> {
  const { flags, stage, done } = command
  const nothingDone = 'Interrupted: nothing was done.'
  const { selection, count } = await untilInterrupted(context, nothingDone, () =>
    prepare(queue, command, context),
  )
  if (count === 0 && isFiltered(flags)) throw await nothingMatches(queue, flags, { stages: [stage], done })
  if (flags.dryRun === true) return
  const bulk = { selection, done, total: count, move: command.move }
  const { selected, moved, interrupted, isExact } = await moveSelected(queue, bulk, context)
  if (selected === 0 && !interrupted && isFiltered(flags))
    throw await nothingMatches(queue, flags, { stages: [stage], done })
  const { output } = context
  const why = selected === 0 && !interrupted ? `: ${stage} is empty` : ''
  const atLeast = isExact ? '' : 'at least '
  const text = `${done.charAt(0).toUpperCase()}${done.slice(1)} ${atLeast}${itemsText(moved)}${why}`
  output.print(text, { ...command.json(moved), ...(interrupted ? { interrupted } : {}) })
  if (!interrupted) return
  output.note('Interrupted: run the same command again for the rest.')
  context.exitWith('INTERRUPTED')
}

interface Prepared {
  readonly selection: Selection
  /** `undefined` where not counted, to save a walk over the stage. */
  readonly count: number | undefined
}

async function prepare(queue: Queue, command: BulkCommand, context: CommandContext): Promise<Prepared> {
  const { flags, stage, verb } = command
  const reading = { runtime: context.runtime, signal: context.interrupted() }
  const selection = { stage, ...(await filterOf(queue, flags, { stages: [stage], ...reading })) }
  if (flags.dryRun === true) {
    const items = selectPages(queue, selection, reading)
    return { selection, count: await printDryRun(queue, { items, verb }, context) }
  }
  if (flags.yes === true && isFiltered(flags)) return { selection, count: undefined }
  const count = await countSelected(queue, selection, reading)
  if (count > 0 && flags.yes !== true) await context.confirm(command.question(count), { yes: false })
  return { selection, count }
}
