import { isSluiceError, STAGES, type Queue, type SkippedItem, type Stage } from '@sluice/core'
import pMap from 'p-map'
import { printable } from '../output/output.js'
import { withLine } from '../cli/command-error.js'
import { countText, itemsText } from '../output/amounts.js'
import type { CommandContext } from '../cli/command.js'

/** What a command moved, and what it skipped. */
export interface MovedItems {
  readonly text: string
  readonly json: object
  readonly skipped: readonly SkippedItem[]
}

const SHOWN = 10
const CONCURRENCY = 16

/** The items that a walk has moved so far. */
export interface MovedCount {
  items: number
}

/**
 * Walks over many items and moves them. Where it fails in the middle, its error also says how many were
 * moved; the storage may have moved some more of the failed page.
 *
 * @param done the participle for messages, such as `released`
 * @returns how many were moved
 */
export async function countMoved(done: string, walk: (moved: MovedCount) => Promise<void>): Promise<number> {
  const moved: MovedCount = { items: 0 }
  try {
    await walk(moved)
    return moved.items
  } catch (error) {
    if (moved.items === 0) throw error
    const were = moved.items === 1 ? 'was' : 'were'
    throw withLine(
      error,
      `At least ${itemsText(moved.items)} ${were} ${done} before that; run the same command again for the rest.`,
    )
  }
}

/** The error of a signal during a single call. @param done the participle, such as `requeued` */
export function someMoved(done: string): string {
  return `Interrupted: some of the items may have been ${done}; run the same command again for the rest.`
}

/** Prints what was moved. Skipped ids are listed by reason, and the exit code is CONFLICT. */
export async function printMoved(context: CommandContext, queue: Queue, moved: MovedItems): Promise<void> {
  context.output.print(moved.text, moved.json)
  await noteSkipped(context, queue, moved.skipped)
}

/** Lists the ids that a command skipped, by the stage of the item. The exit code is then CONFLICT. */
export async function noteSkipped(
  context: Pick<CommandContext, 'output' | 'exitWith'>,
  queue: Queue,
  skipped: readonly SkippedItem[],
): Promise<void> {
  if (skipped.length === 0) return
  const { output } = context
  const idsOf = (reason: SkippedItem['reason']) =>
    skipped.filter((item) => item.reason === reason).map(({ id }) => id)
  const elsewhere = [...idsOf('wrong-stage'), ...idsOf('not-current')]
  const stages = await pMap(elsewhere, (id) => stageOf(queue, id), { concurrency: CONCURRENCY })
  for (const stage of STAGES) {
    const ids = elsewhere.filter((_, index) => stages[index] === stage)
    if (ids.length > 0) output.note(`Unchanged (in ${stage}): ${idsText(ids)}`)
  }
  const unknown = [...idsOf('not-found'), ...elsewhere.filter((_, index) => stages[index] === undefined)]
  if (unknown.length > 0) output.note(`Unknown, no such item: ${idsText(unknown)}`)
  const repeated = idsOf('repeated')
  if (repeated.length > 0) output.note(`Given more than once: ${idsText(repeated)}`)
  context.exitWith('CONFLICT')
}

/** The stage of an item after the command; `undefined` without an item. */
async function stageOf(queue: Queue, id: string): Promise<Stage | undefined> {
  try {
    return await queue.lookupStatus(id)
  } catch (error) {
    if (isSluiceError(error, 'SLUICE_ITEM_NOT_FOUND')) return undefined
    throw error
  }
}

/** The first of some ids, and how many more there are. */
export function idsText(ids: readonly string[]): string {
  const names = ids.slice(0, SHOWN).map((id) => printable(id, 100))
  const more = ids.length > SHOWN ? ` and ${countText(ids.length - SHOWN)} more` : ''
  return `${names.join(', ')}${more}`
}
