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

/** An item whose job had started, and how long the worker has not known it. */
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

/** The largest delay and inaccuracy of the document. */
const FRESH_MS = 5_000
/** The most jobs in the document, 11 bytes each. */
const MAX_NAMED = 10_000

/**
 * Reports jobs that had started and that the worker no longer knows, during their grace: once in the log, and
 * to readers of the queue in a document. It is written when such jobs come or go, at most once in
 * {@link FRESH_MS}, and nothing depends on it.
 */
export class MissingJobs {
  readonly #options: MissingJobsOptions
  /** As they are stored: since when, by the monotonic clock. */
  #stored: ReadonlyMap<string, number> = new Map()
  #writtenAtMonotonic = Number.NEGATIVE_INFINITY
  #isReported = false
  #isFailing = false

  constructor(options: MissingJobsOptions) {
    this.#options = options
  }

  /** @throws SluiceError SLUICE_LEASE_LOST when another engine dispatches now */
  async note(missing: readonly MissingJob[], lease: Lease | undefined): Promise<void> {
    this.#report(missing)
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
        'the document of missing jobs could not be written: `show` may lack them',
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
    const instants = new Map(
      [...since].map(([hash, sinceMonotonic]) => [hash, now - (nowMonotonic - sinceMonotonic)]),
    )
    return document.write(packMissing({ graceMs, since: instants }), {
      ifVersion: found?.version,
      ...(lease === undefined ? {} : { lease }),
    })
  }

  #report(missing: readonly MissingJob[]): void {
    const wasReported = this.#isReported
    this.#isReported = missing.length > 0
    const [first] = missing
    if (first === undefined || wasReported) return
    const { logger, graceMs } = this.#options
    const { id, attempt } = first.item
    logger.warn(
      { jobs: missing.length, example: { id, attempt } },
      `the worker no longer knows jobs that had started; they are lost after ${Math.round(graceMs / 1_000)} s, unless it knows them again`,
    )
  }
}

function isAlike(one: ReadonlyMap<string, number>, other: ReadonlyMap<string, number>): boolean {
  if (one.size !== other.size) return false
  return [...one].every(
    ([hash, sinceMonotonic]) => Math.abs((other.get(hash) ?? Number.NaN) - sinceMonotonic) < FRESH_MS,
  )
}
