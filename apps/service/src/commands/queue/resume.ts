import { clearSelfPause } from '@sluice/engine'
import { printable } from '../../output/output.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice resume`: ends a pause, whoever paused the queue. */
export function registerResume(program: Program, context: CommandContext): void {
  program
    .command('resume')
    .description('Let jobs start again after `sluice pause`, or after a pause by Sluice itself')
    .addHelpText('after', helpNotes(['sluice resume'], ['OK', 'INVALID', 'UNAVAILABLE']))
    .action(async () => {
      const queue = await context.openQueue()
      // Before it: an engine that finds the queue paused no more, and the record still there, might just have written it.
      await clearSelfPause(queue)
      await queue.control.resume()
      const state = await queue.control.read()
      context.output.print(`Resumed ${printable(queue.name)}`, state)
    })
}
