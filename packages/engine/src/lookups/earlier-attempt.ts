import type { ItemSummary, JobRef, QueueItem } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import { isOutage } from '../engine-errors.js'
import { forEachParallel } from '../parallel.js'
import { refOf } from '../settling/settle.js'
import { lookUp } from './ask-absent.js'
import { isFirst, noteResend, type Asking } from '../reconcile/decisions.js'
import { newPatience } from './lookup-trials.js'
import { LATE, type Patience } from './open-lookups.js'

/**
 * An item with more earlier attempts waits for the next complete poll, which shows all of their jobs:
 * look-ups are one for each.
 */
const MAX_ASKED = 3

type Earlier = ReadonlyMap<string, readonly JobRef[]>

/**
 * Of items that were just claimed, those whose jobs may start at once: no job of an earlier attempt runs,
 * since it ended by a report, or was never sent, or a look-up shows that it doesn't run. The others keep
 * their claims, and are sent by a later tick.
 */
export async function startableNow(
  tick: Tick,
  items: readonly QueueItem<unknown>[],
): Promise<readonly QueueItem<unknown>[]> {
  const again = items.filter(({ attempt }) => attempt > 1)
  if (again.length === 0) return items
  const earlier = tick.running.earlier(again)
  const open = again.filter((item) => earlier.has(item.uid) || !isFirst(item))
  const ended = new Set<string>()
  await askForThose(tick, open, async (item, patience) => {
    if (await haveEnded(tick, item, { earlier, patience })) ended.add(item.uid)
  })
  const waiting = new Set(open.map(({ uid }) => uid).filter((uid) => !ended.has(uid)))
  return items.filter(({ uid }) => !waiting.has(uid))
}

/**
 * Whether no job of an earlier attempt of this item is known to run, so that a release may pass on `ended`,
 * even if the item's own job was never sent, as with a claim that is given back.
 */
export function isEarlierEnded({ memory }: Pick<Tick, 'memory'>, item: ItemSummary): boolean {
  return isFirst(item) || memory.isEarlierEnded(item)
}

/**
 * Looks up the jobs of earlier attempts where the poll does not show them: items whose earlier jobs have all
 * ended join those to be sent.
 */
export async function askForEarlier(tick: Tick, { decisions }: Asking): Promise<void> {
  const earlier = tick.running.earlier(decisions.earlierAsks)
  await askForThose(tick, decisions.earlierAsks, async (item, patience) => {
    const isFree =
      tick.tally.unavailable === undefined && (await haveEnded(tick, item, { earlier, patience }))
    if (isFree) noteResend(tick, item, decisions)
    else decisions.earlierWaits.push(item)
  })
}

async function askForThose(
  tick: Tick,
  items: readonly ItemSummary[],
  ask: (item: ItemSummary, patience: Patience) => Promise<void>,
): Promise<void> {
  const patience = newPatience(tick)
  try {
    await forEachParallel(items, tick.sendConcurrency, (item) => ask(item, patience))
  } finally {
    patience.end()
  }
}

interface Waiting {
  readonly earlier: Earlier
  readonly patience: Patience
}

/** Within the budget; a job that can't be looked up now may run. */
async function haveEnded(tick: Tick, item: ItemSummary, { earlier, patience }: Waiting): Promise<boolean> {
  const jobs = toAskFor(item, earlier)
  if (!canAsk(tick) || jobs.length > MAX_ASKED) return false
  try {
    for (const job of jobs) if (!(await hasEnded(tick, job, patience))) return false
  } catch (error) {
    if (!isOutage(error)) throw error
    tick.logger.debug({ ...refOf(item), err: error }, 'the job of an earlier attempt could not be looked up')
    return false
  }
  tick.memory.noteEarlierEnded(item)
  return true
}

/**
 * All earlier attempts; where the item's record says that they have ended, only those that were seen to run.
 */
function toAskFor(item: ItemSummary, earlier: Earlier): readonly JobRef[] {
  if (isFirst(item)) return earlier.get(item.uid) ?? []
  const { id, uid, attempt } = item
  return Array.from({ length: attempt - 1 }, (_, index) => ({ id, uid, attempt: attempt - 1 - index }))
}

function canAsk({ worker }: Tick): boolean {
  return worker.lookupJob !== undefined && worker.supports.lookupJob
}

async function hasEnded(tick: Tick, job: JobRef, patience: Patience): Promise<boolean> {
  const { open, lookups, runtime, running } = tick
  if (!open.has(job) && (patience.isOver || !lookups.take(runtime.monotonicMs()))) return false
  const answer = await lookUp(tick, job, patience)
  if (answer === LATE) return false
  const isRunning = answer?.stage === 'PROCESSING' && answer.uid === job.uid && answer.attempt === job.attempt
  if (isRunning) running.noteSending(job)
  else running.noteEnded(job)
  return !isRunning
}
