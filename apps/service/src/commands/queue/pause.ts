import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice pause`: no new jobs start until `sluice resume`. */
export function registerPause(program: Program, context: CommandContext): void {
  program
    .command('pause')
    .description('Start no new jobs until `sluice resume`; running jobs are followed to their end')
    .option('-r, --reason <text>', 'why, for other operators')
    .addHelpText('after', helpNotes(['sluice pause --reason "disk full"'], ['OK', 'INVALID', 'UNAVAILABLE']))
    .action(async ({ reason }) => {
      const queue = await context.openQueue()
      await queue.control.pause(reason)
      const state = await queue.control.read()
      context.output.print(`Paused ${queue.name}. To continue: sluice resume`, state)
    })
}
