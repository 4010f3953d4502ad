import type { Queue } from '@sluice/core'
import { Batch, type PlacedRow } from './batch.js'
import { BatchPut } from './batch-put.js'
import { IdHashes, openIdHash, type HashId } from './id-hashes.js'
import { refusedRow, type ListedRow } from './listed-row.js'
import { countRows, noRows, type LoadCounts, type RowPosition } from './load-counts.js'
import { isRefused, type GoodEntry, type ManifestEntry } from '../manifest/manifest-entry.js'

export interface LoadOptions {
  /** Called for each row that is refused, changed or a duplicate, in the order of the list. */
  readonly onListed?: (row: ListedRow) => void | Promise<void>
  /** Called after each batch, with what `readBytes` gave when the batch was read. */
  readonly onProgress?: (counts: LoadCounts, bytes: number) => void
  /** How much of the manifest is read. */
  readonly readBytes?: () => number
  /** Ends the load; what was read until then is stored. */
  readonly signal?: AbortSignal
  /** Ends the reading when the storage fails: a pipe may give nothing for hours. */
  readonly stopReading?: () => void
  /** Whether the bodies of items that are in the queue are compared with those of the rows. Default true. */
  readonly compare?: boolean
  /** Bodies of items that are WAITING are replaced by those of the rows. Default false. */
  readonly updateWaiting?: boolean
  readonly done?: DoneRows
  /** Items to a `putMany`. Default 500 at first, and up to 4,000 where they are stored fast. */
  readonly batchItems?: number
  /** By which rows that repeat an id are suspected. Default XXH64. */
  readonly hashId?: HashId
}

/** Rows whose work was done by another program. */
export interface DoneRows {
  readonly isDone: (id: string) => boolean
  /** They are left out; otherwise they are put as items that have succeeded. */
  readonly skip: boolean
}

export interface LoadOutcome {
  readonly counts: LoadCounts
  /** All rows up to this one are in the counts. */
  readonly lastRow: RowPosition
  /** There were more ids than are kept in memory: later duplicates count as same or changed. */
  readonly manyIds: boolean
}

export interface LoadResult extends LoadOutcome {
  /** The ids of the `knownDone` rows; `undefined` where these are too many. */
  readonly knownDoneIds: readonly string[] | undefined
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
/** Rows that are refused wait for those before them, which the storage has not answered for: they are listed in the order of the list. */
const MAX_BATCH_REFUSED = 1_000
/** So long a row waits for others to share its batch: jobs of a list that is still being written start at once. */
const FLUSH_MS = 100
/** Where a batch takes longer, the next one is not read meanwhile: a signal would have two batches to wait for. */
const SLOW_BATCH_MS = 500

/** The load failed: what is stored of it. */
export class LoadError extends Error {
  readonly outcome: LoadOutcome

  constructor(outcome: LoadOutcome, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.outcome = outcome
  }
}

/**
 * Puts the good entries of a manifest into a queue, in the manifest's order. Run again after any interruption it adds what is
 * still missing and leaves the rest as it is [Q-PUT-3].
 *
 * @param queue the queue, or what opens it: it is called when the first row was read that a queue can take
 * @throws LoadError with what was stored until then, whatever the queue or the file broke with, in the first batch or in the last; what `queue`
 * rejects with, as it is
 */
export async function loadItems(
  queue: Queue | (() => Promise<Queue>),
  entries: AsyncIterable<ManifestEntry>,
  options: LoadOptions = {},
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
  /** The queue could not be opened, and no row was stored. */
  openFailure: Failure | undefined
  readonly #counts = noRows()
  readonly #options: LoadOptions
  readonly #hashes: IdHashes
  readonly #queue: Queue | (() => Promise<Queue>)
  #put: BatchPut | undefined
  #opening: Promise<BatchPut> | undefined
  #batch = new Batch()
  #batchItems: number
  /** One batch is stored while the next is read; never two, or the queue's order would not be the manifest's. */
  #storing: Promise<void> | undefined
  #storageFailure: Failure | undefined
  /** The first batch shows how fast the storage is. */
  #isSlow = true
  #flushTimer: NodeJS.Timeout | undefined
  /** The timer ran out while the batch before was being stored. */
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

  /** @returns what ended it before the end; what was read is stored unless it is the storage that failed */
  async all(entries: AsyncIterable<ManifestEntry>): Promise<Failure | undefined> {
    const reading = await failureOf(this.#readAll(entries))
    await failureOf(this.#flush())
    await failureOf(this.#storing)
    clearTimeout(this.#flushTimer)
    if (this.#storageFailure === undefined) return reading
    countRows(this.#counts, 'unstored', this.#batch.items)
    await failureOf(this.#list(this.#batch.refused))
    // The manifest may break off, or Ctrl-C come, while a batch is stored: if that fails too, its failure is the one to report, since it decides what is
    // in the queue.
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
      // A batch that the timer began may have failed: nobody awaited it.
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

  /** @returns what to wait for: the opening of the queue */
  #take(entry: GoodEntry): Promise<unknown> | undefined {
    const { done } = this.#options
    const isDone = done?.isDone(entry.item.id) === true
    if (isDone && done.skip) {
      countRows(this.#counts, 'done', 1)
      return undefined
    }
    this.#batch.add(entry, { isSuspect: this.#hashes.add(entry.item.id), isDone })
    this.#expectFlush()
    // Not before there is something to put: a list of nothing leaves no queue behind.
    return this.#put === undefined ? (this.#opening ??= this.#open()) : undefined
  }

  async #open(): Promise<BatchPut> {
    const { compare = true, updateWaiting = false, signal } = this.#options
    const how = { compare, updateWaiting, ...(signal === undefined ? {} : { signal }) }
    try {
      const queue = typeof this.#queue === 'function' ? await this.#queue() : this.#queue
      return (this.#put = new BatchPut(queue, this.#counts, how))
    } catch (error) {
      this.openFailure = { error }
      throw error
    }
  }

  #expectFlush(): void {
    this.#flushTimer ??= setTimeout(() => this.#flushLate(), FLUSH_MS)
  }

  #isFull(): boolean {
    const { items, bytes, refused } = this.#batch
    return items >= this.#batchItems || bytes >= BATCH_BYTES || refused.length >= MAX_BATCH_REFUSED
  }

  async #list(rows: readonly PlacedRow[]): Promise<void> {
    const inOrder = rows.toSorted((a, b) => a.place - b.place)
    for (const { row } of inOrder) await this.#options.onListed?.(row)
  }

  /** A row has waited long enough for others. */
  #flushLate(): void {
    this.#flushTimer = undefined
    if (this.#storing !== undefined) this.#isOverdue = true
    // Its failure is met by the next row, or at the end.
    else this.#flush().catch(() => undefined)
  }

  /** Begins to store the batch, once the one before is stored. */
  async #flush(): Promise<void> {
    while (this.#storing !== undefined) await this.#storing
    if (this.#storageFailure !== undefined) throw this.#storageFailure.error
    const batch = this.#batch
    if (batch.rows === 0) return
    this.#batch = new Batch()
    clearTimeout(this.#flushTimer)
    this.#flushTimer = undefined
    this.#isOverdue = false
    this.#storing = this.#store(batch, this.#lastRead)
    // Met by the next `await` of it; until then it must not count as unhandled.
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
      // What the storage fails with decides what is in the queue; that its rows can't be listed either is the lesser evil.
      const unlisted = await failureOf(this.#list(listed))
      if (failure !== undefined || unlisted !== undefined) throw (failure ?? unlisted)?.error
      // Storage in this process answers without a turn of the event loop: Ctrl-C and the progress bar want one.
      await new Promise((resolve) => setImmediate(resolve))
    } catch (error) {
      this.#storageFailure = { error }
      this.#options.stopReading?.()
      throw error
    } finally {
      this.#storing = undefined
    }
    if (this.#isOverdue) this.#flushLate()
  }

  /** One call for the items that wait, and one for those that are done. */
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

/** Whether it is the signal that ended the reading. */
export function isAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && error instanceof Error && error.name === 'AbortError'
}
