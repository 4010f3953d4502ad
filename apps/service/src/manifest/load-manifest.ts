import { resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { isSluiceError, withStored, type Queue } from '@sluice/core'
import { messageOf, withLine } from '../command-error.js'
import type { Progress } from '../progress/progress.js'
import { countText, itemsText } from '../progress/progress-text.js'
import { checkItems } from './check-items.js'
import { Joblog } from './joblog/joblog.js'
import { matchJoblog } from './joblog/joblog-items.js'
import type { ListedRow } from './listed-row.js'
import { noRows, type LoadCounts, type RowPosition } from './load-counts.js'
import { loadItems, LoadError, type LoadOptions, type LoadOutcome } from './load-items.js'
import type { Conveniences } from './conveniences.js'
import { Manifest } from './manifest.js'
import type { ReadingOptions } from './manifest-entry.js'
import { RefusalLog } from './refusal-log.js'

export interface LoadManifestOptions extends Pick<LoadOptions, 'compare' | 'updateWaiting' | 'signal'> {
  /** How the manifest is read. */
  readonly reading?: ReadingOptions
  /** What the paths are relative to. Default: where the process runs. */
  readonly cwd?: string
  /** One row that is refused, or repeats an id with another body, and nothing at all is stored: the whole manifest is read once before. */
  readonly strict?: boolean
  /** A file for all rows that are refused, changed or duplicates. */
  readonly rejects?: string
  /** Files that are not to be overwritten by it, beside those that are read. */
  readonly kept?: readonly string[]
  /** A log of GNU parallel: what it says is done is left out. */
  readonly joblog?: { readonly path: string; readonly command?: string }
  /** Stands in for standard input. */
  readonly stdin?: Readable
  /** Makes the display of one reading. */
  readonly progress?: (label: string, totalBytes: number | undefined) => Progress
}

/** Where a load ended before the end of its list. */
export interface StoppedAt extends RowPosition {
  readonly source: string
  /** Of the list as it is stored, compressed or not, that were read. */
  readonly bytes: number
}

/** What a log of GNU parallel was good for. */
export interface JoblogSummary {
  readonly records: number
  /** Cut off, glued together, or no records: their items are loaded. */
  readonly untrusted: number
  /** Commands that name no id of the list. */
  readonly unmatched: number
  /** How ids were found in it. */
  readonly how: string
}

/** How a load ended. */
export interface LoadSummary {
  readonly counts: LoadCounts
  readonly interrupted: boolean
  /** Nothing was stored, since `strict` met a problem, or there was no queue. Then all rows that a queue would take count as `unstored`. */
  readonly checkedOnly: boolean
  /** Absent where the whole list was read. */
  readonly stopped?: StoppedAt
  /** What the queue or the file broke with. */
  readonly failure?: Error
  readonly joblog?: JoblogSummary
  /** There were more ids than are kept in memory: later duplicates are not told as such. */
  readonly manyIds: boolean
  readonly elapsedMs: number
  /** The first of the rows that are a problem. */
  readonly problems: readonly ListedRow[]
  /** What was read otherwise than it is written, and how often. */
  readonly conveniences: Conveniences['counts']
}

/** What a queue takes that says nothing else. */
const DEFAULT_MAX_BODY_BYTES = 1024 * 1024

/**
 * Loads a manifest into a queue in its order; without a queue it only checks the manifest. Safe to run again [Q-PUT-3].
 *
 * @param paths one or several files, or `-` for standard input
 * @returns what became of its rows, also when the queue or the file broke in the middle: `failure` is then what with
 * @throws SluiceError SLUICE_INPUT_INVALID when the manifest can't be opened or its format isn't known
 */
export async function loadManifest(
  paths: string | readonly string[],
  queue: Queue | undefined,
  options: LoadManifestOptions = {},
): Promise<LoadSummary> {
  const { strict = false, stdin, cwd } = options
  const stop = new AbortController()
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal])
  const files = typeof paths === 'string' ? [paths] : paths
  const kept = files.map((file) => (file === '-' ? file : resolve(cwd ?? '.', file)))
  const log = new RefusalLog(options.rejects, [...kept, ...(options.kept ?? [])])
  await log.open()
  const manifest = await Manifest.open(files, options.reading ?? {}, {
    // A check may have to read it twice, and ids are held against a log of jobs before the first is stored.
    repeatable: strict || queue === undefined || options.joblog !== undefined,
    signal,
    ...(stdin === undefined ? {} : { stdin }),
    ...(cwd === undefined ? {} : { cwd }),
  })
  const closing = async () => {
    try {
      await manifest.close()
    } finally {
      await log.close()
    }
  }
  return await thenClosing(async () => {
    const maxBodyBytes = queue?.supports.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES
    const parts = { maxBodyBytes, log, options, stopReading: () => stop.abort() }
    return await new ManifestLoad(manifest, parts).run(queue)
  }, closing)
}

/** What can't be closed fails the load as well, and takes nothing away from what is known of it: the error of the load, or its counts. */
async function thenClosing(
  load: () => Promise<LoadSummary>,
  close: () => Promise<void>,
): Promise<LoadSummary> {
  const summary = await load().catch(async (error: unknown) => {
    const also = await close().then(
      () => error,
      (why: unknown) => why,
    )
    throw also === error ? error : withLine(error, messageOf(also))
  })
  try {
    await close()
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
  readonly maxBodyBytes: number
  readonly log: RefusalLog
  readonly options: LoadManifestOptions
  readonly stopReading: () => void
}

class ManifestLoad {
  readonly #manifest: Manifest
  readonly #parts: LoadParts
  readonly #startedAtMs = performance.now()
  #joblog: JoblogSummary | undefined
  #isDone: LoadOptions['isDone']

  constructor(manifest: Manifest, parts: LoadParts) {
    this.#manifest = manifest
    this.#parts = parts
  }

  async run(queue: Queue | undefined): Promise<LoadSummary> {
    const { joblog } = this.#parts.options
    if (joblog !== undefined) await this.#readJoblog(joblog.path, joblog.command)
    if (queue !== undefined && this.#parts.options.strict !== true) return await this.#store(queue)
    const checked = await this.#check(queue !== undefined)
    const { refused, duplicateChanged } = checked.counts
    if (queue === undefined || refused > 0 || duplicateChanged > 0 || checked.interrupted) return checked
    return await this.#store(queue)
  }

  async #readJoblog(path: string, command: string | undefined): Promise<void> {
    const log = await Joblog.read(path)
    const { isDone, ...found } = await matchJoblog(log, () => this.#entries(), command)
    this.#isDone = isDone
    this.#joblog = { records: log.records, untrusted: log.untrusted, ...found }
  }

  /** @param isFirst a list that is fine is loaded next, and then its harmless duplicates are listed */
  async #check(isFirst: boolean): Promise<LoadSummary> {
    const progress = this.#progress('Checking')
    const { onListed, ...how } = this.#how()
    try {
      const { counts, ...checked } = await checkItems(() => this.#entries(), {
        ...how,
        onListed: async (row) => (isFirst && row.harmless === true ? undefined : await onListed(row)),
        onProgress: ({ good }) => progress?.update(this.#manifest.readBytes, good),
      })
      const { good, refused, duplicate, duplicateChanged } = counts
      const rows = good + refused + duplicate
      const all = { ...noRows(), rows, refused, duplicate, duplicateChanged, unstored: good }
      return { ...checked, counts: all, checkedOnly: true, ...this.#rest() }
    } finally {
      progress?.stop()
    }
  }

  async #store(queue: Queue): Promise<LoadSummary> {
    const progress = this.#progress('Loading')
    const { compare, updateWaiting } = this.#parts.options
    try {
      const { interrupted, ...loaded } = await loadItems(queue, this.#entries(), {
        ...this.#how(),
        ...(compare === undefined ? {} : { compare }),
        ...(updateWaiting === undefined ? {} : { updateWaiting }),
        ...(this.#isDone === undefined ? {} : { isDone: this.#isDone }),
        stopReading: this.#parts.stopReading,
        readBytes: () => this.#manifest.readBytes,
        onProgress: ({ rows, refused }, bytes) => progress?.update(bytes, rows - refused),
      })
      return this.#summary(loaded, { interrupted })
    } catch (error) {
      if (!(error instanceof LoadError)) throw error
      const { outcome, cause } = error
      return this.#summary(outcome, { interrupted: false, failure: explained(cause, outcome.counts) })
    } finally {
      progress?.stop()
    }
  }

  #summary(
    { counts, lastRow, manyIds }: LoadOutcome,
    end: { readonly interrupted: boolean; readonly failure?: Error },
  ): LoadSummary {
    const isWhole = !end.interrupted && end.failure === undefined
    const { file, readBytes } = this.#manifest
    const stopped = { source: file, ...lastRow, bytes: readBytes }
    return { counts, manyIds, ...end, ...(isWhole ? {} : { stopped }), checkedOnly: false, ...this.#rest() }
  }

  #entries() {
    return this.#manifest.read({ maxBodyBytes: this.#parts.maxBodyBytes })
  }

  #progress(label: string): Progress | undefined {
    return this.#parts.options.progress?.(label, this.#manifest.totalBytes)
  }

  #how() {
    const { log, options } = this.#parts
    return {
      onListed: (row: ListedRow) => log.add(row),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    }
  }

  #rest(): Pick<LoadSummary, 'elapsedMs' | 'problems' | 'conveniences' | 'joblog'> {
    return {
      elapsedMs: performance.now() - this.#startedAtMs,
      problems: this.#parts.log.first,
      conveniences: this.#manifest.conveniences.counts,
      ...(this.#joblog === undefined ? {} : { joblog: this.#joblog }),
    }
  }
}

/** The queue's or the file's own error, with what is stored. */
function explained(cause: unknown, counts: LoadCounts): Error {
  const { added, same, changed, duplicate, exists, unknown } = counts
  const before = `${itemsText(added)} ${added === 1 ? 'was' : 'were'} added before that`
  const lost = unknown === 0 ? '' : `, and of ${countText(unknown)} more it is not known whether they were`
  // The same manifest would break at the same place: what is to be done with it, its own message says.
  const isInput = isSluiceError(cause, 'SLUICE_INPUT_INVALID')
  const next = isInput ? 'what is in is left as it is then' : 'run the same command again to add the rest'
  const stored = { added, duplicates: same + changed + duplicate + exists, unknown }
  const told = withLine(cause, `${before}${lost}; ${next}.`)
  const error = withStored(told, stored)
  return error instanceof Error ? error : told
}
