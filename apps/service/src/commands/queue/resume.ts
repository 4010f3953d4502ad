import { resetBreaker } from '@sluice/engine'
import { printable } from '../../output/output.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice resume`: ends a pause by an operator or by Sluice itself. */
export function registerResume(program: Program, context: CommandContext): void {
  program
    .command('resume')
    .description('Start jobs again after `sluice pause`, or after a pause by Sluice itself')
    .addHelpText('after', helpNotes(['sluice resume'], ['OK', 'INVALID', 'UNAVAILABLE']))
    .action(async () => {
      const queue = await context.openQueue()
      // First: an engine that finds the queue resumed and the record present would take the record for a new
      // one.
      await resetBreaker(queue)
      await queue.control.resume()
      const state = await queue.control.read()
      context.output.print(`Resumed ${printable(queue.name)}`, state)
    })
}
