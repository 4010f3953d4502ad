import { printable } from '../output.js'
import { countText } from '../progress/progress-text.js'
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
