import { printable } from '../output.js'
import { helpNotes, type CommandContext, type Program } from './command.js'

/** `sluice resume`: ends a pause. */
export function registerResume(program: Program, context: CommandContext): void {
  program
    .command('resume')
    .description('Let jobs start again after `sluice pause`')
    .addHelpText('after', helpNotes(['sluice resume'], ['OK', 'INVALID', 'UNAVAILABLE']))
    .action(async () => {
      const queue = await context.openQueue()
      await queue.control.resume()
      const state = await queue.control.read()
      context.output.print(`Resumed ${printable(queue.name)}`, state)
    })
}
