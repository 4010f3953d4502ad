import type { Readable } from 'node:stream'
import { isSluiceError, withStored, type Queue } from '@sluice/core'
import { messageOf, withLine } from '../command-error.js'
import type { Progress } from '../progress/progress.js'
import { countText, itemsText } from '../progress/progress-text.js'
import { checkItems, loadItems, LoadError, type LoadCounts } from './load-items.js'
import type { Conveniences } from './conveniences.js'
import { Manifest } from './manifest.js'
import type { ReadingOptions, RefusedEntry } from './manifest-entry.js'
import { RefusalLog } from './refusal-log.js'

export interface LoadManifestOptions {
  /** How the manifest is read. */
  readonly reading?: ReadingOptions
  /** What the paths are relative to. Default: where the process runs. */
  readonly cwd?: string
  /** One refused line, and nothing at all is stored: the whole manifest is read once before. */
  readonly strict?: boolean
  /** A file for all refused lines. */
  readonly rejects?: string
  readonly signal?: AbortSignal
  /** Stands in for standard input. */
  readonly stdin?: Readable
  /** Makes the display of one reading. */
  readonly progress?: (label: string, totalBytes: number | undefined) => Progress
}

/** How a load ended. */
export interface LoadSummary extends LoadCounts {
  /** Lines that a queue would take; those that were stored or skipped among them. */
  readonly good: number
  readonly interrupted: boolean
  /** Nothing was stored, since `strict` met a refused line, or there was no queue. */
  readonly checkedOnly: boolean
  readonly elapsedMs: number
  /** The first of the refused lines. */
  readonly refusals: readonly RefusedEntry[]
  /** What was read otherwise than it is written, and how often. */
  readonly conveniences: Conveniences['counts']
}

/** What a queue takes that says nothing else. */
const DEFAULT_MAX_BODY_BYTES = 1024 * 1024

/**
 * Loads a manifest into a queue in its order; without a queue it only checks the manifest. Safe to run again [Q-PUT-3].
 *
 * @param paths one or several files, or `-` for standard input
 * @throws SluiceError SLUICE_INPUT_INVALID when the manifest can't be read; what the queue rejects with, the message then says how many
 * items were stored before
 */
export async function loadManifest(
  paths: string | readonly string[],
  queue: Queue | undefined,
  options: LoadManifestOptions = {},
): Promise<LoadSummary> {
  const { strict = false, signal, stdin, cwd } = options
  const log = new RefusalLog(options.rejects)
  await log.open()
  const manifest = await Manifest.open(typeof paths === 'string' ? [paths] : paths, options.reading ?? {}, {
    repeatable: strict && queue !== undefined,
    ...(signal === undefined ? {} : { signal }),
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
    return await new ManifestLoad(manifest, { maxBodyBytes, log, options }).run(queue)
  }, closing)
}

/** What can't be closed fails the load as well, and takes nothing away from what is known of it: the error of the load, or its counts. */
async function thenClosing(
  load: () => Promise<LoadSummary>,
  close: () => Promise<void>,
): Promise<LoadSummary> {
  let summary: LoadSummary
  try {
    summary = await load()
  } catch (error) {
    const also = await close().then(
      () => error,
      (why: unknown) => why,
    )
    throw also === error ? error : withLine(error, messageOf(also))
  }
  try {
    await close()
  } catch (error) {
    throw summary.checkedOnly ? error : explained(new LoadError({ counts: summary, unknown: 0 }, error))
  }
  return summary
}

interface LoadParts {
  readonly maxBodyBytes: number
  readonly log: RefusalLog
  readonly options: LoadManifestOptions
}

class ManifestLoad {
  readonly #manifest: Manifest
  readonly #parts: LoadParts
  readonly #startedAtMs = performance.now()

  constructor(manifest: Manifest, parts: LoadParts) {
    this.#manifest = manifest
    this.#parts = parts
  }

  async run(queue: Queue | undefined): Promise<LoadSummary> {
    if (queue !== undefined && this.#parts.options.strict !== true) return await this.#store(queue)
    const checked = await this.#check()
    if (queue === undefined || checked.refused > 0 || checked.interrupted) return checked
    return await this.#store(queue)
  }

  async #check(): Promise<LoadSummary> {
    const progress = this.#progress('Checking')
    try {
      const checked = await checkItems(this.#entries(), {
        ...this.#how(),
        onProgress: ({ good }) => progress?.update(this.#manifest.readBytes, good),
      })
      return { ...checked, added: 0, skipped: 0, checkedOnly: true, ...this.#rest() }
    } finally {
      progress?.stop()
    }
  }

  async #store(queue: Queue): Promise<LoadSummary> {
    const progress = this.#progress('Loading')
    try {
      const loaded = await loadItems(queue, this.#entries(), {
        ...this.#how(),
        onProgress: ({ added, skipped }) => progress?.update(this.#manifest.readBytes, added + skipped),
      })
      return { ...loaded, good: loaded.added + loaded.skipped, checkedOnly: false, ...this.#rest() }
    } catch (error) {
      throw error instanceof LoadError ? explained(error) : error
    } finally {
      progress?.stop()
    }
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
      onRefused: (entry: RefusedEntry) => log.add(entry),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    }
  }

  #rest(): Pick<LoadSummary, 'elapsedMs' | 'refusals' | 'conveniences'> {
    return {
      elapsedMs: performance.now() - this.#startedAtMs,
      refusals: this.#parts.log.first,
      conveniences: this.#manifest.conveniences.counts,
    }
  }
}

/** The queue's or the file's own error, with what is stored. */
function explained(error: LoadError): unknown {
  const { cause, counts, unknown } = error
  const before = `${itemsText(counts.added)} ${counts.added === 1 ? 'was' : 'were'} added before that`
  const lost = unknown === 0 ? '' : `, and of ${countText(unknown)} more it is not known whether they were`
  // The same manifest would break at the same place: what is to be done with it, its own message says.
  const isInput = isSluiceError(cause, 'SLUICE_INPUT_INVALID')
  const next = isInput ? 'what is in is skipped then' : 'run the same command again to add the rest'
  const stored = { added: counts.added, duplicates: counts.skipped, unknown }
  return withStored(withLine(cause, `${before}${lost}; ${next}.`), stored)
}
