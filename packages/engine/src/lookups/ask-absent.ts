import type { ItemSummary, JobRef, JobReport } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import { callWorker, isOutage } from '../engine-errors.js'
import { forEachParallel } from '../parallel.js'
import { refOf } from '../settling/settle.js'
import { act, factsOf, ownReport, type Asking } from '../reconcile/decisions.js'
import type { LookupTrials } from './lookup-trials.js'
import { LATE, type Patience } from './open-lookups.js'

/** Look-ups within one tick begin for a third of the lease's life at most, and none in a stop: what the poll said is to be settled meanwhile. */
export function isLate({ runtime, leaseTtlMs, stop }: Tick, beganAtMonotonic: number): boolean {
  return stop.requested || runtime.monotonicMs() - beganAtMonotonic >= leaseTtlMs / 3
}

/**
 * Absence from a poll is never a failure [W-POLL-2]: the worker is asked for each missing job before anything follows from it. Within
 * the budget, first for the one whose answer has been wanted for longest; the others stay as they were. One that can't be asked for keeps its
 * place, and is asked for again later and later.
 */
export async function askForAbsent(
  tick: Tick,
  { asking, trials }: { asking: Asking; trials: LookupTrials },
): Promise<void> {
  const { memory, runtime, lookups, open } = tick
  await forEachParallel(memory.longestWanted(asking.decisions.asks), tick.sendConcurrency, async (item) => {
    // In an outage the others wait for the next tick, as those do that weren't answered.
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
  const { items, words } = memory.unaskable()
  if (items === 0) return
  const message = `The worker does not say how the jobs of some items are doing; they keep their places: ${words}`
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
  // Sure as the answer is, only a complete poll beside it lets a grace pass.
  if (report === undefined && poll.poll === 'incomplete') memory.noteUnseen(item, nowMonotonic)
  else memory.noteReport(item, report, nowMonotonic)
  if (report === undefined) memory.noteNone(item)
  else tick.quiet.noteReport(item, report, nowMonotonic)
  const facts = { ...factsOf(tick, item, poll), asking: 'no-such-job' } as const
  memory.noteAsked(item, nowMonotonic)
  act(tick, { item, report, facts }, decisions)
  return true
}

/** What the worker says of the item's own job; whether that runs is noted. */
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

/** One look-up, or what came of the one that is open. */
export function lookUp(
  { open, worker }: Tick,
  job: JobRef,
  patience: Patience,
): Promise<JobReport | undefined | typeof LATE> {
  return open.ask(job, () => callWorker('lookupJob', async () => worker.lookupJob?.(job)), patience)
}
