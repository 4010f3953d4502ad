import {
  isSluiceError,
  type Runtime,
  type ItemSummary,
  type Lease,
  type Logger,
  type Queue,
} from '@sluice/core'
import { MISSING_JOBS_DOCUMENT } from './document-names.js'
import { packMissing } from './missing-jobs-format.js'
import { hashOfJob } from './seen-jobs-format.js'

/** An item whose job had started, and for how long the worker has not known it while somebody looked. */
export interface MissingJob {
  readonly item: Pick<ItemSummary, 'id' | 'uid' | 'attempt'>
  readonly absentMs: number
}

export interface MissingJobsOptions {
  readonly queue: Pick<Queue, 'document' | 'now'>
  readonly runtime: Pick<Runtime, 'monotonicMs'>
  readonly logger: Logger
  readonly graceMs: number
}

/** What is shown is not to be older, or further off the truth, than this. */
const FRESH_MS = 5_000
/** So many are named; of more the first. 11 bytes each. */
const MAX_NAMED = 10_000

/**
 * Tells others of jobs that had started and that the worker does not know any more, while their grace runs: the log, once for each spell, and readers of the
 * queue by a document. It is written when such jobs come or go, at most once in {@link FRESH_MS}, and nothing hangs on it.
 */
export class MissingJobs {
  readonly #options: MissingJobsOptions
  /** As they are stored: since when, by the clock that never goes back. */
  #stored: ReadonlyMap<string, number> = new Map()
  #writtenAtMonotonic = Number.NEGATIVE_INFINITY
  #isTold = false
  #isFailing = false

  constructor(options: MissingJobsOptions) {
    this.#options = options
  }

  /** @throws SluiceError SLUICE_LEASE_LOST when another engine dispatches now */
  async note(missing: readonly MissingJob[], lease: Lease | undefined): Promise<void> {
    this.#tell(missing)
    const nowMonotonic = this.#options.runtime.monotonicMs()
    const since = new Map(
      missing.slice(0, MAX_NAMED).map(({ item, absentMs }) => [hashOfJob(item), nowMonotonic - absentMs]),
    )
    const isDue = nowMonotonic - this.#writtenAtMonotonic >= FRESH_MS
    if (!isDue || isAlike(this.#stored, since)) return
    this.#writtenAtMonotonic = nowMonotonic
    try {
      if (await this.#write(since, { nowMonotonic, lease })) this.#stored = since
      this.#isFailing = false
    } catch (error) {
      if (isSluiceError(error, 'SLUICE_LEASE_LOST') || isSluiceError(error, 'SLUICE_QUEUE_CLOSED'))
        throw error
      const level = this.#isFailing ? 'debug' : 'warn'
      this.#isFailing = true
      this.#options.logger[level](
        { err: error },
        'the document of missing jobs could not be written: `show` may not know of them',
      )
    }
  }

  async #write(
    since: ReadonlyMap<string, number>,
    { nowMonotonic, lease }: { nowMonotonic: number; lease: Lease | undefined },
  ): Promise<boolean> {
    const { queue, graceMs } = this.#options
    const document = queue.document(MISSING_JOBS_DOCUMENT)
    const [found, now] = await Promise.all([document.read(), queue.now()])
    const instants = new Map([...since].map(([hash, sinceMonotonic]) => [hash, now - (nowMonotonic - sinceMonotonic)]))
    return document.write(packMissing({ graceMs, since: instants }), {
      ifVersion: found?.version,
      ...(lease === undefined ? {} : { lease }),
    })
  }

  #tell(missing: readonly MissingJob[]): void {
    const wasTold = this.#isTold
    this.#isTold = missing.length > 0
    const [first] = missing
    if (first === undefined || wasTold) return
    const { logger, graceMs } = this.#options
    const { id, attempt } = first.item
    logger.warn(
      { jobs: missing.length, example: { id, attempt } },
      `jobs that had started are not known to the worker any more; they are lost after ${Math.round(graceMs / 1_000)} s, unless it knows them again`,
    )
  }
}

function isAlike(one: ReadonlyMap<string, number>, other: ReadonlyMap<string, number>): boolean {
  if (one.size !== other.size) return false
  return [...one].every(([hash, sinceMonotonic]) => Math.abs((other.get(hash) ?? Number.NaN) - sinceMonotonic) < FRESH_MS)
}
