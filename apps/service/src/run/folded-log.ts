import type { Logger, Runtime } from '@sluice/core'
import { startTimer, type Timer } from '@sluice/core/backend'
import { countText } from '../output/amounts.js'

const WINDOW_MS = 60_000
/** Lines of each message within a window. */
const SHOWN = 5

type Level = 'info' | 'warn' | 'error'

interface Fold {
  readonly level: Level
  readonly message: string
  readonly timer: Timer
  shown: number
  hidden: number
}

/**
 * A log that limits the lines about single items: of each message that names an item it logs the first five
 * in a minute, and then the number of those left out. `debug` is unlimited.
 */
export class FoldedLog implements Logger {
  readonly #logger: Logger
  readonly #runtime: Pick<Runtime, 'sleep'>
  readonly #folds = new Map<string, Fold>()

  constructor(logger: Logger, runtime: Pick<Runtime, 'sleep'>) {
    this.#logger = logger
    this.#runtime = runtime
  }

  debug(fields: object, message: string): void {
    this.#logger.debug(fields, message)
  }

  info(fields: object, message: string): void {
    this.#log('info', fields, message)
  }

  warn(fields: object, message: string): void {
    this.#log('warn', fields, message)
  }

  error(fields: object, message: string): void {
    this.#log('error', fields, message)
  }

  /** Logs the numbers of lines left out so far; call it before the last line. */
  flush(): void {
    for (const fold of this.#folds.values()) this.#close(fold)
  }

  #log(level: Level, fields: object, message: string): void {
    if (!('id' in fields)) return this.#logger[level](fields, message)
    const fold = this.#foldOf(level, message)
    if (fold.shown === SHOWN) {
      fold.hidden += 1
      return this.#logger.debug(fields, message)
    }
    fold.shown += 1
    this.#logger[level](fields, message)
  }

  #foldOf(level: Level, message: string): Fold {
    const key = `${level} ${message}`
    const found = this.#folds.get(key)
    if (found !== undefined) return found
    const window = { ms: WINDOW_MS, background: true }
    const timer = startTimer(this.#runtime, window, () => this.#close(fold))
    const fold: Fold = { level, message, timer, shown: 0, hidden: 0 }
    this.#folds.set(key, fold)
    return fold
  }

  #close({ level, message, timer, hidden }: Fold): void {
    timer.cancel()
    this.#folds.delete(`${level} ${message}`)
    if (hidden > 0) this.#logger[level]({ more: hidden }, `${message}: and ${countText(hidden)} more`)
  }
}
