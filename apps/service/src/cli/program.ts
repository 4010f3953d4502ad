import { Command, Option } from '@commander-js/extra-typings'
import type { TextStream } from '../output/output.js'
import type { CliContext } from './context.js'
import type { CommandContext, Program } from './command.js'
import outlines from '../../resources/commands.json' with { type: 'json' }
import { exitCodeLines, EXIT_MEANINGS, type ExitName } from './exit-codes.js'

/** Adds a command to the program. */
type Register = (program: Program, context: CommandContext) => void

/** Every command, in the order of `--help`. Only the modules of the command that runs are loaded. */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  init: async () => (await import('../commands/service/init.js')).registerInit,
  check: async () => (await import('../commands/service/check.js')).registerCheck,
  run: async () => (await import('../commands/service/run.js')).registerRun,
  load: async () => (await import('../commands/lists/load.js')).registerLoad,
  put: async () => (await import('../commands/items/put.js')).registerPut,
  status: async () => (await import('../commands/queue/status.js')).registerStatus,
  why: async () => (await import('../commands/queue/why.js')).registerWhy,
  ls: async () => (await import('../commands/items/ls.js')).registerLs,
  show: async () => (await import('../commands/items/show.js')).registerShow,
  logs: async () => (await import('../commands/items/logs.js')).registerLogs,
  requeue: async () => (await import('../commands/items/requeue.js')).registerRequeue,
  cancel: async () => (await import('../commands/items/cancel.js')).registerCancel,
  release: async () => (await import('../commands/items/release.js')).registerRelease,
  rm: async () => (await import('../commands/items/rm.js')).registerRm,
  sweep: async () => (await import('../commands/queue/sweep.js')).registerSweep,
  backup: async () => (await import('../commands/queue/backup.js')).registerBackup,
  report: async () => (await import('../commands/lists/report.js')).registerReport,
  pause: async () => (await import('../commands/queue/pause.js')).registerPause,
  resume: async () => (await import('../commands/queue/resume.js')).registerResume,
  limit: async () => (await import('../commands/queue/limit.js')).registerLimit,
  policy: async () => (await import('../commands/queue/policy.js')).registerPolicy,
  queues: async () => (await import('../commands/queue/queues.js')).registerQueues,
  drop: async () => (await import('../commands/queue/drop.js')).registerDrop,
  verify: async () => (await import('../commands/queue/verify.js')).registerVerify,
  demo: async () => (await import('../commands/trial/demo.js')).registerDemo,
  'argo-fake': async () => (await import('../commands/trial/argo-fake.js')).registerArgoFake,
  's3-fake': async () => (await import('../commands/trial/s3-fake.js')).registerS3Fake,
}

/** The program's version, streams and arguments. */
export interface ProgramOptions {
  /** The command line: where it names a command, only that one is loaded. */
  readonly argv: readonly string[]
  readonly version: string
  readonly stdout: TextStream
  readonly stderr: TextStream
}

/** The command line: the commands that it needs, and their global options. */
export async function makeProgram(
  context: CliContext,
  { version, argv, stdout, stderr }: ProgramOptions,
): Promise<Program> {
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
  const { loaded, shown } = neededBy(argv)
  for (const name of shown) registerOutline(program, name)
  for (const register of await Promise.all(loaded.map((load) => load()))) register(program, context)
  return program
}

/** The commands to load, and those of which help and suggestions show the outline. */
interface Needed {
  readonly loaded: readonly (() => Promise<Register>)[]
  readonly shown: readonly string[]
}

function neededBy(argv: readonly string[]): Needed {
  const named = commandIn(argv)
  if (named !== undefined) return { loaded: [named], shown: [] }
  // An option may hide the command: commander says so, and must know them all.
  if (argv.some((each) => Object.hasOwn(COMMANDS, each)))
    return { loaded: Object.values(COMMANDS), shown: [] }
  const isVersion = argv.length === 1 && ['--version', '-V'].includes(argv[0] ?? '')
  return { loaded: [], shown: isVersion ? [] : Object.keys(COMMANDS) }
}

/** The command after global options, if that is certain. */
function commandIn(argv: readonly string[]): (() => Promise<Register>) | undefined {
  const [first = '', ...rest] = argv
  if (Object.hasOwn(COMMANDS, first)) return COMMANDS[first]
  if (first === 'help' || first === '--json' || /^--(?:config|set)=/u.test(first)) return commandIn(rest)
  return ['-c', '--config', '--set'].includes(first) ? commandIn(rest.slice(1)) : undefined
}

/** What the list of commands shows, without loading the command. */
function registerOutline(program: Program, name: string): void {
  const outline = outlines.find(({ usage }) => usage.split(' ')[0] === name)
  const usage = outline?.usage ?? name
  const command = program.command(usage.replace(' [options]', '')).description(outline?.description ?? '')
  if (usage.includes(' [options]')) command.addOption(new Option('--any').hideHelp())
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
