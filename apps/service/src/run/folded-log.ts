import type { Logger } from '@sluice/core'
import { countText } from '../output/amounts.js'

const WINDOW_MS = 60_000
/** Of each message, within a window. */
const SHOWN = 5

type Level = 'info' | 'warn' | 'error'

interface Fold {
  readonly level: Level
  readonly message: string
  readonly timer: NodeJS.Timeout
  shown: number
  hidden: number
}

/**
 * A log in which lines of single items don't bury the rest: of each message that names an item only the first five in a minute
 * are logged, and then how many more there were. `debug` is for whoever wants each of them, and is left alone.
 */
export class FoldedLog implements Logger {
  readonly #logger: Logger
  readonly #folds = new Map<string, Fold>()

  constructor(logger: Logger) {
    this.#logger = logger
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

  /** Tells what was left out so far; to be called before the last line. */
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
    const timer = setTimeout(() => this.#close(fold), WINDOW_MS).unref()
    const fold: Fold = { level, message, timer, shown: 0, hidden: 0 }
    this.#folds.set(key, fold)
    return fold
  }

  #close({ level, message, timer, hidden }: Fold): void {
    clearTimeout(timer)
    this.#folds.delete(`${level} ${message}`)
    if (hidden > 0) this.#logger[level]({ more: hidden }, `${message}: and ${countText(hidden)} more`)
  }
}
