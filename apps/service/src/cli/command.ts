/*
 * How to add a command
 *
 * 1. Write src/commands/<room>/<name>.ts with one export:
 *
 *      export function registerGreet(program: Program, context: CommandContext): void {
 *        program
 *          .command('greet')
 *          .description('Say how many items there are')
 *          .argument('<name>', 'the name to greet')
 *          .option('--loud', 'in capitals')
 *          .addHelpText('after', helpNotes(['sluice greet Ada --loud'], ['OK', 'INVALID', 'UNAVAILABLE']))
 *          .action(async (name, options) => {
 *            const queue = await context.openQueue()
 *            const sizes = await queue.sizes()
 *            context.output.print(`Hello ${printable(name)}, ${sizes.WAITING} are waiting`, { name, sizes })
 *          })
 *      }
 *
 * 2. Add it to the list in src/cli/program.ts.
 *
 * Rules: throw SluiceError or CommandError and don't catch it: main.ts prints it and sets the exit code. The
 * context closes what was opened through it. Results go to `output.print`, which handles --json; notes go to
 * `output.note`. Ids and reasons go through `printable`. Time, sleeps and ids come from `context.runtime`.
 * Read `context.output` inside the action only: before it the command line isn't parsed. Import heavy
 * libraries inside the action (`await import`), so that `--help` stays fast. The global options --config,
 * --set, --json need no declaration.
 */
import type { Readable } from 'node:stream'
import type { Logger, Queue, QueueUse, Runtime, StorageFinding, Worker, WorkerUse } from '@sluice/core'
import type { Secrets } from '@sluice/core/backend'
import type { Command } from '@commander-js/extra-typings'
import type { LoadedConfig } from '../config/load-config.js'
import { exitCodeLines, type ExitName } from './exit-codes.js'
import type { Output } from '../output/output.js'

/** The options of every command. */
export type GlobalOptions = {
  config?: string | undefined
  set?: string[] | undefined
  json?: true | undefined
}

/** The root command, with which a command registers itself. */
export type Program = Command<[], GlobalOptions>

/** How a command uses the queue. The use is brief by default. */
export interface OpenQueueOptions extends Omit<
  QueueUse,
  'baseDir' | 'baseDirOf' | 'placeOf' | 'secrets' | 'isSecretVariable'
> {
  /** The command may create the queue. Default: a queue that does not exist is an error. */
  readonly make?: boolean
}

/** How a command uses the worker. */
export type OpenWorkerOptions = Pick<WorkerUse, 'logger' | 'reading'>

/** What a command may use; one per process. */
export interface CommandContext {
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly output: Output
  readonly runtime: Runtime
  /** The secrets of the configuration and the command line, which no message may show. */
  readonly secrets: Secrets
  /**
   * Sets a setting from a flag of the command, such as `processing.limit` from `--limit`; call it before
   * {@link config}.
   */
  override(path: string, value: unknown, flag: string): void
  /** The configuration: flags over environment over file over defaults. Loaded once. */
  config(): Promise<LoadedConfig>
  /**
   * The configured queue, without loading the worker's package. Opened once.
   *
   * @throws AbsentQueueError SLUICE_CONFIG_INVALID where the queue does not exist, without `make`
   */
  openQueue(options?: OpenQueueOptions): Promise<Queue>
  /**
   * The configured queue where it exists; otherwise, or where its package can't tell, the function that opens
   * and creates it.
   */
  openQueueOrLater(options?: Omit<OpenQueueOptions, 'make'>): Promise<Queue | (() => Promise<Queue>)>
  /**
   * Tries the storage operations of a service, as far as the package supports it; it creates no queue and
   * leaves nothing behind.
   */
  checkStorage(logger: Logger): Promise<StorageFinding>
  /** The configured worker. Opened once, with the logger. */
  openWorker(use?: OpenWorkerOptions): Promise<Worker>
  /**
   * Validates the options of the configured worker, where its package is installed: a list must not be loaded
   * for a worker that can't start.
   *
   * @throws SluiceError SLUICE_CONFIG_INVALID
   */
  checkWorkerOptions(): Promise<void>
  /**
   * Whether the worker lacks room for this many items in its own storage, as a message. Counts the items only
   * where the worker has such a check. It does not open the worker, and does not fail where that can't be
   * opened.
   */
  checkRoom(items: () => Promise<number>): Promise<string | undefined>
  /**
   * Asks a yes-or-no question; `yes` answers it. Resolves only for a yes.
   *
   * @throws CommandError REFUSED for a no, and where it can't ask (no terminal, or `--json`)
   */
  confirm(question: string, options: { readonly yes: boolean }): Promise<void>
  /**
   * Aborted by the first SIGINT, SIGTERM or SIGHUP; the second ends the process at once. Listening starts
   * with the first call.
   */
  interrupted(): AbortSignal
  /**
   * For a command whose work matters more than its output: it continues, with its own exit code, when
   * standard output is closed.
   */
  goOnWithoutReader(): void
  /** Limits the time to close what was opened, in ms. */
  closeWithin(ms: number): void
  /** Sets the exit code of a command that ends without an error. */
  exitWith(name: ExitName): void
}

/** The end of a command's `--help`: examples, and its exit codes. */
export function helpNotes(examples: readonly string[], exits: readonly ExitName[]): string {
  const lines = ['', 'Examples:', ...examples.map((example) => `  $ ${example}`)]
  return [...lines, '', 'Exit codes:', ...exitCodeLines(exits), ''].join('\n')
}
