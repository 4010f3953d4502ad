import type { ItemHead, JobReport } from '@sluice/core'
import type { Engine } from '../engine.js'
import { callWorker, isOutage } from '../engine-errors.js'
import { forEachParallel } from '../parallel.js'
import { refOf } from '../settle.js'
import type { Tally } from '../tick-result.js'
import { act, factsOf, ownReport, type Asking } from './decisions.js'
import type { LookupTrials } from './lookup-trials.js'

/** Look-ups within one tick begin for a third of the lease's life at most: what the poll said is to be settled meanwhile. */
export function isLate({ clock, leaseTtlMs }: Engine, beganMs: number): boolean {
  return clock.monotonicMs() - beganMs >= leaseTtlMs / 3
}

/**
 * Absence from a poll is never a failure [W-POLL-2]: the worker is asked for each missing job before anything follows from it. Within
 * the budget, first for the one whose answer has been wanted for longest; the others stay as they were. One that can't be asked for keeps its
 * place, and is asked for again later and later.
 */
export async function askForAbsent(
  engine: Engine,
  tally: Tally,
  { asking, trials }: { asking: Asking; trials: LookupTrials },
): Promise<void> {
  const { memory, clock, lookups } = engine
  const beganMs = clock.monotonicMs()
  await forEachParallel(memory.longestWanted(asking.decisions.asks), engine.sendConcurrency, async (item) => {
    // In an outage the others wait for the next tick, as those do that weren't answered.
    const mayAsk = tally.unavailable === undefined && !isLate(engine, beganMs)
    if (!mayAsk || !lookups.take(clock.monotonicMs())) {
      count(tally, 'unasked')
      return
    }
    count(tally, 'asked')
    try {
      await ask(engine, item, asking)
      trials.noteAnswer()
    } catch (error) {
      if (!isOutage(error)) throw error
      memory.noteAskFailed(item, clock.monotonicMs(), error.message)
      await trials.noteFailure(item, error)
    }
  })
  noteUnaskable(engine, tally)
}

function noteUnaskable({ memory }: Engine, tally: Tally): void {
  const { items, words } = memory.unaskable()
  if (items === 0) return
  const message = `The worker does not say how the jobs of some items are doing; they keep their places: ${words}`
  tally.holdups.push({ kind: 'refused-items', message, items })
}

function count(tally: Tally, what: 'asked' | 'unasked'): void {
  if (tally.poll !== undefined) tally.poll = { ...tally.poll, [what]: tally.poll[what] + 1 }
}

async function ask(engine: Engine, item: ItemHead, { decisions, poll }: Asking): Promise<void> {
  const { memory, clock } = engine
  const report = await lookedUp(engine, item)
  const nowMs = clock.monotonicMs()
  // Sure as the answer is, only a complete poll beside it lets a grace pass.
  if (report === undefined && poll.poll === 'incomplete') memory.noteUnseen(item, nowMs)
  else memory.noteReport(item, report, nowMs)
  if (report === undefined) memory.noteNone(item)
  else engine.quiet.noteReport(item, report, nowMs)
  const facts = { ...factsOf(engine, item, poll), asking: 'no-such-job' } as const
  memory.noteAsked(item, nowMs)
  act(engine, { item, report, facts }, decisions)
}

/** What the worker says of the item's own job; whether that runs is noted. */
export async function lookedUp(engine: Engine, item: ItemHead): Promise<JobReport | undefined> {
  const { worker, running } = engine
  const answer = await callWorker('lookupJob', async () => worker.lookupJob?.(refOf(item)))
  const report = ownReport(item, answer)
  if (report?.stage === 'PROCESSING') running.noteSending(refOf(item))
  else running.noteEnded(refOf(item))
  return report
}
