import type { Readable } from 'node:stream'
import {
  SluiceError,
  isSluiceError,
  type Logger,
  type Queue,
  type StorageFinding,
  type Worker,
} from '@sluice/core'
import { CommandError, messageOf } from './command-error.js'
import type { CommandContext, GlobalOptions, OpenQueueOptions, OpenWorkerOptions } from './command.js'
import type { Environment } from '../config/config-environment.js'
import type { FlagSetting, LoadedConfig } from '../config/load-config.js'
import { parseText } from '../config/setting-text.js'
import { EXIT, type ExitCode, type ExitName } from './exit-codes.js'
import { watchInterrupts, type Interrupts } from './interrupt.js'
import { Output, saidOnce, warningsOf, type TextStream } from '../output/output.js'
import { ConfigSecrets } from '../secrets/config-secrets.js'

/** Whoever loads a list and sees no error would think it is kept. */
const ALONE =
  'this queue lives in this process only: other commands see nothing of it, and it is gone when this one ends'

const CLOSE_MS = 5_000

/** Whoever reads standard output. */
export interface OutputReader {
  /** The command ends when it is gone. */
  isNeeded: boolean
}

/** The parts of the world that a command may touch. */
export interface World {
  readonly cwd: string
  readonly env: Environment
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: TextStream
  readonly stderr: TextStream
  /** Aborted when a signal came before the process could listen to it. */
  readonly early?: AbortSignal | undefined
  readonly reader?: OutputReader
  /** Takes the secrets of the configuration and the command line. Default: one of its own. */
  readonly secrets?: ConfigSecrets
}

/** The {@link CommandContext} of one process, and the closing of what it opened. */
export class CliContext implements CommandContext {
  readonly cwd: string
  readonly env: Environment
  readonly stdin: World['stdin']
  readonly secrets: ConfigSecrets
  output: Output
  exitCode: ExitCode = EXIT.OK
  /** As long the closing may take. */
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
    this.output = new Output({ ...world, secrets: this.secrets, json: false })
  }

  /** Takes over the global options; called once, before any action. */
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
    // What could not be opened may be tried again.
    void opening.catch(() => {
      if (this.#queue === opening) this.#queue = undefined
    })
    return opening
  }

  async openQueueOrLater(
    options: Omit<OpenQueueOptions, 'make'> = {},
  ): Promise<Queue | (() => Promise<Queue>)> {
    const loaded = await this.config()
    const { queueIsThere } = await import('../packages/open-package.js')
    const given = options.logger ?? warningsOf(this.output)
    const use = { ...loaded, ...options, env: this.env, logger: saidOnce(given) }
    if (await queueIsThere(loaded.config.queue, use))
      return this.#openOnce(() => this.#openQueue({ ...options, make: true }, false))
    return () => this.openQueue({ ...options, make: true })
  }

  openWorker(use: OpenWorkerOptions = {}): Promise<Worker> {
    this.#worker ??= this.#openWorker(use)
    return this.#worker
  }

  async confirm(question: string, { yes }: { readonly yes: boolean }): Promise<void> {
    if (yes) return
    if (this.output.json || this.stdin.isTTY !== true || !this.output.live) {
      throw new CommandError('REFUSED', `${question} Nothing was done: confirm it with --yes.`)
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
   * Closes whatever was opened, each of it whether or not the other could be closed.
   *
   * @throws what the worker or the queue rejects with
   */
  async close(): Promise<void> {
    // What could not be opened has nothing to close, and that it failed was reported then.
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
    // Loaded when it is needed: `--help` must not wait for the schema and all that checks it.
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

  /** @param mayBeNew false where it was just seen that there is one */
  async #openQueue(
    { make = false, brief = true, ...use }: OpenQueueOptions,
    mayBeNew = true,
  ): Promise<Queue> {
    const loaded = await this.config()
    const { assertQueueExists, openQueuePackage, placeOfNewQueue } =
      await import('../packages/open-package.js')
    const given = use.logger ?? warningsOf(this.output)
    // What is said of a queue when it is looked for is said again when it is opened.
    const options = { ...loaded, ...use, env: this.env, brief, logger: make ? given : saidOnce(given) }
    if (!make) await assertQueueExists(loaded.config.queue, options)
    // A place that was mistyped, or a file that was moved away, must not look like a queue that is finished.
    const isToldOf = mayBeNew && make && !brief
    const made = isToldOf ? await placeOfNewQueue(loaded.config.queue, options) : undefined
    const queue = await openQueuePackage(loaded.config.queue, options)
    if (made !== undefined) this.#tellMade(made, use.logger)
    if (queue.supports.sharedBy === 'process') this.output.warn(ALONE)
    return queue
  }

  #tellMade(place: string, logger: Logger | undefined): void {
    const text = `made a new, empty queue ${place}`
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
      // It is advice: what is wrong with the worker is said by whoever needs the worker.
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
      // Whoever only loads lists needs no worker to be installed.
      if (!isSluiceError(error, 'SLUICE_PACKAGE_MISSING')) throw error
    }
  }

  async #openWorker(use: OpenWorkerOptions): Promise<Worker> {
    const loaded = await this.config()
    const { worker, queue } = loaded.config
    if (worker === undefined) {
      throw new SluiceError(
        'SLUICE_CONFIG_INVALID',
        `The configuration names no worker. Add a \`worker\` with its package to ${loaded.file ?? 'it'}.`,
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
    throw new CommandError('INVALID', '--set wants PATH=VALUE, such as --set processing.limit=20')
  }
  return { path, value: parseText(text.slice(at + 1)), flag: `--set ${path}` }
}
