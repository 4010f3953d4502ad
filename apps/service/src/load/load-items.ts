import type { NewItem, Queue, Runtime } from '@sluice/core'
import { encodeItem, startTimer, takesEncodedItems, type Timer } from '@sluice/core/backend'
import { Batch, type PlacedRow } from './batch.js'
import { BatchPut } from './batch-put.js'
import { IdHashes, openIdHash, type HashId } from './id-hashes.js'
import { refusedRow, type ListedRow } from './listed-row.js'
import { countRows, noRows, type LoadCounts, type RowPosition } from './load-counts.js'
import { isRefused, type GoodEntry, type ManifestEntry } from '../manifest/manifest-entry.js'

export interface LoadOptions {
  readonly runtime: Runtime
  /** Called for each row that is refused, changed or a duplicate, in the order of the list. */
  readonly onListed?: (row: ListedRow) => void | Promise<void>
  /** Called after each batch, with the `readBytes` of the time when the batch was read. */
  readonly onProgress?: (counts: LoadCounts, bytes: number) => void
  /** How much of the manifest is read. */
  readonly readBytes?: () => number
  /** Ends the load; rows read until then are stored. */
  readonly signal?: AbortSignal
  /** Ends the reading when the storage fails: a pipe may be silent for hours. */
  readonly stopReading?: () => void
  /** Whether bodies of existing items are compared with those of the rows. Default true. */
  readonly compare?: boolean
  /** Replace the bodies of items in WAITING with those of the rows. Default false. */
  readonly updateWaiting?: boolean
  readonly done?: DoneRows
  /** Items per `putMany`. Default 500 at first, and up to 8,000 with fast storage. */
  readonly batchItems?: number
  /** Detects rows that may repeat an id. Default XXH64. */
  readonly hashId?: HashId
}

/** Rows that another program has finished. */
export interface DoneRows {
  readonly isDone: (id: string) => boolean
  /** Leave them out; otherwise they are put as succeeded items. */
  readonly skip: boolean
}

export interface LoadOutcome {
  readonly counts: LoadCounts
  /** The last row in the counts. */
  readonly lastRow: RowPosition
  /** More ids than memory keeps: later duplicates count as same or changed. */
  readonly manyIds: boolean
}

export interface LoadResult extends LoadOutcome {
  /** The ids of the `knownDone` rows; `undefined` where there are too many. */
  readonly knownDoneIds: readonly string[] | undefined
  /** The signal came before the end of the manifest. */
  readonly interrupted: boolean
}

/** Amortizes a commit, and is small enough for a first batch where each item is a network request. */
const BATCH_ITEMS = 500
/** The rows held while a batch is stored decide the heap size. */
const MAX_BATCH_ITEMS = 8_000
/** A faster batch doubles the size of the next: fewer calls, while Ctrl-C still ends a load at once. */
const BATCH_MS = 200
/** Limits a batch of the largest bodies. */
const BATCH_BYTES = 4 * 1024 * 1024
/** Refused rows wait for the rows before them to be stored, so that all are listed in order. */
const MAX_BATCH_REFUSED = 1_000
/**
 * The longest wait of a row for others in its batch: a list that is still being written starts jobs at once.
 */
const FLUSH_MS = 100
/** Above this, the next batch is not read meanwhile: a signal would have to wait for two batches. */
const SLOW_BATCH_MS = 500

/** A failed load, with what is stored of it. */
export class LoadError extends Error {
  readonly outcome: LoadOutcome

  constructor(outcome: LoadOutcome, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.outcome = outcome
  }
}

/**
 * Puts the valid entries of a manifest into a queue, in order. Run again after an interruption, it adds the
 * missing ones and leaves the rest unchanged [Q-PUT-3].
 *
 * @param queue the queue, or the function that opens it, which is called at the first valid row
 * @throws LoadError with what was stored so far, for an error of the queue or the file; an error of opening
 * the queue, unchanged
 */
export async function loadItems(
  queue: Queue | (() => Promise<Queue>),
  entries: AsyncIterable<ManifestEntry>,
  options: LoadOptions,
): Promise<LoadResult> {
  const hashes = new IdHashes(options.hashId ?? (await openIdHash()))
  const load = new Load(queue, hashes, options)
  const failure = await load.all(entries)
  const { signal } = options
  if (load.openFailure !== undefined) throw load.openFailure.error
  if (failure !== undefined && !isAbort(failure.error, signal))
    throw new LoadError(load.outcome(), failure.error)
  return { ...load.outcome(), knownDoneIds: load.knownDoneIds, interrupted: signal?.aborted === true }
}

interface Failure {
  readonly error: unknown
}

class Load {
  /** The queue could not be opened; no row was stored. */
  openFailure: Failure | undefined
  readonly #counts = noRows()
  readonly #options: LoadOptions
  readonly #hashes: IdHashes
  readonly #queue: Queue | (() => Promise<Queue>)
  #put: BatchPut | undefined
  #opening: Promise<BatchPut> | undefined
  #encode: (item: NewItem) => NewItem = (item) => item
  #batch = new Batch()
  #batchItems: number
  /** One batch is stored while the next is read; never two, to keep the manifest's order. */
  #storing: Promise<void> | undefined
  #storageFailure: Failure | undefined
  /** Until the first batch shows the speed of the storage. */
  #isSlow = true
  #flushTimer: Timer | undefined
  /** The timer fired while the previous batch was being stored. */
  #isOverdue = false
  #lastRead: RowPosition = { line: 0 }
  #lastStored: RowPosition = { line: 0 }

  constructor(queue: Queue | (() => Promise<Queue>), hashes: IdHashes, options: LoadOptions) {
    this.#queue = queue
    this.#options = options
    this.#hashes = hashes
    this.#batchItems = options.batchItems ?? BATCH_ITEMS
  }

  get knownDoneIds(): readonly string[] | undefined {
    return this.#put === undefined ? [] : this.#put.allKnownDoneIds()
  }

  /** @returns what ended it early; rows read so far are stored unless the storage failed */
  async all(entries: AsyncIterable<ManifestEntry>): Promise<Failure | undefined> {
    const reading = await failureOf(this.#readAll(entries))
    await failureOf(this.#flush())
    await failureOf(this.#storing)
    this.#flushTimer?.cancel()
    if (this.#storageFailure === undefined) return reading
    countRows(this.#counts, 'unstored', this.#batch.items)
    await failureOf(this.#list(this.#batch.refused))
    // The manifest may break off, or Ctrl-C come, while a batch is stored. If that fails too, its error is
    // reported: it decides what is in the queue.
    return this.#storageFailure
  }

  outcome(): LoadOutcome {
    const { source, line } = this.#storageFailure === undefined ? this.#lastRead : this.#lastStored
    return {
      counts: this.#counts,
      lastRow: source === undefined ? { line } : { source, line },
      manyIds: this.#hashes.isFull,
    }
  }

  async #readAll(entries: AsyncIterable<ManifestEntry>): Promise<void> {
    const { signal } = this.#options
    for await (const entry of entries) {
      this.#lastRead = entry
      if (isRefused(entry)) this.#refuse(refusedRow(entry))
      else {
        const opening = this.#take(entry)
        if (opening !== undefined) await opening
      }
      // A batch begun by the timer may have failed without being awaited.
      if (this.#storageFailure !== undefined) return
      if (this.#isFull()) await this.#flush()
      if (this.#isSlow && this.#storing !== undefined) await this.#storing
      if (signal?.aborted === true) return
    }
  }

  #refuse(row: ListedRow): void {
    countRows(this.#counts, 'refused', 1)
    this.#batch.refuse(row)
    this.#expectFlush()
  }

  /** @returns the opening of the queue, to await */
  #take(entry: GoodEntry): Promise<unknown> | undefined {
    const { done } = this.#options
    const isDone = done?.isDone(entry.item.id) === true
    if (isDone && done.skip) {
      countRows(this.#counts, 'done', 1)
      return undefined
    }
    this.#batch.add(entry, { isSuspect: this.#hashes.add(entry.item.id), isDone, encode: this.#encode })
    this.#expectFlush()
    // Only once there is an item: an empty list creates no queue.
    return this.#put === undefined ? (this.#opening ??= this.#open()) : undefined
  }

  async #open(): Promise<BatchPut> {
    const { compare = true, updateWaiting = false, signal, runtime } = this.#options
    const how = { compare, updateWaiting, runtime, ...(signal === undefined ? {} : { signal }) }
    try {
      const queue = typeof this.#queue === 'function' ? await this.#queue() : this.#queue
      const { maxBodyBytes } = queue.supports
      // Rows wait as text: as values they would be most of what the collector of garbage has to move.
      if (takesEncodedItems(queue)) this.#encode = (item) => encodeItem(item, maxBodyBytes)
      return (this.#put = new BatchPut(queue, this.#counts, how))
    } catch (error) {
      this.openFailure = { error }
      throw error
    }
  }

  #expectFlush(): void {
    this.#flushTimer ??= startTimer(this.#options.runtime, { ms: FLUSH_MS }, () => this.#flushLate())
  }

  #isFull(): boolean {
    const { items, bytes, refused } = this.#batch
    return items >= this.#batchItems || bytes >= BATCH_BYTES || refused.length >= MAX_BATCH_REFUSED
  }

  async #list(rows: readonly PlacedRow[]): Promise<void> {
    const inOrder = rows.toSorted((a, b) => a.place - b.place)
    for (const { row } of inOrder) await this.#options.onListed?.(row)
  }

  /** The first row of the batch has waited long enough. */
  #flushLate(): void {
    this.#flushTimer = undefined
    if (this.#storing !== undefined) this.#isOverdue = true
    // The next row, or the end, handles its failure.
    else this.#flush().catch(() => undefined)
  }

  /** Begins to store the batch, after the previous one. */
  async #flush(): Promise<void> {
    while (this.#storing !== undefined) await this.#storing
    if (this.#storageFailure !== undefined) throw this.#storageFailure.error
    const batch = this.#batch
    if (batch.rows === 0) return
    this.#batch = new Batch()
    this.#flushTimer?.cancel()
    this.#flushTimer = undefined
    this.#isOverdue = false
    this.#storing = this.#store(batch, this.#lastRead)
    // The next `await` handles a failure; until then it must not count as unhandled.
    this.#storing.catch(() => undefined)
  }

  async #store(batch: Batch, lastRow: RowPosition): Promise<void> {
    const bytes = this.#options.readBytes?.() ?? 0
    const listed = [...batch.refused]
    try {
      const failure = batch.items === 0 ? undefined : await failureOf(this.#putAll(batch, listed))
      if (failure === undefined) {
        this.#lastStored = lastRow
        this.#options.onProgress?.(this.#counts, bytes)
      }
      // The storage's failure comes first, since it decides what is in the queue.
      const unlisted = await failureOf(this.#list(listed))
      if (failure !== undefined || unlisted !== undefined) throw (failure ?? unlisted)?.error
      // In-process storage answers without a turn of the event loop, which Ctrl-C and the progress bar need.
      await this.#options.runtime.yield()
    } catch (error) {
      this.#storageFailure = { error }
      this.#options.stopReading?.()
      throw error
    } finally {
      this.#storing = undefined
    }
    if (this.#isOverdue) this.#flushLate()
  }

  /** One call for items in WAITING, and one for done ones. */
  async #putAll({ waiting, done }: Batch, listed: PlacedRow[]): Promise<void> {
    const put = this.#put ?? (await this.#opening)
    if (put === undefined) return
    try {
      if (waiting.items.length > 0) listed.push(...(await put.put(waiting, 'WAITING')))
    } catch (error) {
      countRows(this.#counts, 'unstored', done.items.length)
      throw error
    }
    let tookMs = waiting.items.length > 0 ? put.tookMs : 0
    if (done.items.length > 0) {
      listed.push(...(await put.put(done, 'SUCCESS')))
      tookMs += put.tookMs
    }
    this.#notePace(tookMs)
  }

  #notePace(tookMs: number): void {
    this.#isSlow = tookMs >= SLOW_BATCH_MS
    const mayGrow = this.#options.batchItems === undefined && tookMs < BATCH_MS
    if (mayGrow) this.#batchItems = Math.min(2 * this.#batchItems, MAX_BATCH_ITEMS)
  }
}

async function failureOf(work: Promise<void> | undefined): Promise<Failure | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    return { error }
  }
}

/** Whether the signal ended the reading. */
export function isAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && error instanceof Error && error.name === 'AbortError'
}
