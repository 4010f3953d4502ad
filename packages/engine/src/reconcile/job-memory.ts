import type { ItemSummary, JobReport } from '@sluice/core'
import { backoffMs, type Backoff, type Random } from '../policies/backoff.js'
import type { JobFacts, PendingCancel } from './decide.js'

/** What one engine remembers of the job of an item in PROCESSING. Spans are of the engine's own clock that never goes back. */
interface KnownJob {
  readonly attempt: number
  sent: JobFacts['sent']
  /** How long it was absent while somebody looked. */
  absentMs: number
  /** When it was last seen to be absent, unless nobody has looked since. */
  absentAtMonotonic?: number
  askAtMonotonic?: number
  /** The worker has said that there is no such job, since it was seen last. */
  isAnswered?: boolean
  /** Since when an answer about it is wanted: it decides who is asked for first. */
  wantedSinceMonotonic?: number
  /** As the worker said last; a job that runs is never pending again. */
  pendingSinceMonotonic?: number
  /** The group of pending jobs that it was told of with. */
  toldWith?: string
  /** It was told of as one that is pending too long, alone or with its group. */
  isWarnedOf?: boolean
  cancelled?: PendingCancel
  cancelAtMonotonic?: number
  /** Look-ups that failed since one was answered, and the worker's last words. */
  askFailures?: number
  askTrouble?: string
  /** The worker was slow to answer. */
  isAskLate?: boolean
  /** Somebody has looked since the claim: no job of an earlier attempt runs. */
  isEarlierEnded?: boolean
  heldReported: boolean
}

type Job = Pick<ItemSummary, 'uid' | 'attempt'>

/** A worker that can't be asked for one job, or not right now, is asked again after so long. */
const ASK_AGAIN_MS = 5_000
/**
 * An outage is over for all items at once, so an item that goes on failing has a trouble of its own: from this many failed sends on it
 * is left alone for longer and longer, lest it be the first to be sent at every tick, and stop all others for ever.
 */
const OWN_TROUBLE_FAILURES = 3
const OWN_TROUBLE: Backoff = { baseMs: 1_000, factor: 2, maxMs: 60_000, jitter: 0.5 }

/**
 * What an engine remembers from tick to tick: of items in PROCESSING alone, so that it doesn't grow with history. All of it may be
 * lost: a fresh engine then asks the worker instead.
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

  /** Forgets how long jobs have been absent: the worker was not polled in the meantime, so no grace has passed. */
  resetAbsence(): void {
    for (const known of this.#jobs.values()) {
      notAbsent(known)
      delete known.askAtMonotonic
    }
  }

  /** Another engine had the lease in the meantime: what wasn't sent may be sent by now, and what was absent was not watched. */
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

  /** A poll that isn't complete has no report of it: nobody looked, so no grace has passed since somebody did. */
  noteUnseen(job: Job, nowMonotonic: number): void {
    const known = this.#of(job)
    delete known.absentAtMonotonic
    known.wantedSinceMonotonic ??= nowMonotonic
  }

  /** The jobs in the order in which they are to be asked for: first the one whose answer has been wanted for longest. */
  longestWanted<T extends Job>(jobs: readonly T[]): T[] {
    const sinceMonotonic = (job: Job): number => this.#of(job).wantedSinceMonotonic ?? Number.POSITIVE_INFINITY
    return jobs.toSorted((a, b) => sinceMonotonic(a) - sinceMonotonic(b) || 0)
  }

  /** The worker says for the first time that there is no such job: while nobody could ask for it, no grace has passed. */
  noteNone(job: Job): void {
    const known = this.#of(job)
    if (known.isAnswered !== true) known.absentMs = 0
    known.isAnswered = true
  }

  /** The worker was asked for this one job. */
  noteAsked(job: Job, nowMonotonic: number): void {
    const known = this.#of(job)
    const graceLeftMs = known.absentAtMonotonic === undefined ? 0 : this.#graceMs - known.absentMs
    known.askAtMonotonic = nowMonotonic + (graceLeftMs > 0 ? graceLeftMs : ASK_AGAIN_MS)
    delete known.askFailures
    delete known.isAskLate
    known.wantedSinceMonotonic = known.askAtMonotonic
  }

  /** One look-up that fails again and again may be the item's own trouble: it is left for longer and longer, so that it costs the others nothing. */
  noteAskFailed(job: Job, nowMonotonic: number, words: string): void {
    const known = this.#of(job)
    known.askFailures = (known.askFailures ?? 0) + 1
    known.askTrouble = words
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

  /** How many can't be asked for, each at least twice in a row, and what the worker said of one. */
  unaskable(): { readonly items: number; readonly words: string } {
    const unaskable = [...this.#jobs.values()].filter(({ askFailures = 0 }) => askFailures > 1)
    return { items: unaskable.length, words: unaskable.at(-1)?.askTrouble ?? '' }
  }

  /** For how long the worker has not known its job, which was there, while somebody looked; `undefined` while that may be a list that is late. */
  missingMs(job: Job): number | undefined {
    const { sent, absentMs, isAnswered } = this.#of(job)
    return sent === 'sent' && (isAnswered === true || absentMs >= ASK_AGAIN_MS) ? absentMs : undefined
  }

  /** The durable record says that its job was seen, before this engine's time. */
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

  /** A look-up, or a complete poll that was begun after the claim, shows that no job of an earlier attempt runs. */
  noteEarlierEnded(job: Job): void {
    this.#of(job).isEarlierEnded = true
  }

  isEarlierEnded(job: Job): boolean {
    return this.#of(job).isEarlierEnded === true
  }

  /** It was told to end, since it was pending too long. */
  noteCancelled(job: Job, cancelled: PendingCancel): void {
    this.#of(job).cancelled = cancelled
  }

  /** It was not cancelled after all, or could not be: not to be tried at every tick. */
  noteNotCancelled(job: Job, nowMonotonic: number): void {
    this.#of(job).cancelAtMonotonic = nowMonotonic + ASK_AGAIN_MS
  }

  mayCancel(job: Job, nowMonotonic: number): boolean {
    return (this.#of(job).cancelAtMonotonic ?? nowMonotonic) <= nowMonotonic
  }

  isWarnedOf(job: Job): boolean {
    return this.#of(job).isWarnedOf === true
  }

  toldWith(job: Job): string | undefined {
    return this.#of(job).toldWith
  }

  /** A warning was given that it is pending, or, where it is not yet so for long, that others of its group are. */
  noteTold(job: Job, group: string, isWarnedOf: boolean): void {
    const known = this.#of(job)
    known.toldWith = group
    if (isWarnedOf) known.isWarnedOf = true
  }

  /** It is claimed, and surely has no job yet. */
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

  /** Whether this is the first time that the job is said to be held. */
  firstHeld(job: Job): boolean {
    const known = this.#of(job)
    const first = !known.heldReported
    known.heldReported = true
    return first
  }

  facts(job: Job, nowMonotonic: number, { canAsk, poll }: Pick<JobFacts, 'poll'> & { canAsk: boolean }): JobFacts {
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

/** It was seen, or is to be judged anew. */
function notAbsent(known: KnownJob): void {
  known.absentMs = 0
  delete known.absentAtMonotonic
  delete known.isAnswered
}

/** A report that doesn't say leaves it as it was: what is pending has always been so, and what runs never is again [W-PEND-1]. */
function notePending(known: KnownJob, { stage, pending }: JobReport, nowMonotonic: number): void {
  if (stage === 'PROCESSING' && pending === true) known.pendingSinceMonotonic ??= nowMonotonic
  if (stage !== 'PROCESSING' || pending === false) delete known.pendingSinceMonotonic
}
