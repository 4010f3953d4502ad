import { isSluiceError, type NewItem, type Queue } from '@sluice/core'
import { isRefused, type ManifestEntry, type RefusedEntry } from './manifest-entry.js'

/** What became of the lines so far. */
export interface LoadCounts {
  readonly added: number
  /** In the queue already, or twice in the manifest. */
  readonly skipped: number
  readonly refused: number
}

export interface LoadOptions {
  /** Called for each line that can't become an item. */
  readonly onRefused?: (entry: RefusedEntry) => void | Promise<void>
  /** Called after each batch. */
  readonly onProgress?: (counts: LoadCounts) => void
  /** Ends the load after the batch that is being stored. */
  readonly signal?: AbortSignal
  /** Items to a `putMany`. Default 500 at first, and up to 4,000 where they are stored fast. */
  readonly batchItems?: number
}

export interface LoadResult extends LoadCounts {
  /** The signal ended it before the end of the manifest. */
  readonly interrupted: boolean
}

/** Enough to spread the cost of a commit, and few enough for a first batch where each item is a request over a network. */
const BATCH_ITEMS = 500
/** What is held while a batch is stored decides how far the heap grows. */
const MAX_BATCH_ITEMS = 4_000
/** A batch that took less is followed by one of twice as many: the storage has more to do meanwhile, and Ctrl-C still ends a load at once. */
const BATCH_MS = 100
/** Bodies of the largest size must not make a batch of a gigabyte. */
const BATCH_BYTES = 4 * 1024 * 1024

/** The load failed: what is stored of it. */
export class LoadError extends Error {
  readonly counts: LoadCounts
  /** Items that may be stored beside those: the storage gave no answer about them. */
  readonly unknown: number

  constructor({ counts, unknown }: { counts: LoadCounts; unknown: number }, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.counts = counts
    this.unknown = unknown
  }
}

/**
 * Puts the good entries of a manifest into a queue, in the manifest's order. Run again after any interruption it adds what is
 * still missing and skips the rest [Q-PUT-3].
 *
 * @throws LoadError with what was stored until then, whatever the queue or the file broke with, in the first batch or in the last
 */
export async function loadItems(
  queue: Queue,
  entries: AsyncIterable<ManifestEntry>,
  options: LoadOptions = {},
): Promise<LoadResult> {
  const load = new Load(queue, options)
  try {
    const interrupted = await load.all(entries)
    return { ...load.counts, interrupted }
  } catch (error) {
    // The manifest may break off, or Ctrl-C come, while a batch is stored. If that one fails too, its failure is the one to report: it
    // decides what is in the queue.
    const failure = (await load.storageFailure()) ?? error
    if (failure === error && isAbort(error, options.signal)) return { ...load.counts, interrupted: true }
    throw new LoadError(load, failure)
  }
}

class Load {
  readonly counts = { added: 0, skipped: 0, refused: 0 }
  /** Items of the batch that failed of which the storage did not say whether they are in. */
  unknown = 0
  readonly #queue: Queue
  readonly #options: LoadOptions
  #batch: NewItem[] = []
  #bytes = 0
  #batchItems: number
  /** One batch is stored while the next is read; never two, or the queue's order would not be the manifest's. */
  #storing: Promise<unknown> | undefined

  constructor(queue: Queue, options: LoadOptions) {
    this.#queue = queue
    this.#options = options
    this.#batchItems = options.batchItems ?? BATCH_ITEMS
  }

  /** @returns whether the signal ended it */
  async all(entries: AsyncIterable<ManifestEntry>): Promise<boolean> {
    const { signal, onRefused } = this.#options
    for await (const entry of entries) {
      if (isRefused(entry)) {
        this.counts.refused += 1
        await onRefused?.(entry)
        continue
      }
      this.#batch.push(entry.item)
      this.#bytes += entry.bytes
      if (this.#batch.length < this.#batchItems && this.#bytes < BATCH_BYTES) continue
      await this.#store()
      if (signal?.aborted === true) break
    }
    if (signal?.aborted !== true) await this.#store()
    await this.#storing
    return signal?.aborted === true
  }

  async #store(): Promise<void> {
    await this.#storing
    const batch = this.#batch
    this.#batch = []
    this.#bytes = 0
    if (batch.length === 0) return
    const storing = this.#put(batch)
    // Its failure is met by the next `await` of it, by `all` or by `storageFailure`; until then it must not count as unhandled.
    storing.catch(() => undefined)
    this.#storing = storing
  }

  async #put(batch: readonly NewItem[]): Promise<void> {
    const startedAtMs = performance.now()
    const { added, skipped } = await this.#queue.putMany(batch).catch((error: unknown) => {
      this.#notePart(error, batch.length)
      throw error
    })
    const tookMs = performance.now() - startedAtMs
    const mayGrow = this.#options.batchItems === undefined && tookMs < BATCH_MS
    if (mayGrow) this.#batchItems = Math.min(2 * this.#batchItems, MAX_BATCH_ITEMS)
    this.counts.added += added
    this.counts.skipped += skipped.length
    this.#options.onProgress?.(this.counts)
    // Storage in this process answers without a turn of the event loop: Ctrl-C and the progress bar want one.
    await new Promise((resolve) => setImmediate(resolve))
  }

  /** A storage says what of a failed batch is in; of one that doesn't, each item of it may be. */
  #notePart(error: unknown, items: number): void {
    const stored = isSluiceError(error) ? error.stored : undefined
    this.counts.added += stored?.added ?? 0
    this.counts.skipped += stored?.duplicates ?? 0
    this.unknown = stored?.unknown ?? items
  }

  /** Waits for the batch under way, so that the counts are what is stored. */
  async storageFailure(): Promise<unknown> {
    try {
      await this.#storing
      return undefined
    } catch (error) {
      return error
    }
  }
}

/** Reads a whole manifest and stores nothing. */
export async function checkItems(
  entries: AsyncIterable<ManifestEntry>,
  options: Pick<LoadOptions, 'onRefused' | 'signal'> & {
    readonly onProgress?: (seen: { readonly good: number; readonly refused: number }) => void
  } = {},
): Promise<{ good: number; refused: number; interrupted: boolean }> {
  const seen = { good: 0, refused: 0 }
  try {
    for await (const entry of entries) {
      if (isRefused(entry)) {
        seen.refused += 1
        await options.onRefused?.(entry)
      } else seen.good += 1
      if ((seen.good + seen.refused) % BATCH_ITEMS !== 0) continue
      options.onProgress?.(seen)
      await new Promise((resolve) => setImmediate(resolve))
      if (options.signal?.aborted === true) break
    }
  } catch (error) {
    if (!isAbort(error, options.signal)) throw error
  }
  return { ...seen, interrupted: options.signal?.aborted === true }
}

function isAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && error instanceof Error && error.name === 'AbortError'
}
