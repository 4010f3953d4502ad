import { Command, CommanderError } from '@commander-js/extra-typings'
import { isSluiceError } from '@sluice/core'
import { caseCatalog } from '../case-catalog.js'
import { verifyModule } from './verify-module.js'
import { verifyOnChange } from './verify-on-change.js'

/** 0: every case that applies passes · 1: one does not · 2: the command or the module can't be used. */
export type ExitCode = 0 | 1 | 2

/** Where the command runs, and where its lines go. */
export interface CliContext {
  readonly cwd: string
  readonly print: (text: string) => void
  readonly printError: (text: string) => void
}

/** Runs one command line; it does not reject. */
export async function main(args: readonly string[], context: CliContext): Promise<ExitCode> {
  let code: ExitCode = 0
  const program = makeProgram(args, context, (end) => (code = end))
  try {
    await program.parseAsync([...args], { from: 'user' })
    return code
  } catch (error) {
    // `--help` ends by an error of exit code 0; what is wrong with an option was printed.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    const message = error instanceof Error ? error.message : String(error)
    context.printError(`error: ${message}`)
    return isSluiceError(error) ? 2 : 1
  }
}

function makeProgram(args: readonly string[], context: CliContext, end: (code: ExitCode) => void): Command {
  const program = new Command()
    .name('sluice-testkit')
    .description('Run the contract of Sluice queues and workers.')
    .exitOverride()
    .configureOutput({ writeOut: (text) => context.print(text.trimEnd()) })
    .configureOutput({ writeErr: (text) => context.printError(text.trimEnd()) })
  program
    .command('verify')
    .description('Run the contract on a module that exports `harness`, or on a queue package (`openQueue`)')
    .argument('<module>', 'a file, or the name of an installed package')
    .option('--case <prefix>', 'only cases whose id starts with this, such as Q-GET-2', '')
    .option('--options <json>', 'options for `openQueue`, as a JSON object', '{}')
    .option('--timeout <ms>', 'a case that takes longer is slow', Number, 60_000)
    .option('--watch', 'run again when the module, or a program beside it, changes')
    .option('--json', 'one JSON object a line')
    .action(async (module, { watch, ...flags }) => {
      if (watch === true) {
        await verifyOnChange(
          module,
          args.filter((one) => one !== '--watch'),
          context,
        )
      } else end(await verifyModule(module, flags, context))
    })
  program
    .command('cases')
    .description('List the cases of the contract')
    .option('--json', 'with promises and needs, as JSON')
    .action(async ({ json }) => {
      context.print(json === true ? JSON.stringify(await caseCatalog(), null, 2) : await caseLines())
    })
  return program
}

async function caseLines(): Promise<string> {
  const { queue, worker, engine } = await caseCatalog()
  const all = [queue, worker, engine].flatMap(({ cases }) => cases)
  const width = Math.max(...all.map(({ id }) => id.length))
  return all.map(({ id, title }) => `${id.padEnd(width)}  ${title}`).join('\n')
}
