import { resolve } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { isSluiceError, type Queue, type Runtime } from '@sluice/core'
import { withStored } from '@sluice/core/backend'
import { messageOf, withLine } from '../cli/command-error.js'
import type { Progress } from '../output/progress.js'
import { countText, itemsText } from '../output/amounts.js'
import { checkItems } from './check-items.js'
import { Joblog } from './joblog/joblog.js'
import { matchJoblog } from './joblog/joblog-items.js'
import type { ListedRow } from './listed-row.js'
import { noRows, type LoadCounts, type RowPosition } from './load-counts.js'
import { countDoneWaiting } from './done-waiting.js'
import {
  loadItems,
  LoadError,
  type DoneRows,
  type LoadOptions,
  type LoadOutcome,
  type LoadResult,
} from './load-items.js'
import type { Conveniences } from '../manifest/conveniences.js'
import { assertKeepsChosen } from '../manifest/chosen-items.js'
import { Manifest } from '../manifest/manifest.js'
import type { ReadingOptions } from '../manifest/manifest-entry.js'
import { RefusalLog } from './refusal-log.js'

export interface LoadManifestOptions extends Pick<LoadOptions, 'compare' | 'updateWaiting' | 'signal'> {
  readonly runtime: Runtime
  /** How the manifest is read. */
  readonly reading?: ReadingOptions
  /** The base of relative paths. Default: the working directory. */
  readonly cwd?: string
  /**
   * Store nothing where a row is refused or repeats an id with another body: the whole manifest is read once
   * before.
   */
  readonly strict?: boolean
  /** The file for all rows that are refused, changed or duplicates; `-` for {@link stdout}. */
  readonly rejects?: string
  /** Default: that of the process. */
  readonly stdout?: Writable
  /** Further files that `rejects` must not overwrite, beside the manifest. */
  readonly kept?: readonly string[]
  /** A job log of GNU parallel: its finished items are put as succeeded, or left out with `skipDone`. */
  readonly joblog?: { readonly path: string; readonly command?: string; readonly skipDone: boolean }
  /** Replaces standard input. */
  readonly stdin?: Readable
  /** Creates the progress display of one reading. */
  readonly progress?: (label: string, totalBytes: number | undefined) => Progress
}

/** Where a load ended before the end of its list. */
export interface StoppedAt extends RowPosition {
  readonly source: string
  /** Bytes read of the list as stored, compressed or not. */
  readonly bytes: number
}

/** The use of a job log of GNU parallel. */
export interface JoblogSummary {
  readonly records: number
  /** Truncated, merged or invalid records: their items are loaded. */
  readonly untrusted: number
  /** Commands without an id of the list. */
  readonly unmatched: number
  /** How commands and ids were matched. */
  readonly how: string
  /** Rows that it reports as done, without repeated ones. */
  readonly done: number
  /** The done rows whose item existed before and still waits. Absent where unknown. */
  readonly waiting?: number
}

/** The result of a load. */
export interface LoadSummary {
  readonly counts: LoadCounts
  readonly interrupted: boolean
  /**
   * Nothing was stored, because `strict` found a problem or there was no queue. Valid rows then count as
   * `unstored`.
   */
  readonly checkedOnly: boolean
  /** Absent where the whole list was read. */
  readonly stopped?: StoppedAt
  /** The error of the queue or the file. */
  readonly failure?: Error
  readonly joblog?: JoblogSummary
  /** More ids than memory keeps: later duplicates are not detected. */
  readonly manyIds: boolean
  readonly elapsedMs: number
  /** The first problem rows. */
  readonly problems: readonly ListedRow[]
  /** What was normalized while reading, and how often. */
  readonly conveniences: Conveniences['counts']
}

/** A queue, or the function that opens and creates it. */
export type QueueSource = Queue | (() => Promise<Queue>)

/** The limit of a queue that states none. */
const DEFAULT_MAX_BODY_BYTES = 1024 * 1024

/**
 * Loads a manifest into a queue in order; without a queue it only checks the manifest. Safe to run again
 * [Q-PUT-3].
 *
 * @param queue the queue, or the function that opens it, which is called at the first row to store
 * @param paths one or several files, or `-` for standard input
 * @returns the outcome of its rows, also after an error of the queue or the file in the middle, which is then
 * `failure`
 * @throws SluiceError SLUICE_INPUT_INVALID where the manifest can't be opened or its format is unknown
 */
export async function loadManifest(
  paths: string | readonly string[],
  queue: QueueSource | undefined,
  options: LoadManifestOptions,
): Promise<LoadSummary> {
  const { strict = false, stdin, cwd } = options
  const stop = new AbortController()
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal])
  const files = typeof paths === 'string' ? [paths] : paths
  const kept = files.map((file) => (file === '-' ? file : resolve(cwd ?? '.', file)))
  const log = new RefusalLog({
    ...(options.rejects === undefined ? {} : { path: options.rejects }),
    ...(options.stdout === undefined ? {} : { stdout: options.stdout }),
    kept: [...kept, ...(options.kept ?? [])],
  })
  await log.open()
  const manifest = await Manifest.open(files, options.reading ?? {}, {
    // A check may read it twice, and ids are matched with a job log before the first is stored.
    repeatable: strict || queue === undefined || options.joblog !== undefined,
    signal,
    ...(stdin === undefined ? {} : { stdin }),
    ...(cwd === undefined ? {} : { cwd }),
  }).catch(async (error: unknown) => {
    await log.close(false)
    throw error
  })
  const closing = async (isWhole: boolean) => {
    try {
      await manifest.close()
    } finally {
      await log.close(isWhole)
    }
  }
  return await thenClosing(async () => {
    const parts = { log, options, stopReading: () => stop.abort() }
    return await new ManifestLoad(manifest, parts).run(queue)
  }, closing)
}

/** A failed close fails the load too, and keeps the load's error or counts. */
async function thenClosing(
  load: () => Promise<LoadSummary>,
  close: (isWhole: boolean) => Promise<void>,
): Promise<LoadSummary> {
  const summary = await load().catch(async (error: unknown) => {
    const also = await close(false).then(
      () => error,
      (why: unknown) => why,
    )
    throw also === error ? error : withLine(error, messageOf(also))
  })
  try {
    await close(summary.stopped === undefined && !summary.interrupted)
    return summary
  } catch (error) {
    if (summary.checkedOnly) throw error
    const { failure, counts } = summary
    return {
      ...summary,
      failure: failure === undefined ? explained(error, counts) : withLine(failure, messageOf(error)),
    }
  }
}

interface LoadParts {
  readonly log: RefusalLog
  readonly options: LoadManifestOptions
  readonly stopReading: () => void
}

class ManifestLoad {
  readonly #manifest: Manifest
  readonly #parts: LoadParts
  readonly #startedAtMonotonic: number
  /** Known once the queue is open. */
  readonly #limits: { maxBodyBytes: number; readonly keepRaw: boolean }
  #joblog: Omit<JoblogSummary, 'done'> | undefined
  #done: DoneRows | undefined

  constructor(manifest: Manifest, parts: LoadParts) {
    this.#manifest = manifest
    this.#parts = parts
    this.#startedAtMonotonic = parts.options.runtime.monotonicMs()
    this.#limits = { maxBodyBytes: DEFAULT_MAX_BODY_BYTES, keepRaw: parts.options.rejects !== undefined }
  }

  async run(queue: QueueSource | undefined): Promise<LoadSummary> {
    if (typeof queue === 'object') this.#limits.maxBodyBytes = queue.supports.maxBodyBytes
    const { joblog } = this.#parts.options
    if (joblog !== undefined) await this.#readJoblog(joblog)
    if (queue !== undefined && this.#parts.options.strict !== true) return await this.#store(queue)
    const checked = await this.#check(queue !== undefined)
    const { refused, duplicateChanged } = checked.counts
    if (queue === undefined || refused > 0 || duplicateChanged > 0 || checked.interrupted) return checked
    return await this.#store(queue)
  }

  async #readJoblog({ path, command, skipDone }: NonNullable<LoadManifestOptions['joblog']>): Promise<void> {
    const log = await Joblog.read(path)
    const { isDone, ...found } = await matchJoblog(log, () => this.#entries(), command)
    this.#done = { isDone, skip: skipDone }
    this.#joblog = { records: log.records, untrusted: log.untrusted, ...found }
  }

  /** @param isFirst a valid list is loaded next, which lists its harmless duplicates */
  async #check(isFirst: boolean): Promise<LoadSummary> {
    const progress = this.#progress('Checking')
    const { onListed, ...how } = this.#how()
    try {
      const { counts, ...checked } = await checkItems(() => this.#entries(), {
        ...how,
        inOrder: this.#parts.options.rejects !== undefined,
        onListed: async (row) => (isFirst && row.harmless === true ? undefined : await onListed(row)),
        onProgress: ({ good }) => progress?.update(this.#manifest.readBytes, good),
      })
      const { good, goodDone, done, refused, duplicate, duplicateChanged } = counts
      const rows = good + done + refused + duplicate
      const all = { ...noRows(), rows, refused, duplicate, duplicateChanged, done, unstored: good }
      return { ...checked, counts: all, checkedOnly: true, ...this.#rest(goodDone + done) }
    } finally {
      progress?.stop()
    }
  }

  async #store(given: QueueSource): Promise<LoadSummary> {
    let queue = typeof given === 'object' ? given : undefined
    // The note about a created queue comes before the progress display.
    let progress = queue === undefined ? undefined : this.#progress('Loading')
    const open = async () => {
      queue ??= typeof given === 'object' ? given : await given()
      this.#limits.maxBodyBytes = queue.supports.maxBodyBytes
      const { resources, limitKey } = this.#parts.options.reading ?? {}
      assertKeepsChosen(queue, resources !== undefined || limitKey !== undefined)
      progress ??= this.#progress('Loading')
      return queue
    }
    try {
      const loaded = await loadItems(open, this.#entries(), {
        ...this.#how(),
        ...this.#storing(),
        onProgress: ({ rows, refused }, bytes) => progress?.update(bytes, rows - refused),
      })
      const { interrupted, knownDoneIds: _ids, ...outcome } = loaded
      if (queue !== undefined) await this.#countWaiting(queue, loaded)
      return this.#summary(outcome, { interrupted })
    } catch (error) {
      if (!(error instanceof LoadError)) throw error
      const { outcome, cause } = error
      return this.#summary(outcome, { interrupted: false, failure: explained(cause, outcome.counts) })
    } finally {
      progress?.stop()
    }
  }

  #storing(): Pick<LoadOptions, 'compare' | 'updateWaiting' | 'stopReading' | 'readBytes'> {
    const { compare, updateWaiting } = this.#parts.options
    return {
      ...(compare === undefined ? {} : { compare }),
      ...(updateWaiting === undefined ? {} : { updateWaiting }),
      stopReading: this.#parts.stopReading,
      readBytes: () => this.#manifest.readBytes,
    }
  }

  /** Counts items that an earlier load without the job log put into WAITING: they would run again. */
  async #countWaiting(queue: Queue, loaded: LoadResult): Promise<void> {
    const { counts, knownDoneIds: ids } = loaded
    if (this.#joblog === undefined || this.#done === undefined || loaded.interrupted) return
    if (counts.knownDone === 0) return
    const { signal } = this.#parts.options
    const how = { ids, isDone: this.#done.isDone, ...(signal === undefined ? {} : { signal }) }
    const waiting = await countDoneWaiting(queue, how).catch((error: unknown) => {
      throw new LoadError(loaded, error)
    })
    if (waiting !== undefined) this.#joblog = { ...this.#joblog, waiting }
  }

  #summary(
    { counts, lastRow, manyIds }: LoadOutcome,
    end: { readonly interrupted: boolean; readonly failure?: Error },
  ): LoadSummary {
    const isWhole = !end.interrupted && end.failure === undefined
    const { file, readBytes } = this.#manifest
    const stopped = { source: file, ...lastRow, bytes: readBytes }
    const done = counts.done + counts.addedDone + counts.knownDone
    return {
      counts,
      manyIds,
      ...end,
      ...(isWhole ? {} : { stopped }),
      checkedOnly: false,
      ...this.#rest(done),
    }
  }

  #entries() {
    return this.#manifest.read(this.#limits)
  }

  #progress(label: string): Progress | undefined {
    return this.#parts.options.progress?.(label, this.#manifest.totalBytes)
  }

  #how() {
    const { log, options } = this.#parts
    return {
      runtime: options.runtime,
      onListed: (row: ListedRow) => log.add(row, this.#manifest.file),
      ...(this.#done === undefined ? {} : { done: this.#done }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    }
  }

  #rest(done: number): Pick<LoadSummary, 'elapsedMs' | 'problems' | 'conveniences' | 'joblog'> {
    return {
      elapsedMs: this.#parts.options.runtime.monotonicMs() - this.#startedAtMonotonic,
      problems: this.#parts.log.first,
      conveniences: this.#manifest.conveniences.counts,
      ...(this.#joblog === undefined ? {} : { joblog: { ...this.#joblog, done } }),
    }
  }
}

/** The error of the queue or the file, with the counts of stored items. */
function explained(cause: unknown, counts: LoadCounts): Error {
  const { added, same, changed, duplicate, exists, unknown } = counts
  const before = `${itemsText(added)} ${added === 1 ? 'was' : 'were'} added before that`
  const lost = unknown === 0 ? '' : `; for ${countText(unknown)} more it is unknown whether they were`
  // The same manifest would fail at the same place: its own message says how to correct it.
  const isInput = isSluiceError(cause, 'SLUICE_INPUT_INVALID')
  const next = isInput ? 'a later load leaves them unchanged' : 'run the same command again to add the rest'
  const stored = { added, skipped: same + changed + duplicate + exists, unknown }
  const told = withLine(cause, `${before}${lost}; ${next}.`)
  const error = withStored(told, stored)
  return error instanceof Error ? error : told
}
