import { isSluiceError, type ItemHead, type Lease, type Logger, type Queue } from '@sluice/core'
import { isOutage } from '../engine-errors.js'
import { nameOf } from '../running-jobs.js'
import { SEEN_JOBS_DOCUMENT } from './document-names.js'
import { hashOfJob, maxPackedJobs, packJobs, unpackJobs } from './seen-jobs-format.js'

type Job = Pick<ItemHead, 'uid' | 'attempt'>

export interface SeenJobsOptions {
  readonly queue: Pick<Queue, 'document' | 'supports'>
  readonly logger: Logger
}

export interface SeenNow {
  readonly items: Iterable<ItemHead>
  readonly isSent: (item: ItemHead) => boolean
  readonly lease: Lease | undefined
}

/** So many jobs may stay in the record after their items have left PROCESSING: what is too much costs 11 bytes, and a write costs a request. */
const MAX_STALE = 1_000

/**
 * The durable record of the jobs of items in PROCESSING that were seen: a report of them, or a confirmed send. By it the next dispatcher knows a job
 * that is gone from one that was never started. It is read once by each dispatcher, and written at most once a tick, when a job came to it.
 *
 * It takes 11 bytes a job: 107 KB for 10,000. It never grows over 1 MB, or the queue's `maxBodyBytes`: of more than about 93,700 jobs those that were
 * there first are in it. What isn't in it is judged after a restart as a job that may never have been sent.
 */
export class SeenJobs {
  readonly #options: SeenJobsOptions
  #fence: number | undefined
  #version: number | undefined
  #stored: ReadonlySet<string> = new Set()
  /** The hashes of the items of the latest tick: each is made once. */
  #hashes = new Map<string, string>()
  #isKnown = false
  /** Another has written it, or a write got no answer. */
  #isStale = false
  /** What no waiting changes, such as a missing permission: not tried again by this dispatcher. */
  #isUnusable = false
  #trouble: string | undefined
  #troubled: 'read' | 'written' = 'read'

  constructor(options: SeenJobsOptions) {
    this.#options = options
  }

  /** `false`: it could not be read yet, so that an item of which nothing else is known may have a job that was seen. */
  get isKnown(): boolean {
    return this.#isKnown
  }

  /** What the storage said when it was last used in vain. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  /** Reads it, once for each fencing token, and after a write of somebody else. Its own trouble stops nothing. */
  async read(fence: number | undefined): Promise<void> {
    if (fence !== this.#fence) this.#begin(fence)
    if (this.#isUnusable || (this.#isKnown && !this.#isStale)) return
    try {
      const found = await this.#options.queue.document(SEEN_JOBS_DOCUMENT).read()
      this.#version = found?.version
      this.#stored = found === undefined ? new Set() : this.#unpacked(found.value)
      this.#isKnown = true
      this.#isStale = false
      if (this.#troubled === 'read') this.#trouble = undefined
    } catch (error) {
      this.#noteTrouble(error, 'read')
      // An outage is over some time. What no waiting changes counts as no record.
      if (this.#isUnusable) this.#isKnown = true
    }
  }

  has(job: Job): boolean {
    return this.#stored.has(this.#hashOf(job))
  }

  /**
   * Writes it, if a job came to it, or too much of it is of items that are gone.
   *
   * @throws SluiceError SLUICE_LEASE_LOST when another engine dispatches now
   */
  async write({ items, isSent, lease }: SeenNow): Promise<void> {
    const seen = this.#hashesOf(items, isSent)
    if (!this.#isKnown || this.#isStale || this.#isUnusable || !this.#isChanged(seen)) return
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
  #begin(fence: number | undefined): void {
    this.#fence = fence
    this.#isKnown = false
    this.#isUnusable = false
    this.#trouble = undefined
  }

  #noteWritten(seen: ReadonlySet<string>, version: number): void {
    this.#stored = seen
    this.#version = version
    this.#isStale = false
    this.#trouble = undefined
  }

  /** Those of the items whose jobs were seen; where there are more than fit, those first that are stored. */
  #hashesOf(items: Iterable<ItemHead>, isSent: (item: ItemHead) => boolean): Set<string> {
    const hashes = new Map<string, string>()
    const seen: string[] = []
    for (const item of items) {
      const hash = this.#hashOf(item)
      hashes.set(nameOf(item), hash)
      if (isSent(item)) seen.push(hash)
    }
    this.#hashes = hashes
    const max = maxPackedJobs(this.#options.queue.supports.maxBodyBytes)
    if (seen.length <= max) return new Set(seen)
    const sorted = [...seen.filter((hash) => this.#stored.has(hash)), ...seen]
    return new Set([...new Set(sorted)].slice(0, max))
  }

  #isChanged(seen: ReadonlySet<string>): boolean {
    let known = 0
    for (const hash of seen) if (this.#stored.has(hash)) known += 1
    const stale = this.#stored.size - known
    return known < seen.size || stale > Math.max(MAX_STALE, seen.size)
  }

  #hashOf(job: Job): string {
    const name = nameOf(job)
    const hash = this.#hashes.get(name) ?? hashOfJob(job)
    this.#hashes.set(name, hash)
    return hash
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
