import { lstatSync, watch } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { absentAsUndefined } from './record.js'

/** How often a folder is looked at where the system can't tell of changes, in ms. */
const LOOK_EVERY_MS = 1_000

/**
 * Rings when a record appears in a folder, and when told to; any number may listen. As long as somebody does, the process stays
 * alive for it.
 */
export class Doorbell {
  readonly #folder: string
  readonly #listeners = new Set<() => void>()
  #stopWatching: (() => void) | undefined

  constructor(folder: string) {
    this.#folder = folder
  }

  readonly ring = (): void => {
    for (const listener of this.#listeners) listener()
  }

  /** Yields at each ring until the signal aborts; what rings while nobody waits rings once afterwards. */
  async *listen(signal: AbortSignal): AsyncGenerator<undefined, void> {
    let rung = Promise.withResolvers<void>()
    const listener = (): void => rung.resolve()
    this.#add(listener)
    signal.addEventListener('abort', listener)
    try {
      while (!signal.aborted) {
        await rung.promise
        rung = Promise.withResolvers<void>()
        if (!signal.aborted) yield undefined
      }
    } finally {
      signal.removeEventListener('abort', listener)
      this.#remove(listener)
    }
  }

  #add(listener: () => void): void {
    this.#listeners.add(listener)
    this.#stopWatching ??= watchFolder(this.#folder, this.ring)
  }

  #remove(listener: () => void): void {
    this.#listeners.delete(listener)
    if (this.#listeners.size > 0) return
    this.#stopWatching?.()
    this.#stopWatching = undefined
  }
}

function watchFolder(folder: string, ring: () => void): () => void {
  let stop: () => void
  const lookInstead = (): void => {
    stop = lookAtTimes(folder, ring)
  }
  try {
    const watcher = watch(folder, (_event, name) => {
      // Records that are taken away change the folder too, and would wake the loop for nothing.
      if (name === null || isThere(join(folder, name))) ring()
    })
    watcher.on('error', () => {
      // A folder that can't be watched is looked at instead.
      watcher.close()
      lookInstead()
    })
    stop = () => watcher.close()
  } catch {
    // Out of watches, or a file system that has none.
    lookInstead()
  }
  return () => stop()
}

/** Of the link itself: a record points nowhere. */
function isThere(record: string): boolean {
  return lstatSync(record, { throwIfNoEntry: false }) !== undefined
}

function lookAtTimes(folder: string, ring: () => void): () => void {
  let seen = new Set<string>()
  const look = async (): Promise<void> => {
    const now = new Set((await absentAsUndefined(() => readdir(folder))) ?? [])
    if ([...now].some((name) => !seen.has(name))) ring()
    seen = now
  }
  const timer = setInterval(() => void look().catch(ring), LOOK_EVERY_MS)
  return () => clearInterval(timer)
}
