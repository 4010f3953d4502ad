/*
 * How to add a command
 *
 * 1. Write src/commands/<name>.ts with one export:
 *
 *      export function registerGreet(program: Program, context: CommandContext): void {
 *        program
 *          .command('greet')
 *          .description('Say how many items there are')
 *          .argument('<name>', 'whom to greet')
 *          .option('--loud', 'in capitals')
 *          .addHelpText('after', helpNotes(['sluice greet Ada --loud'], ['OK', 'INVALID', 'UNAVAILABLE']))
 *          .action(async (name, options) => {
 *            const queue = await context.openQueue()
 *            const sizes = await queue.sizes()
 *            context.output.print(`Hello ${printable(name)}, ${sizes.WAITING} are waiting`, { name, sizes })
 *          })
 *      }
 *
 * 2. Add it to the list in src/program.ts.
 *
 * Rules: throw SluiceError or CommandError and let it go: it is shown, and becomes the exit code, in one place (main.ts).
 * What was opened through the context is closed by it, whatever happens. Results go to `output.print`, which knows --json;
 * notes for people to `output.note`. Ids and reasons go through `printable`. Read `context.output` inside the action only:
 * before it the command line isn't parsed yet. Import heavy libraries inside the action (`await import`), so that `--help`
 * stays quick. The global options --config, --set, --json need no declaration.
 */
import type { Readable } from 'node:stream'
import type { Logger, Queue, QueueUse, Secrets, StorageFinding, Worker, WorkerUse } from '@sluice/core'
import type { Command } from '@commander-js/extra-typings'
import type { LoadedConfig } from '../config/load-config.js'
import { exitCodeLines, type ExitName } from './exit-codes.js'
import type { Output } from '../output/output.js'

/** The options that every command understands. */
export type GlobalOptions = {
  config?: string | undefined
  set?: string[] | undefined
  json?: true | undefined
}

/** The root command that a command registers itself with. */
export type Program = Command<[], GlobalOptions>

/** What a command has in mind for the queue. It is taken to be brief, unless it says otherwise. */
export interface OpenQueueOptions extends Omit<
  QueueUse,
  'baseDir' | 'baseDirOf' | 'placeOf' | 'secrets' | 'isSecretVariable'
> {
  /** This command may be the first one that a queue sees. Otherwise nothing is made where there is no queue. */
  readonly make?: boolean
}

/** What a command has in mind for the worker. */
export type OpenWorkerOptions = Pick<WorkerUse, 'logger' | 'reading'>

/** All that a command may use of the world; made once for each process. */
export interface CommandContext {
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly output: Output
  /** What no message may show: the secrets of the configuration and the command line. */
  readonly secrets: Secrets
  /** Sets a setting from a flag of the command's own, such as `processing.limit` from `--limit`; before {@link config} is called. */
  override(path: string, value: unknown, flag: string): void
  /** The configuration: flags over environment over file over defaults. Loaded once. */
  config(): Promise<LoadedConfig>
  /**
   * The configured queue; the worker's package is not touched. Opened once.
   *
   * @throws AbsentQueueError SLUICE_CONFIG_INVALID when there is no queue, and `make` wasn't given
   */
  openQueue(options?: OpenQueueOptions): Promise<Queue>
  /** The configured queue where there is one; where there is none, or its package can't tell, what opens and makes it. */
  openQueueOrLater(options?: Omit<OpenQueueOptions, 'make'>): Promise<Queue | (() => Promise<Queue>)>
  /** Tries what a service does with the storage, as far as its package can; it makes no queue, and leaves nothing behind. */
  checkStorage(logger: Logger): Promise<StorageFinding>
  /** The configured worker. Opened once; it is lent the logger. A command that changes nothing says that it only reads. */
  openWorker(use?: OpenWorkerOptions): Promise<Worker>
  /**
   * Holds the options of the configured worker against its package, if that is installed: a list is not to be loaded for a worker that can't start.
   *
   * @throws SluiceError SLUICE_CONFIG_INVALID
   */
  checkWorkerOptions(): Promise<void>
  /**
   * Whether the worker has too little room for so many items where it keeps something of them, in words for people. They are counted only if it
   * has a say in it. It neither opens the worker nor fails where that can't be opened.
   */
  checkRoom(items: () => Promise<number>): Promise<string | undefined>
  /**
   * Asks a yes-or-no question; `yes` answers it. Resolves only for a yes.
   *
   * @throws CommandError REFUSED for a no, and when there is nobody to ask (no terminal, or `--json`)
   */
  confirm(question: string, options: { readonly yes: boolean }): Promise<void>
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP; the second ends the process at once. Listening starts with the first call. */
  interrupted(): AbortSignal
  /** For a command whose work matters more than its output: it goes on to its end, and to its own exit code, when standard output is closed. */
  goOnWithoutReader(): void
  /** How long the closing of what was opened may take at most, in ms. */
  closeWithin(ms: number): void
  /** The exit code of a command that ends without an error and yet not with 0. */
  exitWith(name: ExitName): void
}

/** The tail of a command's `--help`: examples, and the exit codes that it may end with. */
export function helpNotes(examples: readonly string[], exits: readonly ExitName[]): string {
  const lines = ['', 'Examples:', ...examples.map((example) => `  $ ${example}`)]
  return [...lines, '', 'Exit codes:', ...exitCodeLines(exits), ''].join('\n')
}
