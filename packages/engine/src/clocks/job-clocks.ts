import {
  isSluiceError,
  type ItemSummary,
  type JobReport,
  type Lease,
  type Logger,
  type Queue,
  type Runtime,
  type Settlement,
} from '@sluice/core'
import { isOutage } from '../engine-errors.js'
import type { JobFacts } from '../reconcile/decide.js'
import { JOB_CLOCKS_DOCUMENT } from '../records/document-names.js'
import { hashOfJob } from '../records/seen-jobs-format.js'
import { retryStateOf } from '../settling/retry-state.js'
import { asDetails } from '../settling/settlement.js'
import { DurationSketch } from './duration-sketch.js'
import {
  maxPackedClocks,
  packClocks,
  unpackClocks,
  type JobClock,
  type RecordedCause,
} from './job-clocks-format.js'

type Job = Pick<ItemSummary, 'uid' | 'attempt'>

/** What counts as a straggler. */
export interface StragglerRule {
  /** So many times the 95th percentile of this queue's successful attempts. */
  readonly factor: number
  /** So many of them are known. */
  readonly minSamples: number
  readonly action: 'mark' | 'retry'
}

export interface JobClocksOptions {
  readonly queue: Pick<Queue, 'document' | 'now' | 'supports'>
  readonly runtime: Pick<Runtime, 'monotonicMs'>
  readonly logger: Logger
  readonly attemptMs?: number | undefined
  readonly itemMs?: number | undefined
  readonly stragglers?: StragglerRule | undefined
}

/** A straggler, and what it is measured by. */
export interface Straggler {
  readonly runningMs: number
  readonly p95Ms: number
}

interface KnownClock extends JobClock {
  readonly attempt: number
  readonly hash: string
}

const QUANTILE = 0.95
/** How late the record may be: this share of the shortest span, within these bounds. */
const DELAY_SHARE = 0.01
const MIN_DELAY_MS = 1_000
const MAX_DELAY_MS = 60_000
/** The same for stragglers, which have no span that is configured. */
const STRAGGLER_DELAY_MS = 5_000
/** The storage's clock is read again after this time. */
const CLOCK_AGE_MS = 3_600_000

/**
 * How long the jobs of items in PROCESSING have run, and since when their items are worked on: for deadlines
 * and stragglers. Instants are of the storage's clock, by which later engines go on counting: a document has
 * 21 bytes for each job, at most 1 MB. It is written when jobs came, at most once in 1 % of the shortest
 * configured span, and before a job is cancelled. What the next engine does not find in it counts from its
 * own first poll.
 *
 * Each engine learns the durations of successful attempts by itself.
 */
export class JobClocks {
  readonly #options: JobClocksOptions
  readonly #delayMs: number
  readonly #durations = new DurationSketch()
  #clocks = new Map<string, KnownClock>()
  #stored: ReadonlyMap<string, JobClock> = new Map()
  #fencingToken: number | undefined
  #version: number | undefined
  /** The storage's clock less the monotonic one; `undefined`: the record was not read yet. */
  #offsetMs: number | undefined
  #readAtMonotonic = 0
  #writtenAtMonotonic = Number.NEGATIVE_INFINITY
  #isDirty = false
  /** It is written at the next tick. */
  #isUrgent = false
  #isStale = false
  #isFailing = false
  /** Of the quantile, as of so many durations. */
  #p95: { readonly count: number; readonly ms: number } = { count: 0, ms: 0 }

  constructor(options: JobClocksOptions) {
    const { attemptMs = Number.POSITIVE_INFINITY, itemMs = Number.POSITIVE_INFINITY } = options
    this.#options = options
    const wishMs = Math.min(
      DELAY_SHARE * Math.min(attemptMs, itemMs),
      options.stragglers === undefined ? MAX_DELAY_MS : STRAGGLER_DELAY_MS,
    )
    this.#delayMs = Math.max(wishMs, MIN_DELAY_MS)
  }

  /**
   * Reads it, once for each fencing token and after a write that failed. While it can't be read nothing is
   * timed.
   */
  async read(fencingToken: number | undefined): Promise<void> {
    const { queue, runtime } = this.#options
    if (fencingToken !== this.#fencingToken) this.#begin(fencingToken)
    const isKnown = this.#offsetMs !== undefined && !this.#isStale
    if (isKnown && runtime.monotonicMs() - this.#readAtMonotonic < CLOCK_AGE_MS) return
    try {
      const [found, now] = await Promise.all([queue.document(JOB_CLOCKS_DOCUMENT).read(), queue.now()])
      this.#readAtMonotonic = runtime.monotonicMs()
      this.#version = found?.version
      // Another value is damaged, or of another version: it counts as none, and is written again.
      if (this.#offsetMs === undefined) this.#stored = unpackClocks(found?.value) ?? new Map()
      this.#offsetMs = now - this.#readAtMonotonic
      this.#isStale = false
    } catch (error) {
      this.#noteTrouble(error, 'read')
    }
  }

  /** A poll was read: `report` is of the item's own job. */
  note(item: ItemSummary, report: JobReport | undefined): void {
    const now = this.#now
    if (now === undefined) return
    const clock = this.#of(item, now)
    if (report?.stage !== 'PROCESSING' || report.pending === true || clock.runningAt !== undefined) return
    clock.runningAt = now
    this.#isDirty = true
  }

  /** Drops what is not of these items' current attempts. */
  keepOnly(items: Iterable<Job>): void {
    const kept = new Map<string, KnownClock>()
    for (const { uid, attempt } of items) {
      const clock = this.#clocks.get(uid)
      if (clock?.attempt === attempt) kept.set(uid, clock)
    }
    // Readers of the queue see marks: one of a job that has ended must not stay.
    const isGone = [...this.#clocks].some(([uid, { isMarked }]) => isMarked === true && !kept.has(uid))
    if (isGone) this.#isDirty = this.#isUrgent = true
    this.#clocks = kept
  }

  facts(
    item: ItemSummary,
  ): Pick<JobFacts, 'runningMs' | 'itemLeftMs' | 'sinceAt' | 'isStraggler' | 'cancelling'> {
    const { itemMs } = this.#options
    const now = this.#now
    if (now === undefined) return {}
    const { runningAt, claimedAt, cancelling } = this.#of(item, now)
    const sinceAt = retryStateOf(item).since ?? claimedAt
    return {
      ...(runningAt === undefined ? {} : { runningMs: now - runningAt }),
      ...(itemMs === undefined ? {} : { sinceAt, itemLeftMs: sinceAt + itemMs - now }),
      ...(this.straggler(item) === undefined ? {} : { isStraggler: true }),
      ...(cancelling === undefined ? {} : { cancelling }),
    }
  }

  /** Since when the item of a claim is worked on, where it has a deadline. */
  sinceOf(item: ItemSummary): number | undefined {
    const known = retryStateOf(item).since
    if (this.#options.itemMs === undefined || known !== undefined) return known
    return this.#clocks.get(item.uid)?.claimedAt ?? this.#now
  }

  /** Whether the deadline of a claimed item was over before this attempt could start. */
  isOverdue(item: ItemSummary): boolean {
    const { itemMs } = this.#options
    const { since } = retryStateOf(item)
    return itemMs !== undefined && since !== undefined && (this.#now ?? since) >= since + itemMs
  }

  /** `undefined`: its job is none, or too few durations are known. */
  straggler({ uid, attempt }: Job): Straggler | undefined {
    const { stragglers } = this.#options
    const clock = this.#clocks.get(uid)
    if (stragglers === undefined || clock?.attempt !== attempt || clock.runningAt === undefined)
      return undefined
    if (this.#durations.count < stragglers.minSamples) return undefined
    const runningMs = (this.#now ?? 0) - clock.runningAt
    const p95Ms = this.#quantile()
    return runningMs >= stragglers.factor * p95Ms ? { runningMs, p95Ms } : undefined
  }

  /** Whether it was not reported before, by this engine or, as far as is recorded, one before it. */
  firstMark({ uid }: Job): boolean {
    const clock = this.#clocks.get(uid)
    if (clock === undefined || clock.isMarked === true) return false
    clock.isMarked = true
    this.#isDirty = this.#isUrgent = true
    return true
  }

  /** How long a job took that succeeded: by its worker's instants, or as long as it was seen to run. */
  noteSucceeded({ details }: Pick<Settlement, 'details'>, { uid, attempt }: Job): void {
    if (this.#options.stragglers === undefined) return
    const clock = this.#clocks.get(uid)
    const seenMs =
      clock?.attempt === attempt && clock.runningAt !== undefined
        ? (this.#now ?? 0) - clock.runningAt
        : undefined
    const ms = spanOf(details) ?? seenMs
    if (ms !== undefined) this.#durations.add(Math.max(0, ms))
  }

  /** Writes it, where jobs came and the last write is some time ago. @throws SluiceError SLUICE_LEASE_LOST */
  async write(lease: Lease | undefined): Promise<void> {
    const isDue = this.#options.runtime.monotonicMs() - this.#writtenAtMonotonic >= this.#delayMs
    if (this.#isUrgent || (this.#isDirty && isDue)) await this.#write(lease)
  }

  /**
   * Records that jobs are to be cancelled: a later engine then knows their ends by it.
   *
   * @returns `false`: not recorded, in an outage of the storage
   * @throws SluiceError SLUICE_LEASE_LOST when another engine dispatches now
   */
  async recordCancels(
    cancels: readonly { readonly item: Job; readonly cause: RecordedCause }[],
    lease: Lease | undefined,
  ): Promise<boolean> {
    let isNew = false
    for (const { item, cause } of cancels) {
      const clock = this.#clocks.get(item.uid)
      if (clock === undefined || clock.cancelling !== undefined) continue
      clock.cancelling = cause
      isNew = true
    }
    this.#isDirty ||= isNew
    const mustWrite = isNew || (this.#isDirty && cancels.length > 0)
    return mustWrite ? this.#write(lease) : true
  }

  get #now(): number | undefined {
    if (this.#offsetMs === undefined) return undefined
    return Math.round(this.#options.runtime.monotonicMs() + this.#offsetMs)
  }

  #begin(fencingToken: number | undefined): void {
    this.#fencingToken = fencingToken
    this.#offsetMs = undefined
    this.#clocks = new Map()
  }

  #of(job: Job, now: number): KnownClock {
    const known = this.#clocks.get(job.uid)
    if (known?.attempt === job.attempt) return known
    const hash = hashOfJob(job)
    const stored = this.#stored.get(hash)
    const fresh: KnownClock = { claimedAt: now, ...stored, attempt: job.attempt, hash }
    this.#isDirty ||= stored === undefined
    this.#clocks.set(job.uid, fresh)
    return fresh
  }

  #quantile(): number {
    const { count } = this.#durations
    // It changes little with each of many: not computed again for every job.
    if (count > this.#p95.count * 1.01) this.#p95 = { count, ms: this.#durations.quantile(QUANTILE) }
    return this.#p95.ms
  }

  async #write(lease: Lease | undefined): Promise<boolean> {
    const { queue, runtime } = this.#options
    const ifVersion = this.#version
    const most = maxPackedClocks(queue.supports.maxBodyBytes)
    const clocks = [...this.#clocks.values()].slice(0, most).map((clock) => [clock.hash, clock] as const)
    // Until the answer says otherwise: the write may be done although its answer is lost.
    this.#isStale = true
    try {
      const document = queue.document(JOB_CLOCKS_DOCUMENT)
      const options = lease === undefined ? { ifVersion } : { ifVersion, lease }
      if (!(await document.write(packClocks(clocks), options))) return false
      this.#version = (ifVersion ?? 0) + 1
      this.#writtenAtMonotonic = runtime.monotonicMs()
      this.#isDirty = this.#isUrgent = this.#isStale = this.#isFailing = false
      return true
    } catch (error) {
      this.#noteTrouble(error, 'written')
      // What can never be recorded must not keep jobs from being cancelled.
      return !isOutage(error)
    }
  }

  #noteTrouble(error: unknown, what: 'read' | 'written'): void {
    if (isSluiceError(error, 'SLUICE_LEASE_LOST') || isSluiceError(error, 'SLUICE_QUEUE_CLOSED')) throw error
    const level = this.#isFailing ? 'debug' : 'warn'
    this.#isFailing = true
    const fields = { document: JOB_CLOCKS_DOCUMENT, err: error }
    this.#options.logger[level](fields, `the record of how long jobs run can’t be ${what}; the work goes on`)
  }
}

/** From the start to the end, by the worker's clock. */
function spanOf(details: Settlement['details']): number | undefined {
  const { startedAt, finishedAt } = asDetails(details)
  return typeof startedAt === 'number' && typeof finishedAt === 'number' ? finishedAt - startedAt : undefined
}
