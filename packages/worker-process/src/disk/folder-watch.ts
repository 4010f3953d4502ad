import { lstatSync, watch } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Runtime } from '@sluice/core'
import { WakeSignal } from '@sluice/core/backend'
import { absentAsUndefined } from './record.js'

/** How often a folder is read where the system can't report changes, in ms. */
const READ_EVERY_MS = 1_000

/**
 * Wakes when a record appears in a folder, and when notified. The folder is watched, and the process stays
 * alive, while there are listeners.
 */
export class FolderWatch {
  readonly #folder: string
  readonly #runtime: Pick<Runtime, 'sleep'>
  readonly #wake = new WakeSignal()
  readonly #isKnown: (name: string) => boolean
  #listeners = 0
  #stopWatching: (() => void) | undefined

  /** @param isKnown whether a record's maker notifies by itself */
  constructor(
    folder: string,
    runtime: Pick<Runtime, 'sleep'>,
    isKnown: (name: string) => boolean = () => false,
  ) {
    this.#folder = folder
    this.#isKnown = isKnown
    this.#runtime = runtime
  }

  notify(): void {
    this.#wake.notify()
  }

  /** Yields at each wake signal until the signal aborts. */
  async *listen(signal: AbortSignal): AsyncGenerator<undefined, void> {
    this.#listeners += 1
    this.#stopWatching ??= this.#watch()
    try {
      yield* this.#wake.listen(signal)
    } finally {
      this.#listeners -= 1
      if (this.#listeners === 0) {
        this.#stopWatching?.()
        this.#stopWatching = undefined
      }
    }
  }

  /** @returns the call that ends it */
  #watch(): () => void {
    const stop = new AbortController()
    try {
      const watcher = watch(this.#folder, (_event, name) => {
        // Records that are removed change the folder too, and would wake the loop for nothing.
        if (name === null || (!this.#isKnown(name) && isThere(join(this.#folder, name)))) this.notify()
      })
      watcher.on('error', () => {
        // A folder that can't be watched any more is read instead.
        watcher.close()
        void this.#read(stop.signal)
      })
      stop.signal.addEventListener('abort', () => watcher.close())
    } catch {
      // Out of watches, or a file system that has none.
      void this.#read(stop.signal)
    }
    return () => stop.abort()
  }

  /** Reads the folder at times. It does not reject. */
  async #read(signal: AbortSignal): Promise<void> {
    let seen = new Set<string>()
    for (;;) {
      await this.#runtime.sleep(READ_EVERY_MS, signal)
      if (signal.aborted) return
      const names = await this.#names()
      if (names === undefined || names.some((name) => !seen.has(name))) this.notify()
      seen = new Set(names)
    }
  }

  /** @returns `undefined` where the folder can't be read */
  async #names(): Promise<readonly string[] | undefined> {
    try {
      return (await absentAsUndefined(() => readdir(this.#folder))) ?? []
    } catch {
      // The poll that is woken for it finds out why.
      return undefined
    }
  }
}

/** Of the link itself: the target of a record is no path. */
function isThere(record: string): boolean {
  return lstatSync(record, { throwIfNoEntry: false }) !== undefined
}
