import type { ItemSummary, JobRef, JobReport } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import { callWorker, isOutage } from '../engine-errors.js'
import { forEachParallel } from '../parallel.js'
import { refOf } from '../settling/settle.js'
import { act, factsOf, ownReport, type Asking } from '../reconcile/decisions.js'
import type { LookupTrials } from './lookup-trials.js'
import { LATE, type Patience } from './open-lookups.js'

/**
 * Look-ups of a tick begin within a third of the lease's ttl, and none during a stop, so that the poll is
 * settled in time.
 */
export function isLate({ runtime, leaseTtlMs, stop }: Tick, beganAtMonotonic: number): boolean {
  return stop.requested || runtime.monotonicMs() - beganAtMonotonic >= leaseTtlMs / 3
}

/**
 * Absence from a poll is never a failure [W-POLL-2]: each missing job is looked up before anything follows
 * from it. Within the budget the longest wanted come first; the others stay as they were. An item whose job
 * can't be looked up keeps its place, and is tried again with growing delays.
 */
export async function askForAbsent(
  tick: Tick,
  { asking, trials }: { asking: Asking; trials: LookupTrials },
): Promise<void> {
  const { memory, runtime, lookups, open } = tick
  await forEachParallel(memory.longestWanted(asking.decisions.asks), tick.sendConcurrency, async (item) => {
    // In an outage the others wait for the next tick, like those without an answer.
    const patience = trials.patienceFor(item)
    const mayAsk = tick.tally.unavailable === undefined && !patience.isOver
    if (!open.has(item) && (!mayAsk || !lookups.take(runtime.monotonicMs()))) {
      count(tick, 'unasked')
      return
    }
    count(tick, 'asked')
    try {
      if (await ask(tick, item, { asking, patience })) trials.noteAnswer()
    } catch (error) {
      if (!isOutage(error)) throw error
      memory.noteAskFailed(item, runtime.monotonicMs(), error.message)
      await trials.noteFailure(item, error)
    }
  })
  noteUnaskable(tick)
}

function noteUnaskable({ memory, tally }: Tick): void {
  const { items, message: said } = memory.unaskable()
  if (items === 0) return
  const message = `the jobs of some items can't be looked up; they keep their places: ${said}`
  tally.holdups.push({ code: 'refused-items', message, items })
}

function count({ tally }: Tick, what: 'asked' | 'unasked'): void {
  if (tally.poll !== undefined) tally.poll = { ...tally.poll, [what]: tally.poll[what] + 1 }
}

interface Waiting {
  readonly asking: Asking
  readonly patience: Patience
}

/** @returns whether the worker answered in time */
async function ask(tick: Tick, item: ItemSummary, { asking, patience }: Waiting): Promise<boolean> {
  const { memory, runtime } = tick
  const { poll, decisions } = asking
  const report = await lookedUp(tick, item, patience)
  if (report === LATE) {
    memory.noteAskLate(item)
    return false
  }
  const nowMonotonic = runtime.monotonicMs()
  // The answer is definite, but a grace passes only with a complete poll.
  if (report === undefined && poll.poll === 'incomplete') memory.noteUnseen(item, nowMonotonic)
  else memory.noteReport(item, report, nowMonotonic)
  if (report === undefined) memory.noteNone(item)
  else tick.quiet.noteReport(item, report, nowMonotonic)
  const facts = { ...factsOf(tick, item, poll), asking: 'no-such-job' } as const
  memory.noteAsked(item, nowMonotonic)
  act(tick, { item, report, facts }, decisions)
  return true
}

/** Looks the item's own job up, and notes whether it runs. */
export async function lookedUp(
  tick: Tick,
  item: ItemSummary,
  patience: Patience,
): Promise<JobReport | undefined | typeof LATE> {
  const { running } = tick
  const answer = await lookUp(tick, refOf(item), patience)
  if (answer === LATE) return LATE
  const report = ownReport(item, answer)
  if (report?.stage === 'PROCESSING') running.noteSending(refOf(item))
  else running.noteEnded(refOf(item))
  return report
}

/** Looks a job up, or takes the answer of the look-up that is open. */
export function lookUp(
  { open, worker }: Tick,
  job: JobRef,
  patience: Patience,
): Promise<JobReport | undefined | typeof LATE> {
  return open.ask(job, () => callWorker('lookupJob', async () => worker.lookupJob?.(job)), patience)
}
