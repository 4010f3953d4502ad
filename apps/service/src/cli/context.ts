import type { Readable } from 'node:stream'
import {
  SluiceError,
  isSluiceError,
  type Logger,
  type Queue,
  type Runtime,
  type StorageFinding,
  type Worker,
} from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { CommandError, messageOf } from './command-error.js'
import type { CommandContext, GlobalOptions, OpenQueueOptions, OpenWorkerOptions } from './command.js'
import type { Environment } from '../config/config-environment.js'
import type { FlagSetting, LoadedConfig } from '../config/load-config.js'
import { parseText } from '../config/setting-text.js'
import { EXIT, type ExitCode, type ExitName } from './exit-codes.js'
import { watchInterrupts, type Interrupts } from './interrupt.js'
import { Output, saidOnce, warningsOf, type TextStream } from '../output/output.js'
import { ConfigSecrets } from '../secrets/config-secrets.js'

/** Without it a successful load would look durable. */
const NOT_DURABLE = 'this queue is not durable: the items that this process puts are lost when it ends'
const ALONE =
  'this queue exists only in this process: other commands do not see it, and it is lost when this one ends'

const CLOSE_MS = 5_000

/** The reader of standard output. */
export interface OutputReader {
  /** The command ends when standard output is closed. */
  isNeeded: boolean
}

/** The process environment of a command. */
export interface World {
  readonly cwd: string
  readonly env: Environment
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: TextStream
  readonly stderr: TextStream
  /** Aborted where a signal came before the process could listen to it. */
  readonly early?: AbortSignal | undefined
  readonly reader?: OutputReader
  /** Collects the secrets of the configuration and the command line. Default: its own. */
  readonly secrets?: ConfigSecrets
  /** Default: the machine's own. */
  readonly runtime?: Runtime
}

/** The {@link CommandContext} of one process, which also closes what it opened. */
export class CliContext implements CommandContext {
  readonly cwd: string
  readonly env: Environment
  readonly stdin: World['stdin']
  readonly secrets: ConfigSecrets
  readonly runtime: Runtime
  output: Output
  exitCode: ExitCode = EXIT.OK
  /** The longest time to close. */
  closeMs = CLOSE_MS
  readonly #world: World
  readonly #flags: FlagSetting[] = []
  #configFile: string | undefined
  #config: Promise<LoadedConfig> | undefined
  #queue: Promise<Queue> | undefined
  #worker: Promise<Worker> | undefined
  #interrupts: Interrupts | undefined

  constructor(world: World) {
    this.#world = world
    this.cwd = world.cwd
    this.env = world.env
    this.stdin = world.stdin
    this.secrets = world.secrets ?? new ConfigSecrets()
    this.runtime = world.runtime ?? systemRuntime
    this.output = new Output({ ...world, secrets: this.secrets, json: false })
  }

  /** Applies the global options; called once, before any action. */
  configure(options: GlobalOptions): void {
    this.output = new Output({ ...this.#world, secrets: this.secrets, json: options.json === true })
    this.#configFile = options.config
    for (const setting of options.set ?? []) this.#flags.push(parseSetting(setting))
  }

  override(path: string, value: unknown, flag: string): void {
    this.#flags.push({ path, value, flag })
  }

  config(): Promise<LoadedConfig> {
    this.#config ??= this.#loadConfig()
    return this.#config
  }

  openQueue(options: OpenQueueOptions = {}): Promise<Queue> {
    return this.#openOnce(() => this.#openQueue(options))
  }

  #openOnce(open: () => Promise<Queue>): Promise<Queue> {
    const opening = (this.#queue ??= open())
    // A failed opening may be retried.
    void opening.catch(() => {
      if (this.#queue === opening) this.#queue = undefined
    })
    return opening
  }

  async openQueueOrLater(
    options: Omit<OpenQueueOptions, 'make'> = {},
  ): Promise<Queue | (() => Promise<Queue>)> {
    const loaded = await this.config()
    const { openQueueIfThere } = await import('../packages/open-package.js')
    const given = options.logger ?? warningsOf(this.output)
    const use = { brief: true, ...loaded, ...options, env: this.env, logger: saidOnce(given) }
    const queue = await openQueueIfThere(loaded.config.queue, use)
    if (queue === undefined) return () => this.openQueue({ ...options, make: true })
    this.#warnOfLoss(queue)
    return this.#openOnce(() => Promise.resolve(queue))
  }

  openWorker(use: OpenWorkerOptions = {}): Promise<Worker> {
    this.#worker ??= this.#openWorker(use)
    return this.#worker
  }

  async confirm(question: string, { yes }: { readonly yes: boolean }): Promise<void> {
    if (yes) return
    if (this.output.json || this.stdin.isTTY !== true || !this.output.live) {
      throw new CommandError('REFUSED', `${question} Nothing was done: confirm with --yes.`)
    }
    const { confirm } = await import('@clack/prompts')
    const answer = await confirm({ message: question, initialValue: false })
    if (answer !== true) throw new CommandError('REFUSED', 'Nothing was done.')
  }

  interrupted(): AbortSignal {
    this.#interrupts ??= watchInterrupts(process, this.#world.early)
    return this.#interrupts.signal
  }

  goOnWithoutReader(): void {
    if (this.#world.reader !== undefined) this.#world.reader.isNeeded = false
  }

  closeWithin(ms: number): void {
    this.closeMs = Math.min(ms, CLOSE_MS)
  }

  exitWith(name: ExitName): void {
    this.exitCode = EXIT[name]
  }

  /**
   * Closes the worker and the queue, each even where the other fails to close.
   *
   * @throws what the worker or the queue rejects with
   */
  async close(): Promise<void> {
    // A failed opening has nothing to close, and was reported then.
    const opened = await Promise.allSettled([this.#worker, this.#queue])
    const failures: unknown[] = []
    for (const one of opened) {
      const failed = (error: unknown): void => void failures.push(error)
      if (one.status === 'fulfilled') await one.value?.close().catch(failed)
    }
    this.#interrupts?.stop()
    const [first, second] = failures
    if (second !== undefined) this.output.warn(messageOf(second))
    if (failures.length > 0) throw first
  }

  async #loadConfig(): Promise<LoadedConfig> {
    // Imported on demand: `--help` must not wait for the schema libraries.
    const { loadConfig } = await import('../config/load-config.js')
    const loaded = await loadConfig({
      cwd: this.cwd,
      env: this.env,
      flags: this.#flags,
      secrets: this.secrets,
      ...(this.#configFile === undefined ? {} : { configFile: this.#configFile }),
    })
    for (const warning of loaded.warnings) this.output.warn(warning)
    return loaded
  }

  async checkStorage(logger: Logger): Promise<StorageFinding> {
    const loaded = await this.config()
    const { checkStorage } = await import('../packages/open-package.js')
    return checkStorage(loaded.config.queue, { ...loaded, env: this.env, logger })
  }

  async #openQueue({ make = false, brief = true, ...use }: OpenQueueOptions): Promise<Queue> {
    const loaded = await this.config()
    const { openExistingQueue, openQueuePackage, placeOfNewQueue } =
      await import('../packages/open-package.js')
    const given = use.logger ?? warningsOf(this.output)
    // The existence check and the opening log the same messages.
    const options = { ...loaded, ...use, env: this.env, brief, logger: make ? given : saidOnce(given) }
    // A mistyped address, or a file that was moved, must not look like a finished queue.
    const isReported = make && !brief
    const created = isReported ? await placeOfNewQueue(loaded.config.queue, options) : undefined
    const open = make ? openQueuePackage : openExistingQueue
    const queue = await open(loaded.config.queue, options)
    if (created !== undefined) this.#reportCreated(created, use.logger)
    this.#warnOfLoss(queue)
    return queue
  }

  #warnOfLoss({ supports: { durable, sharedBy } }: Queue): void {
    if (!durable) this.output.warn(sharedBy === 'process' ? ALONE : NOT_DURABLE)
  }

  #reportCreated(place: string, logger: Logger | undefined): void {
    const text = `created a new, empty queue ${place}`
    if (logger === undefined) this.output.note(text)
    else logger.info({}, text)
  }

  async checkRoom(need: () => Promise<number>): Promise<string | undefined> {
    const loaded = await this.config()
    const { worker, queue } = loaded.config
    if (worker === undefined) return undefined
    try {
      const { loadRoomCheck } = await import('../packages/open-package.js')
      const check = await loadRoomCheck({ ...worker, name: queue.name }, loaded)
      return check === undefined ? undefined : await check({ items: await need() })
    } catch (error) {
      // The check is advisory: a command that needs the worker reports its errors.
      if (isSluiceError(error)) return undefined
      throw error
    }
  }

  async checkWorkerOptions(): Promise<void> {
    const loaded = await this.config()
    const { worker, queue } = loaded.config
    if (worker === undefined) return
    try {
      const { checkWorkerOptions } = await import('../packages/open-package.js')
      await checkWorkerOptions({ ...worker, name: queue.name }, loaded)
    } catch (error) {
      // A machine that only loads lists needs no worker installed.
      if (!isSluiceError(error, 'SLUICE_PACKAGE_MISSING')) throw error
    }
  }

  async #openWorker(use: OpenWorkerOptions): Promise<Worker> {
    const loaded = await this.config()
    const { worker, queue } = loaded.config
    if (worker === undefined) {
      throw new SluiceError(
        'SLUICE_CONFIG_INVALID',
        `The configuration has no worker. Add a \`worker\` with its package to ${loaded.file ?? 'it'}.`,
      )
    }
    const { openWorkerPackage } = await import('../packages/open-package.js')
    return openWorkerPackage({ ...worker, name: queue.name }, { ...loaded, ...use, env: this.env })
  }
}

function parseSetting(text: string): FlagSetting {
  const at = text.indexOf('=')
  const path = text.slice(0, Math.max(at, 0))
  if (!/^[A-Za-z_]\w*(\.\w+)*$/.test(path)) {
    throw new CommandError('INVALID', '--set takes PATH=VALUE, such as --set processing.limit=20')
  }
  return { path, value: parseText(text.slice(at + 1)), flag: `--set ${path}` }
}
