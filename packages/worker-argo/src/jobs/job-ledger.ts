import type { Runtime, JobRef, JobReport } from '@sluice/core'
import type { HoldUp } from '../workflow/hold-up.js'
import type { JobName } from './job-name.js'
import { MAX_REST_MS } from '../api/rate-gate.js'
import type { Seen } from '../workflow/seen-run.js'

/**
 * How long an answer about one job counts where the list doesn't show the job, in ms: the list comes from a
 * cache that lags behind.
 */
const TRUSTED_MS = 2_000
const MAX_TRUSTED_MS = 60_000
/** How many acknowledged jobs are remembered, so that a list that lags behind doesn't bring them back. */
const MAX_ACKNOWLEDGED = 5_000

/** What this process knows of one job. */
export interface KnownJob {
  readonly job: JobName
  /** When this process first knew of it. */
  readonly sinceAtMonotonic: number
  /** When it was last in a list or an answer, or asked for without one. */
  heardAtMonotonic: number
  /** When it was last asked for by name. */
  askedAtMonotonic: number
  /** How far it had come when its nodes were last read. */
  nodes: HoldUp | undefined
  /** When they were last asked for, with or without an answer. */
  nodesAskedAtMonotonic: number
  /** The latest; `undefined` while it is being sent. */
  report: JobReport | undefined
  workflowUid: string | undefined
  /** The latest list shows it as unfinished. */
  listed: boolean
  /** How often the watch reported its end, and how many of these reports were followed by an answer. */
  hints: number
  hintsAnswered: number
  /** Nothing but the answer to its sending is known of it. */
  fresh: boolean
  /** When it is asked for, if no list shows it before. */
  askAtMonotonic: number
  trustedMs: number
  /** It is not asked for before: the server asked for that. */
  notBeforeMonotonic: number
  /** What the latest live answer showed of it: see {@link Seen}. */
  seen: Seen
  /** Whether what was sent has arrived is not known. */
  doubtful: boolean
  /** Its outcome is stored: it is no longer reported. */
  acknowledged: boolean
  cancelled: string | undefined
  /** How often it was retried in place. */
  retries: number
  readonly notes: string[]
}

/**
 * The jobs that this process has sent or seen, until they are acknowledged. It makes polls cheap: a list
 * shows what isn't finished, and only what is missing there is asked for. All of it may be lost: a caller
 * that waits for a job asks for it by name.
 */
export class JobLedger {
  /** Not acknowledged: polls go through these. */
  readonly #open = new Map<string, KnownJob>()
  /** The oldest first. */
  readonly #acknowledged = new Map<string, KnownJob>()
  /** Those of them that the latest list shows all the same. */
  #listedAgain: readonly KnownJob[] = []
  /**
   * What was seen of jobs that were dropped: an archived row must not bring one back from before its last
   * run.
   */
  readonly #seen = new Map<string, Seen>()
  readonly #runtime: Runtime

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  get size(): number {
    return this.#open.size + this.#acknowledged.size
  }

  get(job: JobName): KnownJob | undefined {
    return this.byWorkflow(job.workflow)
  }

  byWorkflow(name: string): KnownJob | undefined {
    return this.#open.get(name) ?? this.#acknowledged.get(name)
  }

  /** What is known of the latest run of a job. */
  seenOf(job: JobName): Seen {
    return this.get(job)?.seen ?? this.#seen.get(job.workflow) ?? {}
  }

  /** The entry of a job, made if there is none. */
  entry(job: JobName): KnownJob {
    const known = this.get(job)
    if (known !== undefined) return known
    const sinceAtMonotonic = this.#runtime.monotonicMs()
    const fresh: KnownJob = {
      job,
      sinceAtMonotonic,
      heardAtMonotonic: sinceAtMonotonic,
      askedAtMonotonic: Number.NEGATIVE_INFINITY,
      nodes: undefined,
      nodesAskedAtMonotonic: Number.NEGATIVE_INFINITY,
      report: undefined,
      workflowUid: undefined,
      listed: false,
      hints: 0,
      hintsAnswered: 0,
      fresh: true,
      askAtMonotonic: 0,
      trustedMs: TRUSTED_MS,
      notBeforeMonotonic: Number.NEGATIVE_INFINITY,
      seen: this.seenOf(job),
      doubtful: false,
      acknowledged: false,
      cancelled: undefined,
      retries: 0,
      notes: [],
    }
    this.#open.set(job.workflow, fresh)
    return fresh
  }

  /** The watch reports that a workflow ended, or left otherwise. @returns whether that is worth a poll */
  hint(workflow: string): boolean {
    const known = this.byWorkflow(workflow)
    if (known === undefined) return true
    known.hints += 1
    return !isOver(known)
  }

  /** A list was read: none of the jobs is in it but those that are noted next. */
  beginList(): void {
    for (const known of this.#listedAgain) known.listed = false
    this.#listedAgain = []
    for (const known of this.#open.values()) {
      // What was there in the last list and is gone has most likely ended.
      if (known.listed && !isOver(known)) known.askAtMonotonic = 0
      known.listed = false
    }
  }

  /** The list shows it as unfinished. */
  noteListed(known: KnownJob, report: JobReport): void {
    known.listed = true
    known.heardAtMonotonic = this.#runtime.monotonicMs()
    if (known.acknowledged) this.#listedAgain = [...this.#listedAgain, known]
    // It was over already: the list lags behind, or it was retried. A question by name decides.
    if (isOver(known)) return
    known.report = report
    known.fresh = false
    known.doubtful = false
    known.trustedMs = TRUSTED_MS
  }

  /** Argo answered a question by name. */
  noteAnswer(known: KnownJob, report: JobReport): void {
    known.heardAtMonotonic = this.#runtime.monotonicMs()
    known.fresh = known.report === undefined
    known.report = report
    known.doubtful = false
    this.#trust(known)
  }

  #trust(known: KnownJob): void {
    known.askAtMonotonic = this.#runtime.monotonicMs() + known.trustedMs
    known.trustedMs = Math.min(known.trustedMs * 2, MAX_TRUSTED_MS)
  }

  /**
   * It couldn't be asked for just now. @param retryAfterMs how long the server asked for no question about it
   */
  noteUnanswered(known: KnownJob, retryAfterMs = 0): void {
    known.heardAtMonotonic = this.#runtime.monotonicMs()
    if (retryAfterMs > 0)
      known.notBeforeMonotonic = known.heardAtMonotonic + Math.min(retryAfterMs, MAX_REST_MS)
    this.#trust(known)
  }

  /** It runs, although it was acknowledged. */
  revive(known: KnownJob): void {
    known.acknowledged = false
    this.#acknowledged.delete(known.job.workflow)
    this.#listedAgain = this.#listedAgain.filter((one) => one !== known)
    this.#open.set(known.job.workflow, known)
  }

  drop(job: JobName): void {
    const known = this.get(job)
    const seen = known?.seen
    if (seen !== undefined && seen.startedAt !== undefined) this.#keepSeen(job, seen)
    this.#open.delete(job.workflow)
    this.#acknowledged.delete(job.workflow)
    this.#listedAgain = this.#listedAgain.filter((one) => one !== known)
  }

  #keepSeen(job: JobName, seen: Seen): void {
    this.#seen.delete(job.workflow)
    this.#seen.set(job.workflow, seen)
    const [oldest] = this.#seen.keys()
    if (this.#seen.size > MAX_ACKNOWLEDGED && oldest !== undefined) this.#seen.delete(oldest)
  }

  /** The outcome is stored. */
  acknowledge(job: JobName): void {
    const known = this.entry(job)
    known.acknowledged = true
    known.hintsAnswered = known.hints
    known.trustedMs = TRUSTED_MS
    // Of its report nothing but the stage is needed any more, and results may be large.
    const { report } = known
    if (report !== undefined) known.report = { stage: report.stage, uid: report.uid, attempt: report.attempt }
    this.#trust(known)
    this.#open.delete(job.workflow)
    this.#acknowledged.delete(job.workflow)
    this.#acknowledged.set(job.workflow, known)
    // One that the latest list shows is in it until the next one.
    if (known.listed && !this.#listedAgain.includes(known)) this.#listedAgain = [...this.#listedAgain, known]
    for (const oldest of this.#acknowledged.keys()) {
      if (this.#acknowledged.size <= MAX_ACKNOWLEDGED) break
      this.#acknowledged.delete(oldest)
    }
  }

  /** The one that this process came to know last, acknowledged or not. */
  latest(): KnownJob | undefined {
    const all = [...this.#open.values(), ...this.#acknowledged.values()]
    return all.reduce<KnownJob | undefined>(
      (latest, one) =>
        latest === undefined || one.sinceAtMonotonic >= latest.sinceAtMonotonic ? one : latest,
      undefined,
    )
  }

  /** Jobs that are unfinished by the latest report. */
  unfinished(): readonly KnownJob[] {
    return [...this.#open.values()].filter((known) => known.report !== undefined && !isOver(known))
  }

  /**
   * The jobs that are to be asked for by name.
   *
   * @param watching whether a watch reports at once each that ends
   */
  due(watching: boolean): readonly KnownJob[] {
    const nowMonotonic = this.#runtime.monotonicMs()
    return [...this.#open.values(), ...this.#listedAgain].filter((known) =>
      isDue(known, nowMonotonic, watching),
    )
  }

  /**
   * What is known of all jobs, by item id.
   *
   * @param awaited the jobs that the queue waits for: of two jobs of one item it is that one that is
   * reported, else the later attempt; the other one is its `earlier` while it is unfinished
   */
  reports(awaited: readonly JobRef[] = []): Map<string, JobReport> {
    const wanted = new Map(awaited.map((ref) => [ref.id, ref]))
    const chosen = new Map<string, JobReport>()
    const others = new Map<string, JobReport[]>()
    for (const { job, report } of this.#open.values()) {
      if (report === undefined) continue
      const { id } = job.ref
      const other = chosen.get(id)
      const isChosen = other === undefined || isRather(report, other, wanted.get(id))
      if (isChosen) chosen.set(id, report)
      if (other !== undefined) others.set(id, [...(others.get(id) ?? []), isChosen ? other : report])
    }
    return withEarlier(chosen, others)
  }
}

/** The jobs of an id beside the one that is reported count as long as they are unfinished. */
function withEarlier(
  chosen: Map<string, JobReport>,
  others: ReadonlyMap<string, readonly JobReport[]>,
): Map<string, JobReport> {
  for (const [id, all] of others) {
    const earlier = all.filter(({ stage }) => stage === 'PROCESSING')
    const report = chosen.get(id)
    if (report !== undefined && earlier.length > 0) chosen.set(id, { ...report, earlier })
  }
  return chosen
}

function isRather(report: JobReport, other: JobReport, wanted: JobRef | undefined): boolean {
  if (wanted !== undefined) {
    const isWanted = ({ uid, attempt }: JobReport): boolean =>
      uid === wanted.uid && attempt === wanted.attempt
    if (isWanted(report) !== isWanted(other)) return isWanted(report)
  }
  if (report.uid === other.uid) return report.attempt > other.attempt
  // Of an id that was removed and put again: attempts of two items say nothing of what came later.
  const runs = report.stage === 'PROCESSING'
  if (runs !== (other.stage === 'PROCESSING')) return runs
  return (report.startedAt ?? Number.POSITIVE_INFINITY) >= (other.startedAt ?? Number.POSITIVE_INFINITY)
}

function isEnded({ report }: KnownJob): boolean {
  return report !== undefined && report.stage !== 'PROCESSING'
}

function isOver(known: KnownJob): boolean {
  return known.acknowledged || isEnded(known)
}

function isDue(known: KnownJob, nowMonotonic: number, watching: boolean): boolean {
  if (known.notBeforeMonotonic > nowMonotonic) return false
  // Being sent: the answer to that comes first.
  if (known.report === undefined && !known.acknowledged) return false
  if (isOver(known)) return known.listed && known.askAtMonotonic <= nowMonotonic
  if (known.hints > known.hintsAnswered) return true
  // It may have ended before any list showed it.
  return !known.listed && (known.askAtMonotonic <= nowMonotonic || (known.fresh && !watching))
}
