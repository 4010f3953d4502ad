import { Command } from '@commander-js/extra-typings'
import type { TextStream } from '../output/output.js'
import type { CliContext } from './context.js'
import type { CommandContext, Program } from './command.js'
import { registerArgoFake } from '../commands/trial/argo-fake.js'
import { registerBackup } from '../commands/queue/backup.js'
import { registerCancel } from '../commands/items/cancel.js'
import { registerCheck } from '../commands/service/check.js'
import { registerDemo } from '../commands/trial/demo.js'
import { registerDrop } from '../commands/queue/drop.js'
import { registerInit } from '../commands/service/init.js'
import { registerLimit } from '../commands/queue/limit.js'
import { registerLoad } from '../commands/lists/load.js'
import { registerLogs } from '../commands/items/logs.js'
import { registerLs } from '../commands/items/ls.js'
import { registerPause } from '../commands/queue/pause.js'
import { registerPut } from '../commands/items/put.js'
import { registerQueues } from '../commands/queue/queues.js'
import { registerRelease } from '../commands/items/release.js'
import { registerReport } from '../commands/lists/report.js'
import { registerRequeue } from '../commands/items/requeue.js'
import { registerResume } from '../commands/queue/resume.js'
import { registerRm } from '../commands/items/rm.js'
import { registerRun } from '../commands/service/run.js'
import { registerS3Fake } from '../commands/trial/s3-fake.js'
import { registerShow } from '../commands/items/show.js'
import { registerStatus } from '../commands/queue/status.js'
import { registerSweep } from '../commands/queue/sweep.js'
import { registerVerify } from '../commands/queue/verify.js'
import { exitCodeLines, EXIT_MEANINGS, type ExitName } from './exit-codes.js'

/** Every command, in the order of `--help`. */
const COMMANDS: readonly ((program: Program, context: CommandContext) => void)[] = [
  registerInit,
  registerCheck,
  registerRun,
  registerLoad,
  registerPut,
  registerStatus,
  registerLs,
  registerShow,
  registerLogs,
  registerRequeue,
  registerCancel,
  registerRelease,
  registerRm,
  registerSweep,
  registerBackup,
  registerReport,
  registerPause,
  registerResume,
  registerLimit,
  registerQueues,
  registerDrop,
  registerVerify,
  registerDemo,
  registerArgoFake,
  registerS3Fake,
]

/** The program's version and streams. */
export interface ProgramOptions {
  readonly version: string
  readonly stdout: TextStream
  readonly stderr: TextStream
}

/** The command line: all commands, and their global options. */
export function makeProgram(context: CliContext, { version, stdout, stderr }: ProgramOptions): Program {
  const program = new Command()
    .name('sluice')
    .description(
      'A durable work queue that feeds a very long list of work to a worker at the rate that it can take.',
    )
    .version(version, '-V, --version', 'Print the version')
    .helpOption('-h, --help', 'Print this help')
    .helpCommand('help [command]', 'Print the help of a command')
    .option('-c, --config <file>', 'configuration file (default: sluice.config.* in the working directory)')
    .option('--set <path=value>', 'override a setting, such as processing.limit=20; repeatable', collect)
    .option('--json', 'results and errors as JSON')
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .addHelpText('after', rootNotes())
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      // Usage errors are thrown, and printed where all errors are.
      outputError: () => undefined,
    })
    .exitOverride()
  program.hook('preAction', (root) => context.configure(root.opts()))
  for (const register of COMMANDS) register(program, context)
  return program
}

function collect(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value]
}

function rootNotes(): string {
  const names = Object.keys(EXIT_MEANINGS).filter((name): name is ExitName => name in EXIT_MEANINGS)
  return [
    '',
    'Settings, by precedence: flags, SLUICE_… variables, configuration file, defaults.',
    '',
    'Examples:',
    '  $ sluice init',
    '  $ sluice load manifest.jsonl && sluice run --until-empty',
    '  $ sluice status --watch',
    '',
    'Exit codes:',
    ...exitCodeLines(names),
    '',
  ].join('\n')
}
