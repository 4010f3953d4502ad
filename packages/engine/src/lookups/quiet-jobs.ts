import type { ItemSummary, JobReport } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import { isOutage } from '../engine-errors.js'
import { LookupBudget } from './lookup-budget.js'
import { forEachParallel } from '../parallel.js'
import { lookedUp } from './ask-absent.js'
import { act, factsOf, type Asking } from '../reconcile/decisions.js'
import type { LookupTrials } from './lookup-trials.js'
import { LATE, type Patience } from './open-lookups.js'

interface HeardJob {
  readonly attempt: number
  readonly said: Said
  heardAtMonotonic: number
  /** Look-ups since the report changed last. */
  asks: number
  /** Since when look-ups have found no such job, although polls go on reporting it. */
  deniedSinceMonotonic?: number
}

type Job = Pick<ItemSummary, 'uid' | 'attempt'>
/** The fields of a report that may change while its job runs. */
type Said = Pick<JobReport, 'stage' | 'pending' | 'message' | 'startedAt' | 'url' | 'jobUid'>

/** The delay between look-ups of a quiet job grows up to this multiple of `askAfterMs`. */
const MAX_SPANS = 3
/** The largest share of the look-ups of a second that is for quiet jobs. */
const SHARE = 0.1

/**
 * When each running job of an item in PROCESSING was last heard of: its report changed, or it was looked up.
 * A stale list goes on reporting jobs that have long ended.
 */
export class QuietJobs {
  readonly budget: LookupBudget
  readonly #askAfterMs: number
  readonly #jobs = new Map<string, HeardJob>()

  constructor(options: { readonly askAfterMs: number; readonly lookupsPerSecond: number }) {
    this.#askAfterMs = options.askAfterMs
    this.budget = new LookupBudget(Math.max(1, Math.floor(options.lookupsPerSecond * SHARE)))
  }

  /** Drops what isn't of these items, when that is more than what is. */
  keepOnly(items: ReadonlyMap<string, Job>): void {
    if (this.#jobs.size <= 2 * items.size) return
    const uids = new Set([...items.values()].map(({ uid }) => uid))
    for (const uid of this.#jobs.keys()) if (!uids.has(uid)) this.#jobs.delete(uid)
  }

  noteReport({ uid, attempt }: Job, report: JobReport, nowMonotonic: number): void {
    const heard = this.#jobs.get(uid)
    if (heard?.attempt === attempt && isSame(heard.said, report)) return
    this.#jobs.set(uid, { attempt, said: saidIn(report), heardAtMonotonic: nowMonotonic, asks: 0 })
  }

  /** It was looked up, whatever the answer. */
  noteAsked({ uid }: Job, nowMonotonic: number): void {
    const heard = this.#jobs.get(uid)
    if (heard === undefined) return
    heard.heardAtMonotonic = nowMonotonic
    heard.asks += 1
  }

  /** A look-up found no such job, although complete polls report it. @returns how long this has been so */
  noteDenied({ uid }: Job, nowMonotonic: number): number {
    const heard = this.#jobs.get(uid)
    if (heard === undefined) return 0
    heard.deniedSinceMonotonic ??= nowMonotonic
    return nowMonotonic - heard.deniedSinceMonotonic
  }

  noteKnown({ uid }: Job): void {
    const heard = this.#jobs.get(uid)
    if (heard !== undefined) delete heard.deniedSinceMonotonic
  }

  /** Those not heard of for too long, the longest first. */
  due(items: Iterable<ItemSummary>, nowMonotonic: number): ItemSummary[] {
    if (this.#askAfterMs === 0) return []
    const due = [...items].filter((item) => nowMonotonic >= this.#dueAtMonotonic(item))
    return due.toSorted((a, b) => this.#heardAtMonotonic(a) - this.#heardAtMonotonic(b))
  }

  #heardAtMonotonic({ uid }: Job): number {
    return this.#jobs.get(uid)?.heardAtMonotonic ?? Number.POSITIVE_INFINITY
  }

  #dueAtMonotonic({ uid }: Job): number {
    const { asks = 0, deniedSinceMonotonic } = this.#jobs.get(uid) ?? {}
    // A job that look-ups do not find has the shortest delay.
    const spans = deniedSinceMonotonic === undefined ? Math.min(asks + 1, MAX_SPANS) : 1
    return this.#heardAtMonotonic({ uid, attempt: 0 }) + spans * this.#askAfterMs
  }
}

/** Not the whole report: it may have a large result. */
function saidIn({ stage, pending, message, startedAt, url, jobUid }: JobReport): Said {
  return {
    stage,
    ...(pending === undefined ? {} : { pending }),
    ...(message === undefined ? {} : { message }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(url === undefined ? {} : { url }),
    ...(jobUid === undefined ? {} : { jobUid }),
  }
}

function isSame(one: Said, other: Said): boolean {
  return (
    one.stage === other.stage &&
    one.pending === other.pending &&
    one.message === other.message &&
    one.startedAt === other.startedAt &&
    one.url === other.url &&
    one.jobUid === other.jobUid
  )
}

/**
 * Looks up jobs that polls report as running and that were not heard of for `jobs.askAfterMs`, within a tenth
 * of the look-up budget. One that has ended is settled. One that look-ups do not find for longer than the
 * grace, although complete polls report it, is lost.
 */
export async function askForQuiet(
  tick: Tick,
  { asking, trials, items }: { asking: Asking; trials: LookupTrials; items: Iterable<ItemSummary> },
): Promise<void> {
  const { runtime, lookups, quiet, open } = tick
  if (!asking.poll.canAsk) return
  const beganAtMonotonic = runtime.monotonicMs()
  await forEachParallel(quiet.due(items, beganAtMonotonic), tick.sendConcurrency, async (item) => {
    const nowMonotonic = runtime.monotonicMs()
    const patience = trials.patienceFor(item)
    if (!open.has(item)) {
      if (tick.tally.unavailable !== undefined || patience.isOver) return
      if (!quiet.budget.take(nowMonotonic) || !lookups.take(nowMonotonic)) return
    }
    try {
      if (await askOne(tick, item, { asking, patience })) trials.noteAnswer()
    } catch (error) {
      if (!isOutage(error)) throw error
      quiet.noteAsked(item, runtime.monotonicMs())
      await trials.noteFailure(item, error)
    }
  })
}

/** @returns whether the worker answered in time */
async function askOne(
  tick: Tick,
  item: ItemSummary,
  { asking: { decisions, poll }, patience }: { asking: Asking; patience: Patience },
): Promise<boolean> {
  const { quiet, memory, runtime } = tick
  const report = await lookedUp(tick, item, patience)
  if (report === LATE) {
    memory.noteAskLate(item)
    return false
  }
  const nowMonotonic = runtime.monotonicMs()
  quiet.noteAsked(item, nowMonotonic)
  if (report === undefined) {
    if (poll.poll === 'incomplete') return true
    const absentMs = quiet.noteDenied(item, nowMonotonic)
    const facts = { ...factsOf(tick, item, poll), absentMs, asking: 'no-such-job' } as const
    act(tick, { item, report, facts }, decisions)
    return true
  }
  quiet.noteKnown(item)
  if (report.stage === 'PROCESSING') return true
  memory.noteReport(item, report, nowMonotonic)
  act(tick, { item, report, facts: factsOf(tick, item, poll) }, decisions)
  return true
}
