import type { ItemHead, JobReport } from '@sluice/core'
import { backoffMs, type Backoff, type Random } from './backoff.js'
import type { JobFacts } from './decide.js'

/** What one engine remembers of the job of an item in PROCESSING. Spans are of the engine's own clock that never goes back. */
interface KnownJob {
  readonly attempt: number
  sent: JobFacts['sent']
  absentSinceMs?: number
  askAtMs?: number
  /** Sends that failed. */
  failures: number
  sendAtMs: number
  heldReported: boolean
}

type Job = Pick<ItemHead, 'uid' | 'attempt'>

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

  /** Forgets how long jobs have been absent: nobody looked in the meantime, so no grace has passed. */
  lookAway(): void {
    for (const known of this.#jobs.values()) {
      delete known.absentSinceMs
      delete known.askAtMs
    }
  }

  /** Another engine had the lease in the meantime: what wasn't sent may be sent by now, and what was absent was not watched. */
  distrust(): void {
    this.lookAway()
    for (const known of this.#jobs.values()) if (known.sent === 'unsent') known.sent = 'unknown'
  }

  /** A poll, or the worker's answer about this one job, was read. */
  noteReport(job: Job, report: JobReport | undefined, nowMs: number): void {
    const known = this.#of(job)
    if (report === undefined) {
      known.absentSinceMs ??= nowMs
      return
    }
    known.sent = 'sent'
    known.heldReported = false
    delete known.absentSinceMs
  }

  /** The worker was asked for this one job. */
  noteAsked(job: Job, nowMs: number): void {
    const known = this.#of(job)
    const graceEndsMs = (known.absentSinceMs ?? nowMs) + this.#graceMs
    known.askAtMs =
      graceEndsMs > nowMs && known.absentSinceMs !== undefined ? graceEndsMs : nowMs + ASK_AGAIN_MS
  }

  noteAskFailed(job: Job, nowMs: number): void {
    this.#of(job).askAtMs = nowMs + ASK_AGAIN_MS
  }

  /** It is claimed, and surely has no job yet. */
  noteUnsent(job: Job): void {
    this.#of(job).sent = 'unsent'
  }

  noteSent(job: Job): void {
    const known = this.#of(job)
    known.sent = 'sent'
    delete known.absentSinceMs
    delete known.askAtMs
  }

  noteSendFailed(job: Job, nowMs: number): void {
    const known = this.#of(job)
    known.sent = 'unsent'
    known.failures += 1
    const beyond = known.failures - OWN_TROUBLE_FAILURES + 1
    if (beyond > 0) known.sendAtMs = nowMs + backoffMs(OWN_TROUBLE, beyond, this.#random)
  }

  maySend(job: Job, nowMs: number): boolean {
    return this.#of(job).sendAtMs <= nowMs
  }

  /** Whether this is the first time that the job is said to be held. */
  firstHeld(job: Job): boolean {
    const known = this.#of(job)
    const first = !known.heldReported
    known.heldReported = true
    return first
  }

  facts(job: Job, nowMs: number, canAsk: boolean): JobFacts {
    const { sent, absentSinceMs = nowMs, askAtMs = nowMs } = this.#of(job)
    const asking = canAsk ? (askAtMs <= nowMs ? 'due' : 'later') : 'not-supported'
    return { sent, absentMs: nowMs - absentSinceMs, asking }
  }

  #of(job: Job): KnownJob {
    const known = this.#jobs.get(job.uid)
    if (known?.attempt === job.attempt) return known
    const fresh: KnownJob = {
      attempt: job.attempt,
      sent: 'unknown',
      failures: 0,
      sendAtMs: Number.NEGATIVE_INFINITY,
      heldReported: false,
    }
    this.#jobs.set(job.uid, fresh)
    return fresh
  }
}
