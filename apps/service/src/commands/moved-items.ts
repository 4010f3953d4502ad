import { printable } from '../output.js'
import { withLine } from '../command-error.js'
import { countText, itemsText } from '../progress/progress-text.js'
import type { CommandContext } from './command.js'

/** What a command did to items, and which it could not. */
export interface MovedItems {
  readonly text: string
  readonly json: object
  readonly skipped: readonly string[]
  /** Why ids were skipped, in a few words. */
  readonly why: string
}

const SHOWN = 10

/** How many items a walk has moved so far. */
export interface MovedCount {
  items: number
}

/**
 * Walks over many items and moves them. If it fails in the middle, its error also says how many were moved: of the page that failed a
 * storage may have moved some more.
 *
 * @param done what becomes of them, such as `released`
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

/** Prints what was done; ids that were skipped are named, and the exit code is CONFLICT. */
export function printMoved(context: CommandContext, moved: MovedItems): void {
  const { output } = context
  output.print(moved.text, moved.json)
  if (moved.skipped.length === 0) return
  output.note(`Left as they are (${moved.why}): ${idsText(moved.skipped)}`)
  context.exitWith('CONFLICT')
}

/** The first of some ids, and how many more there are. */
export function idsText(ids: readonly string[]): string {
  const names = ids.slice(0, SHOWN).map((id) => printable(id, 100))
  const more = ids.length > SHOWN ? ` and ${countText(ids.length - SHOWN)} more` : ''
  return `${names.join(', ')}${more}`
}
