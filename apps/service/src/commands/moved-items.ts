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
  const names = moved.skipped.slice(0, SHOWN).map((id) => printable(id, 100))
  const more = moved.skipped.length > SHOWN ? ` and ${countText(moved.skipped.length - SHOWN)} more` : ''
  output.note(`Left as they are (${moved.why}): ${names.join(', ')}${more}`)
  context.exitWith('CONFLICT')
}
