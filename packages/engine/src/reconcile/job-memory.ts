import type { ItemSummary, JobReport } from '@sluice/core'
import { backoffMs, type Backoff, type Random } from '../policies/backoff.js'
import type { JobFacts } from './decide.js'
import type { JobCancel } from './job-cancel.js'

/** What one engine remembers of the job of an item in PROCESSING. */
interface KnownJob {
  readonly attempt: number
  sent: JobFacts['sent']
  /** How long it was absent from complete polls. */
  absentMs: number
  /** When it was last found to be absent; absent after an incomplete poll. */
  absentAtMonotonic?: number
  askAtMonotonic?: number
  /** A look-up has found no such job since it was seen last. */
  isAnswered?: boolean
  /** Since when an answer about it is wanted: the longest wanted is looked up first. */
  wantedSinceMonotonic?: number
  /** As reported last; a job that runs is never pending again. */
  pendingSinceMonotonic?: number
  /** The group of pending jobs that it was reported with. */
  reportedWith?: string
  /** It was reported as pending for too long, alone or with its group. */
  isWarnedOf?: boolean
  cancelled?: JobCancel
  cancelAtMonotonic?: number
  /** Look-ups that failed since one was answered, and the worker's last message. */
  askFailures?: number
  askTrouble?: string
  /** The worker was slow to answer. */
  isAskLate?: boolean
  /** Checked since the claim: no job of an earlier attempt runs. */
  isEarlierEnded?: boolean
  heldReported: boolean
}

type Job = Pick<ItemSummary, 'uid' | 'attempt'>

/** From one look-up of a job to the next, where look-ups are not possible or fail. */
const ASK_AGAIN_MS = 5_000
/**
 * An outage ends for all items at once, so an item that goes on failing has a trouble of its own: after this
 * many failures it backs off for longer and longer, so that it does not hold up the others at every tick.
 */
const OWN_TROUBLE_FAILURES = 3
const OWN_TROUBLE: Backoff = { baseMs: 1_000, factor: 2, maxMs: 60_000, jitter: 0.5 }

/**
 * What an engine remembers from tick to tick: of items in PROCESSING alone, so that it does not grow with
 * history. All of it may be lost: a new engine then looks jobs up instead.
 */
export class JobMemory {
  #jobs = new Map<string, KnownJob>()
  readonly #graceMs: number
  readonly #random: Random

  constructor(graceMs: number, random: Random) {
    this.#graceMs = graceMs
    this.#random = random
  }

  get size(): number {
    return this.#jobs.size
  }

  /** Drops what isn't of these items' current attempts. */
  keepOnly(items: Iterable<Job>): void {
    const kept = new Map<string, KnownJob>()
    for (const item of items) {
      const known = this.#jobs.get(item.uid)
      if (known?.attempt === item.attempt) kept.set(item.uid, known)
    }
    this.#jobs = kept
  }

  /** Its item has left PROCESSING. */
  drop(job: Job): void {
    if (this.#jobs.get(job.uid)?.attempt === job.attempt) this.#jobs.delete(job.uid)
  }

  /**
   * Forgets how long jobs have been absent: the worker was not polled in the meantime, so no grace has
   * passed.
   */
  resetAbsence(): void {
    for (const known of this.#jobs.values()) {
      notAbsent(known)
      delete known.askAtMonotonic
    }
  }

  /**
   * Another engine had the lease in the meantime: what wasn't sent may be sent by now, and what was absent
   * was not watched.
   */
  noteNewDispatcher(): void {
    this.resetAbsence()
    for (const known of this.#jobs.values()) if (known.sent === 'unsent') known.sent = 'unknown'
  }

  /** A complete poll, or the worker's answer about this one job, was read. */
  noteReport(job: Job, report: JobReport | undefined, nowMonotonic: number): void {
    const known = this.#of(job)
    if (report === undefined) {
      known.absentMs += nowMonotonic - (known.absentAtMonotonic ?? nowMonotonic)
      known.absentAtMonotonic = nowMonotonic
      known.wantedSinceMonotonic ??= nowMonotonic
      return
    }
    known.sent = 'sent'
    known.heldReported = false
    notAbsent(known)
    delete known.wantedSinceMonotonic
    notePending(known, report, nowMonotonic)
  }

  /** An incomplete poll has no report of it: no grace has passed. */
  noteUnseen(job: Job, nowMonotonic: number): void {
    const known = this.#of(job)
    delete known.absentAtMonotonic
    known.wantedSinceMonotonic ??= nowMonotonic
  }

  /** The jobs in the order of their look-ups: first the one whose answer has been wanted for longest. */
  longestWanted<T extends Job>(jobs: readonly T[]): T[] {
    const sinceMonotonic = (job: Job): number =>
      this.#of(job).wantedSinceMonotonic ?? Number.POSITIVE_INFINITY
    return jobs.toSorted((a, b) => sinceMonotonic(a) - sinceMonotonic(b) || 0)
  }

  /** A look-up found no such job. Before the first one no grace has passed. */
  noteNone(job: Job): void {
    const known = this.#of(job)
    if (known.isAnswered !== true) known.absentMs = 0
    known.isAnswered = true
  }

  /** It was looked up. */
  noteAsked(job: Job, nowMonotonic: number): void {
    const known = this.#of(job)
    const graceLeftMs = known.absentAtMonotonic === undefined ? 0 : this.#graceMs - known.absentMs
    known.askAtMonotonic = nowMonotonic + (graceLeftMs > 0 ? graceLeftMs : ASK_AGAIN_MS)
    delete known.askFailures
    delete known.isAskLate
    known.wantedSinceMonotonic = known.askAtMonotonic
  }

  /**
   * A look-up that fails again and again may be the item's own trouble: it backs off, so that it costs the
   * others nothing.
   */
  noteAskFailed(job: Job, nowMonotonic: number, message: string): void {
    const known = this.#of(job)
    known.askFailures = (known.askFailures ?? 0) + 1
    known.askTrouble = message
    const beyond = known.askFailures - OWN_TROUBLE_FAILURES + 1
    const ownMs = beyond > 0 ? backoffMs(OWN_TROUBLE, beyond, this.#random) : 0
    known.askAtMonotonic = known.wantedSinceMonotonic = nowMonotonic + Math.max(ASK_AGAIN_MS, ownMs)
    notAbsent(known)
  }

  noteAskLate(job: Job): void {
    this.#of(job).isAskLate = true
  }

  /** The latest look-up of it failed, or was not answered in time. */
  isTroubled(job: Job): boolean {
    const { askFailures = 0, isAskLate = false } = this.#of(job)
    return isAskLate || askFailures > 0
  }

  /** How many can't be looked up, each at least twice in a row, and the worker's message about one. */
  unaskable(): { readonly items: number; readonly message: string } {
    const unaskable = [...this.#jobs.values()].filter(({ askFailures = 0 }) => askFailures > 1)
    return { items: unaskable.length, message: unaskable.at(-1)?.askTrouble ?? '' }
  }

  /**
   * How long its job, which had started, has been unknown to the worker; `undefined` while that may be a
   * delayed list.
   */
  missingMs(job: Job): number | undefined {
    const { sent, absentMs, isAnswered } = this.#of(job)
    return sent === 'sent' && (isAnswered === true || absentMs >= ASK_AGAIN_MS) ? absentMs : undefined
  }

  /** By the durable record its job was seen before this engine's time. */
  noteSeenBefore(job: Job): void {
    this.#of(job).sent = 'sent'
  }

  /** Another process claimed it, and nothing of its job is known. */
  isUnknown(job: Job): boolean {
    return this.#of(job).sent === 'unknown'
  }

  isSent(job: Job): boolean {
    return this.#of(job).sent === 'sent'
  }

  /** A look-up, or a complete poll begun after the claim, shows that no job of an earlier attempt runs. */
  noteEarlierEnded(job: Job): void {
    this.#of(job).isEarlierEnded = true
  }

  isEarlierEnded(job: Job): boolean {
    return this.#of(job).isEarlierEnded === true
  }

  /** This engine cancelled it. */
  noteCancelled(job: Job, cancelled: JobCancel): void {
    this.#of(job).cancelled = cancelled
  }

  /** It was not cancelled, or could not be: the next try is not at the next tick. */
  noteNotCancelled(job: Job, nowMonotonic: number): void {
    this.#of(job).cancelAtMonotonic = nowMonotonic + ASK_AGAIN_MS
  }

  mayCancel(job: Job, nowMonotonic: number): boolean {
    return (this.#of(job).cancelAtMonotonic ?? nowMonotonic) <= nowMonotonic
  }

  isWarnedOf(job: Job): boolean {
    return this.#of(job).isWarnedOf === true
  }

  reportedWith(job: Job): string | undefined {
    return this.#of(job).reportedWith
  }

  /** It was warned of, or, while it is pending for less, others of its group were. */
  noteReported(job: Job, group: string, isWarnedOf: boolean): void {
    const known = this.#of(job)
    known.reportedWith = group
    if (isWarnedOf) known.isWarnedOf = true
  }

  /** It is claimed, and has no job yet. */
  noteUnsent(job: Job): void {
    this.#of(job).sent = 'unsent'
  }

  noteSent(job: Job): void {
    const known = this.#of(job)
    known.sent = 'sent'
    notAbsent(known)
    delete known.askAtMonotonic
    delete known.wantedSinceMonotonic
  }

  /** Whether this is the first report that the job is held. */
  firstHeld(job: Job): boolean {
    const known = this.#of(job)
    const first = !known.heldReported
    known.heldReported = true
    return first
  }

  facts(
    job: Job,
    nowMonotonic: number,
    { canAsk, poll }: Pick<JobFacts, 'poll'> & { canAsk: boolean },
  ): JobFacts {
    const { sent, absentMs, askAtMonotonic = nowMonotonic, pendingSinceMonotonic, cancelled } = this.#of(job)
    const asking = canAsk ? (askAtMonotonic <= nowMonotonic ? 'due' : 'later') : 'not-supported'
    return {
      sent,
      absentMs,
      asking,
      poll,
      ...(pendingSinceMonotonic === undefined ? {} : { pendingMs: nowMonotonic - pendingSinceMonotonic }),
      ...(cancelled === undefined ? {} : { cancelled }),
    }
  }

  #of(job: Job): KnownJob {
    const known = this.#jobs.get(job.uid)
    if (known?.attempt === job.attempt) return known
    const fresh: KnownJob = {
      attempt: job.attempt,
      sent: 'unknown',
      absentMs: 0,
      heldReported: false,
    }
    this.#jobs.set(job.uid, fresh)
    return fresh
  }
}

/** It was seen, or is judged again from the start. */
function notAbsent(known: KnownJob): void {
  known.absentMs = 0
  delete known.absentAtMonotonic
  delete known.isAnswered
}

/**
 * A report that doesn't say changes nothing: a pending job has never run, and one that runs is never pending
 * again [W-PEND-1].
 */
function notePending(known: KnownJob, { stage, pending }: JobReport, nowMonotonic: number): void {
  if (stage === 'PROCESSING' && pending === true) known.pendingSinceMonotonic ??= nowMonotonic
  if (stage !== 'PROCESSING' || pending === false) delete known.pendingSinceMonotonic
}
