import { wholeNumber } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

const EXAMPLES = [
  'sluice demo',
  'sluice demo --argo',
  'sluice demo --items 200 --limit 4',
  'sluice demo --fresh --json',
]

const NOTES = `
Writes a manifest of the files below the root (sources first, then node_modules), loads it into a SQLite queue, and runs a
command for each: it prints the file's SHA-256 and size. All files are in DIR/demo.
With --argo each item becomes a workflow of 0.5 to 1.5 s, sent over HTTP to a fake Argo Server in this process: 2 % fail, 2 %
lose their pod once and are retried. All files are in DIR/demo-argo; the server and its workflows end with the process, and the
next run creates unfinished ones again.
Stopped or killed at any moment, the next run continues: no item is lost, none runs twice. A finished demo shows its outcomes
again and runs nothing; --fresh starts a new one. Failed items, each with its reason, do not fail the demo.`

/** Registers `sluice demo`. */
export function registerDemo(program: Program, context: CommandContext): void {
  program
    .command('demo')
    .description('Run a demo: digest a thousand real files, with SQLite and local processes')
    .option('--argo', 'run workflows on a fake Argo Server instead')
    .option('-n, --items <n>', 'the number of files or workflows (default: 1000)', wholeNumber(1))
    .option('-l, --limit <n>', 'the most jobs at once (default: 8, with --argo 50)', wholeNumber(1))
    .option('--dir <dir>', 'the directory of the demo', '.sluice')
    .option('--root <dir>', 'the directory with the files (default: the working directory)')
    .option('--fresh', 'delete the demo in DIR and start a new one')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'UNEXPECTED', 'INVALID', 'CONFLICT', 'INTERRUPTED']))
    .action(async (flags) => {
      const { runDemo } = await import('../../demo/run-demo.js')
      await runDemo(flags, context)
    })
}
