import { wholeNumber } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

const EXAMPLES = [
  'sluice demo',
  'sluice demo --argo',
  'sluice demo --items 200 --limit 4',
  'sluice demo --fresh --json',
]

const NOTES = `
Writes a manifest of files below the root (sources first, then node_modules), loads it into a SQLite queue, and runs a real
command for each: a small program that prints the file's SHA-256 and size. Everything lies in DIR/demo.
With --argo each item becomes a workflow of half a second to a second and a half, sent over HTTP to a stand-in for Argo in this
process: two in a hundred fail, two lose their pod once and are tried again. Everything lies in DIR/demo-argo; the stand-in and its
workflows end with the process, and what wasn't finished then is made anew by the next run.
Stopped or killed at any moment, the next run goes on where it was: no item is lost, none runs twice. A demo that is finished
shows its outcomes again and runs nothing; --fresh starts another. Items that fail, each with its reason, are no failure of
the demo.`

/** Registers `sluice demo`. */
export function registerDemo(program: Program, context: CommandContext): void {
  program
    .command('demo')
    .description('See it work: digest a thousand real files, on SQLite and local processes')
    .option('--argo', 'workflows on a stand-in for Argo Workflows instead')
    .option('-n, --items <n>', 'how many files or workflows (default: 1000)', wholeNumber(1))
    .option('-l, --limit <n>', 'most jobs at once (default: 8, with --argo 50)', wholeNumber(1))
    .option('--dir <dir>', 'where the demo is kept', '.sluice')
    .option('--root <dir>', 'whose files (default: this directory)')
    .option('--fresh', 'throw the demo that was begun here away and start another')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'UNEXPECTED', 'INVALID', 'CONFLICT', 'INTERRUPTED']))
    .action(async (flags) => {
      const { runDemo } = await import('../../demo/run-demo.js')
      await runDemo(flags, context)
    })
}
