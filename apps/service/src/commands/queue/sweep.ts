import type { Queue, SweepReport } from '@sluice/core'
import { CommandError } from '../../cli/command-error.js'
import { printable } from '../../output/output.js'
import { elapsedText, itemsText, plural } from '../../output/amounts.js'
import { spanMs } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice sweep`: cleans up the storage now, as services do periodically. */
export function registerSweep(program: Program, context: CommandContext): void {
  program
    .command('sweep')
    .description(
      'Clean up the storage: repair interrupted moves, delete leftovers, remove old finished items',
    )
    .option(
      '--older-than <span>',
      'remove items that have been in SUCCESS or FAIL for longer, such as 12h, 30d',
      spanMs,
    )
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'UNAVAILABLE', 'DENIED', 'REFUSED']))
    .action(async ({ olderThan, yes }) => {
      const queue = await context.openQueue()
      const sweep = sweepOf(queue)
      if (olderThan !== undefined) await context.confirm(question(queue, olderThan), { yes: yes === true })
      const report = await sweep(olderThan === undefined ? {} : { retentionMs: olderThan })
      context.output.print(reportText(queue, report), report)
    })
}

const EXAMPLES = ['sluice sweep', 'sluice sweep --older-than 30d --yes']
const NOTES = `
A service sweeps every \`sweep.everyMs\`, with the age \`sweep.retentionMs\`. A sweep is never urgent, and safe beside any other process.`

function sweepOf(queue: Queue): NonNullable<Queue['sweep']> {
  const sweep = queue.supports.sweep === true ? queue.sweep?.bind(queue) : undefined
  if (sweep !== undefined) return sweep
  throw new CommandError(
    'INVALID',
    `Queue ${printable(queue.name)} has no sweep: its moves are atomic. ` +
      'To remove finished items: sluice rm --stage SUCCESS',
  )
}

function question(queue: Queue, olderThanMs: number): string {
  const age = elapsedText(olderThanMs)
  return `Remove all items of ${printable(queue.name)} permanently that have been in SUCCESS or FAIL for longer than ${age}?`
}

function reportText(queue: Queue, { repaired, leftovers, removed }: SweepReport): string {
  const parts = [
    `${plural(repaired, 'move')} repaired`,
    `${plural(leftovers, 'leftover')} deleted`,
    `${itemsText(removed)} removed`,
  ]
  return `Swept ${printable(queue.name)}: ${parts.join(', ')}`
}
