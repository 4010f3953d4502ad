import type { ItemSummary, JobReport } from '@sluice/core'
import { callWorker, isOutage } from '../engine-errors.js'
import type { Tick } from '../tick/tick.js'
import { isReportOf } from '../reconcile/found.js'
import { refOf, settleAll, type DecidedSettlement } from '../settling/settle.js'

/** `none`: the look-up found no job · `unknown`: it can't be looked up now. */
export async function askForJob(tick: Tick, item: ItemSummary): Promise<JobReport | 'none' | 'unknown'> {
  const { worker, lookups, runtime, running, logger } = tick
  const canAsk = worker.supports.lookupJob && worker.lookupJob !== undefined
  if (!canAsk || !lookups.take(runtime.monotonicMs())) return 'unknown'
  try {
    const report = await callWorker('lookupJob', async () => worker.lookupJob?.(refOf(item)))
    if (report !== undefined && isReportOf(item, report)) return report
    running.noteEnded(refOf(item))
    return 'none'
  } catch (error) {
    if (!isOutage(error)) throw error
    logger.debug(
      { ...refOf(item), err: error },
      'an item that was not sent could not be looked up at the worker',
    )
    return 'unknown'
  }
}

/** Whether a claimed item has no job: its send never began, or a look-up found none. */
export async function isKnownUnsent(tick: Tick, item: ItemSummary): Promise<boolean> {
  return tick.unsent.has(item) || (await askForJob(tick, item)) === 'none'
}

/** Not once the lease is lost: another engine may be sending them by now, and the look-ups are outdated. */
export async function settleUnsent(tick: Tick, decided: readonly DecidedSettlement[]): Promise<void> {
  if (decided.length > 0 && (await tick.lease.keep())) await settleAll(tick, decided)
}
