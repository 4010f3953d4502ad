import type { ItemRecord, Queue } from '@sluice/core'
import { printable } from '../output/output.js'
import type { Progress } from '../output/progress.js'
import { itemsText } from '../output/amounts.js'
import { FailureGroups } from '../report/failure-groups.js'
import { failureJson, failureLines, summaryOf } from '../report/failure-table.js'
import type { CommandContext } from '../cli/command.js'
import { selectPages, type Selection } from './item-selection.js'
import { countMoved, idsText } from './moved-items.js'

/** A move of many items, a page at a time. */
export interface BulkMove {
  readonly selection: Selection
  /** The participle for messages, such as `requeued`. */
  readonly done: string
  /** The number of items, for the progress; absent where not counted. */
  readonly total?: number | undefined
  /** Moves a page of items, until the signal; returns how many moved. */
  readonly move: (items: readonly ItemRecord[], signal: AbortSignal) => Promise<number>
}

/** The result of a move. */
export interface BulkMoved {
  /** Includes items that another process moved first. */
  readonly selected: number
  readonly moved: number
  /** A signal came before the end. Moved items stay moved; the same command again does the rest. */
  readonly interrupted: boolean
  /** False where the signal came during a move: `moved` is then a lower bound. */
  readonly isExact: boolean
}

/** Moves the selected items page by page and shows the progress. A signal ends it at once. */
export async function moveSelected(
  queue: Queue,
  { selection, done, total, move }: BulkMove,
  context: Pick<CommandContext, 'output' | 'interrupted' | 'runtime'>,
): Promise<BulkMoved> {
  const reading = { runtime: context.runtime, signal: context.interrupted() }
  const { signal } = reading
  const progress = await progressOf(done, total, context)
  let selected = 0
  let isExact = true
  try {
    const moved = await countMoved(done, async (count) => {
      try {
        for await (const items of selectPages(queue, selection, reading)) {
          selected += items.length
          isExact = false
          if (items.length > 0) count.items += await move(items, signal)
          isExact = true
          progress?.update(selected, count.items)
        }
      } catch (error) {
        // After the signal the result says that the move was interrupted.
        if (!signal.aborted) throw error
      }
    })
    return { selected, moved, interrupted: signal.aborted, isExact }
  } finally {
    progress?.stop()
  }
}

async function progressOf(
  done: string,
  total: number | undefined,
  { output, runtime }: Pick<CommandContext, 'output' | 'runtime'>,
): Promise<Progress | undefined> {
  if (output.json) return undefined
  const { createProgress } = await import('../output/progress.js')
  const label = `${done.charAt(0).toUpperCase()}${done.slice(1)}`
  return createProgress({
    label,
    unit: 'items',
    stream: output.stderr,
    runtime,
    ...(total === undefined ? {} : { total }),
  })
}

/** What a command would do, for `--dry-run`. */
export interface DryRun {
  readonly items: AsyncIterable<readonly ItemRecord[]>
  /** Such as `requeue`. */
  readonly verb: string
}

const DRY_GROUPS = 10
const DRY_SAMPLES = 10

/**
 * Prints how many items a command would move, and their failures.
 *
 * @returns how many
 */
export async function printDryRun(
  queue: Queue,
  { items, verb }: DryRun,
  { output }: CommandContext,
): Promise<number> {
  const groups = new FailureGroups()
  const samples: string[] = []
  let count = 0
  for await (const page of items) {
    for (const item of page) {
      count += 1
      if (samples.length < DRY_SAMPLES) samples.push(item.id)
      if (item.stage === 'FAIL') groups.add(item)
    }
  }
  const summary = summaryOf(groups, DRY_GROUPS)
  const which = count === 0 ? '' : `: ${idsText(samples)}${count > samples.length ? ', …' : ''}`
  output.print(
    () =>
      [
        `Would ${verb} ${itemsText(count)} of ${printable(queue.name)}${which}`,
        ...failureLines(summary, output),
      ].join('\n'),
    { dryRun: true, count, samples, ...failureJson(summary) },
  )
  return count
}
