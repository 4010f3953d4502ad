import type { ItemRecord, JobRef, JobReport } from '@sluice/core'
import { isCancelled } from './cancelled-job.js'
import { isAwaiting } from '../settling/settle.js'

/**
 * The verdict about a running job without an item in PROCESSING. It is final: the record of an attempt that
 * is over does not change.
 */
export interface JudgedOrphan {
  /** Of the job within the queue. */
  readonly name: string
  /** Why it is to be ended; absent: it is left alone. */
  readonly endFor?: 'cancelled' | 'unsent' | 'made-again'
  /** How often it was cancelled. */
  tries: number
  /** Not cancelled again before this monotonic instant. */
  dueAtMonotonic: number
}

export type OrphanVerdict = NonNullable<JudgedOrphan['endFor']> | 'awaited' | 'left'

/**
 * What happens to a running job whose item is not in the list that was read: a table without I/O. No clocks
 * are compared.
 *
 * | the item, looked up again | the attempt's record | verdict |
 * |---|---|---|
 * | in PROCESSING at this attempt | | awaited: the list was older than the poll |
 * | gone, or of another uid | | left |
 * | elsewhere | its item was cancelled by an operator while it ran | ended: cancelled |
 * | elsewhere | given back as unsent | ended: unsent, the job was created too late |
 * | elsewhere | of a job with another uid | ended: created again, after the name was free |
 * | elsewhere | of this very job: an operator retried it at the worker | left |
 * | elsewhere | does not mention the job | left |
 */
export function orphanVerdict(
  item: ItemRecord<unknown, unknown> | undefined,
  { id, report }: { readonly id: string; readonly report: JobReport },
): OrphanVerdict {
  const job: JobRef = { id, uid: report.uid, attempt: report.attempt }
  if (isAwaiting(item, job)) return 'awaited'
  if (item?.uid !== job.uid) return 'left'
  if (isCancelled(item, job)) return 'cancelled'
  const record = item.history.find(({ attempt }) => attempt === job.attempt)
  if (record?.unsent === true) return 'unsent'
  return isMadeAgain(record?.jobUid, report.jobUid) ? 'made-again' : 'left'
}

/** Unknown where either uid is. */
export function isMadeAgain(recorded: string | undefined, reported: string | undefined): boolean {
  return recorded !== undefined && reported !== undefined && recorded !== reported
}
