import type { ItemRecord, JobRef, RefusedSettlement } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import { forEachParallel } from '../parallel.js'
import { countLeftOut } from '../records/left-out.js'
import { leftOutOf, storable, type JobSettlement } from './settlement.js'

/** A settlement, and why it was decided. `unsent`: it is given back, and no job was started. */
export interface DecidedSettlement {
  readonly settlement: JobSettlement
  readonly why: 'reported' | 'lost' | 'rejected' | 'unsendable' | 'invalid-body' | 'overdue' | 'unsent'
  /** Of a reported one: its job was refused at its start. */
  readonly isRefusedStart?: boolean
  /** Of a reported one, by the worker's clock. */
  readonly endedAt?: number
}

/** The most moves in one call; fewer where the storage would need longer than {@link LONGEST_CALL_MS}. */
const MAX_SETTLEMENTS = 1_000
/** Items that one tick looks up for jobs to be acknowledged, and for jobs that run without an item. */
export const MAX_ITEM_LOOKUPS = 200
/** The longest delay after a failed acknowledgement of jobs that were settled before. */
const MAX_ACKNOWLEDGE_AGAIN_MS = 60_000
const LONGEST_CALL_MS = 60_000

/**
 * Moves items out of PROCESSING, then acknowledges their jobs to the worker. In this order: after a crash
 * between the two the job is reported once more and acknowledged then; the reverse order would lose the
 * outcome.
 */
export async function settleAll(tick: Tick, decided: readonly DecidedSettlement[]): Promise<void> {
  const { runtime, sendConcurrency } = tick
  const rate = tick.sendState.rates.settles
  for (let start = 0; start < decided.length;) {
    const bounds = { least: sendConcurrency, most: MAX_SETTLEMENTS, unknown: MAX_SETTLEMENTS }
    const chunk = decided.slice(start, start + rate.countWithin(LONGEST_CALL_MS, bounds))
    const beganAtMonotonic = runtime.monotonicMs()
    await settleChunk(tick, chunk)
    rate.note(chunk.length, runtime.monotonicMs() - beganAtMonotonic)
    start += chunk.length
  }
}

async function settleChunk(tick: Tick, decided: readonly DecidedSettlement[]): Promise<void> {
  const maxBytes = tick.queue.supports.maxBodyBytes
  const stored = decided.map((one) => ({ ...one, settlement: storable(one.settlement, maxBytes) }))
  const { refused } = await tick.queue.settle(stored.map(({ settlement }) => settlement))
  const refusals = new Map(refused.map((refusal) => [refusal.id, refusal]))
  const settled = stored.filter(({ settlement }) => !refusals.has(settlement.id))
  for (const done of settled) noteSettled(tick, done)
  const movedJobs = stored
    .filter(({ settlement }) => refusals.has(settlement.id))
    .map(({ settlement }) => logRefused(tick, settlement, refusals.get(settlement.id)))
  const jobs = settled.filter(({ why }) => why === 'reported').map(({ settlement }) => settlement)
  await countLeftOut(
    tick,
    settled.map(({ settlement }) => settlement),
  )
  await acknowledgeJobs(tick, [...jobs.map(refOf), ...(await movedOn(tick, movedJobs))])
}

function noteSettled(tick: Tick, { settlement, why }: DecidedSettlement): void {
  tick.tally.processing -= 1
  tick.selector?.noteEnded(settlement)
  if (settlement.stage === 'SUCCESS') tick.tally.settled.success += 1
  if (settlement.stage === 'FAIL') tick.tally.settled.fail += 1
  if (settlement.stage === 'WAITING') tick.tally.settled.waiting += 1
  const job = refOf(settlement)
  if (settlement.stage === 'SUCCESS') tick.clocks?.noteSucceeded(settlement, job)
  tick.memory.drop(job)
  tick.unsent.noteBegun(job)
  tick.running.noteEnded(job)
  tick.sendState.noteSettled(job, why)
  if (why === 'rejected') tick.tally.rejected += 1
  if (why === 'lost') {
    tick.tally.lost += 1
    tick.emit({ kind: 'item-lost', job, policy: settlement.stage === 'FAIL' ? 'fail' : 'resend' })
  }
  const { stage, reason, failureClass } = settlement
  const leftOut = leftOutOf(settlement)
  tick.emit({
    kind: 'item-settled',
    job,
    stage,
    ...(reason === undefined ? {} : { reason }),
    ...(failureClass === undefined ? {} : { failureClass }),
    ...(leftOut.length === 0 ? {} : { leftOut }),
  })
}

function logRefused(tick: Tick, settlement: JobSettlement, refusal: RefusedSettlement | undefined): JobRef {
  const job = refOf(settlement)
  tick.logger.warn(
    { ...job, stage: settlement.stage, reason: refusal?.reason },
    'the queue refused to settle an item: it was moved meanwhile',
  )
  return job
}

/**
 * Those of the jobs whose items have moved on, by a look-up: the list that was read may be older than the
 * poll. Of the first {@link MAX_ITEM_LOOKUPS} only: jobs that are not acknowledged are reported again.
 */
export async function movedOn(tick: Tick, jobs: readonly JobRef[]): Promise<JobRef[]> {
  const moved: JobRef[] = []
  await forEachParallel(jobs.slice(0, MAX_ITEM_LOOKUPS), tick.sendConcurrency, async (job) => {
    if (!(await waitsFor(tick, job))) moved.push(job)
  })
  return moved
}

async function waitsFor({ queue }: Tick, job: JobRef): Promise<boolean> {
  return isAwaiting(await queue.lookup(job.id), job)
}

/** Whether an item is in PROCESSING at the attempt of this job. */
export function isAwaiting(
  item: Pick<ItemRecord, 'stage' | 'uid' | 'attempt'> | undefined,
  job: JobRef,
): boolean {
  return item?.stage === 'PROCESSING' && item.uid === job.uid && item.attempt === job.attempt
}

/**
 * A hint, whose failure stops nothing: jobs that weren't acknowledged are reported and acknowledged again.
 */
export async function acknowledgeJobs(
  { worker, logger, reported, runtime }: Tick,
  jobs: readonly JobRef[],
): Promise<void> {
  if (jobs.length === 0 || worker.acknowledgeJobs === undefined) return
  try {
    await worker.acknowledgeJobs(jobs)
    reported.acknowledgeFailures = 0
  } catch (error) {
    const level = reported.acknowledgeFailures > 0 ? 'debug' : 'warn'
    const againMs =
      reported.acknowledgeFailures === 0 ? 0 : 1_000 * 2 ** Math.min(reported.acknowledgeFailures, 10)
    reported.acknowledgeFailures += 1
    reported.acknowledgeAtMonotonic = runtime.monotonicMs() + Math.min(againMs, MAX_ACKNOWLEDGE_AGAIN_MS)
    logger[level](
      { err: error, jobs: jobs.length },
      'settled jobs could not be acknowledged; it is tried again',
    )
  }
}

export function refOf({ id, uid, attempt }: JobRef): JobRef {
  return { id, uid, attempt }
}
