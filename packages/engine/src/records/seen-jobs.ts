import { isSluiceError, type ItemSummary, type Lease, type Logger, type Queue } from '@sluice/core'
import { isOutage } from '../engine-errors.js'
import { SEEN_JOBS_DOCUMENT } from './document-names.js'
import { hashOfJob, maxPackedJobs, packJobs, unpackJobs } from './seen-jobs-format.js'

type Job = Pick<ItemSummary, 'uid' | 'attempt'>

export interface SeenJobsOptions {
  readonly queue: Pick<Queue, 'document' | 'supports'>
  readonly logger: Logger
}

export interface SeenNow {
  readonly items: Iterable<ItemSummary>
  readonly isSent: (item: ItemSummary) => boolean
  readonly lease: Lease | undefined
}

interface KnownHash {
  readonly attempt: number
  readonly hash: string
  isStored: boolean
}

/**
 * How many jobs may stay in the record after their items have left PROCESSING: each costs 11 bytes, and a
 * write costs a request.
 */
const MAX_STALE = 1_000

/**
 * The durable record of the jobs of items in PROCESSING that were seen, by a report or a confirmed send. By
 * it the next dispatcher tells a job that has disappeared from one that was never started. It is read once by
 * each dispatcher, and written at most once a tick, when a job was added.
 *
 * It takes 11 bytes for a job: 107 KB for 10,000. It never exceeds 1 MB, or the queue's `maxBodyBytes`: of
 * more than about 93,700 jobs it has those that came first. After a restart, a job that is not in it counts
 * as one that may never have been sent.
 */
export class SeenJobs {
  readonly #options: SeenJobsOptions
  #fencingToken: number | undefined
  #version: number | undefined
  #stored: ReadonlySet<string> = new Set()
  /** By the uids of the items: each hash is computed once. */
  #known = new Map<string, KnownHash>()
  #isKnown = false
  /** Another process has written it, or a write got no answer. */
  #isStale = false
  /** Permanently unusable, as without a permission: not tried again by this dispatcher. */
  #isUnusable = false
  #trouble: string | undefined
  #troubled: 'read' | 'written' = 'read'

  constructor(options: SeenJobsOptions) {
    this.#options = options
  }

  /** `false`: it could not be read yet, so that any item may have a job that was seen. */
  get isKnown(): boolean {
    return this.#isKnown
  }

  /** The storage's message at the latest failure. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  /**
   * Reads it, once for each fencing token, and after a write of another process. Its failure stops nothing.
   */
  async read(fencingToken: number | undefined): Promise<void> {
    if (fencingToken !== this.#fencingToken) this.#begin(fencingToken)
    if (this.#isUnusable || (this.#isKnown && !this.#isStale)) return
    try {
      const found = await this.#options.queue.document(SEEN_JOBS_DOCUMENT).read()
      this.#version = found?.version
      this.#setStored(found === undefined ? new Set() : this.#unpacked(found.value))
      this.#isKnown = true
      this.#isStale = false
      if (this.#troubled === 'read') this.#trouble = undefined
    } catch (error) {
      this.#noteTrouble(error, 'read')
      // An outage ends. A permanent failure counts as an empty record.
      if (this.#isUnusable) this.#isKnown = true
    }
  }

  has(job: Job): boolean {
    return this.#of(job).isStored
  }

  /**
   * Writes it, if a job was added, or too many jobs are of items that have left PROCESSING.
   *
   * @throws SluiceError SLUICE_LEASE_LOST when another engine dispatches now
   */
  async write({ items, isSent, lease }: SeenNow): Promise<void> {
    if (!this.#isKnown || this.#isStale || this.#isUnusable) return
    const jobs = [...items].filter(isSent)
    this.#keepOnly(jobs)
    if (!this.#isChanged(jobs)) return
    const seen = this.#hashesOf(jobs)
    const ifVersion = this.#version
    // Until the answer says otherwise: the write may be done although its answer is lost.
    this.#isStale = true
    try {
      const document = this.#options.queue.document(SEEN_JOBS_DOCUMENT)
      const isWritten = await document.write(packJobs(seen), {
        ifVersion,
        ...(lease === undefined ? {} : { lease }),
      })
      if (isWritten) this.#noteWritten(seen, (ifVersion ?? 0) + 1)
    } catch (error) {
      this.#noteTrouble(error, 'written')
    }
  }

  /** Another dispatcher may have written it in between. */
  #begin(fencingToken: number | undefined): void {
    this.#fencingToken = fencingToken
    this.#isKnown = false
    this.#isUnusable = false
    this.#trouble = undefined
  }

  #noteWritten(seen: ReadonlySet<string>, version: number): void {
    this.#setStored(seen)
    this.#version = version
    this.#isStale = false
    this.#trouble = undefined
  }

  #setStored(stored: ReadonlySet<string>): void {
    this.#stored = stored
    for (const known of this.#known.values()) known.isStored = stored.has(known.hash)
  }

  /** The hashes of the jobs; where there are more than fit, first those that are stored. */
  #hashesOf(jobs: readonly Job[]): Set<string> {
    const known = jobs.map((job) => this.#of(job))
    const max = this.#max
    if (known.length <= max) return new Set(known.map(({ hash }) => hash))
    const sorted = [...known.filter(({ isStored }) => isStored), ...known.filter(({ isStored }) => !isStored)]
    return new Set(sorted.slice(0, max).map(({ hash }) => hash))
  }

  #isChanged(jobs: readonly Job[]): boolean {
    let stored = 0
    for (const job of jobs) if (this.#of(job).isStored) stored += 1
    const stale = this.#stored.size - stored
    return stored < Math.min(jobs.length, this.#max) || stale > Math.max(MAX_STALE, jobs.length)
  }

  get #max(): number {
    return maxPackedJobs(this.#options.queue.supports.maxBodyBytes)
  }

  #keepOnly(jobs: readonly Job[]): void {
    if (this.#known.size <= 2 * jobs.length + MAX_STALE) return
    this.#known = new Map(jobs.map((job) => [job.uid, this.#of(job)]))
  }

  #of(job: Job): KnownHash {
    const known = this.#known.get(job.uid)
    if (known?.attempt === job.attempt) return known
    const hash = hashOfJob(job)
    const fresh = { attempt: job.attempt, hash, isStored: this.#stored.has(hash) }
    this.#known.set(job.uid, fresh)
    return fresh
  }

  #unpacked(value: Parameters<typeof unpackJobs>[0]): ReadonlySet<string> {
    const jobs = unpackJobs(value)
    if (jobs !== undefined) return jobs
    this.#warn({}, 'the record of jobs seen is damaged; it counts as none, and is written again')
    return new Set()
  }

  #noteTrouble(error: unknown, what: 'read' | 'written'): void {
    if (isSluiceError(error, 'SLUICE_LEASE_LOST') || isSluiceError(error, 'SLUICE_QUEUE_CLOSED')) throw error
    this.#isUnusable = !isOutage(error)
    const isNew = this.#trouble === undefined
    this.#troubled = what
    this.#trouble = `the record of jobs seen can’t be ${what}: ${error instanceof Error ? error.message : String(error)}`
    if (isNew) this.#warn({ err: error }, `the record of jobs seen can’t be ${what}; the work goes on`)
  }

  #warn(fields: object, message: string): void {
    this.#options.logger.warn({ document: SEEN_JOBS_DOCUMENT, ...fields }, message)
  }
}
