import type { ItemRecord, Queue, Stage } from '@sluice/core'
import { readLeftOut, type LeftOut } from '@sluice/engine'
import { FailureGroups } from './failure-groups.js'
import { summaryOf, type FailureSummary } from './failure-table.js'
import { reportRows } from './report-rows.js'

/** A queue's outcomes at a glance. */
export interface ReportSummary extends FailureSummary {
  readonly sizes: Readonly<Record<Stage, number>>
  /** Outcomes that were not stored whole; absent: none. */
  readonly leftOut?: LeftOut
}

/** How {@link summarize} reads a queue. */
export interface SummarizeOptions {
  /** How many groups are told of, the largest. */
  readonly limit: number
  /** Which failures count; default all. */
  readonly isWanted?: (item: ItemRecord) => boolean
  /** Ends it early, with an AbortError. */
  readonly signal?: AbortSignal
}

/** Counts the stages and groups the failures by cause. Reads every item of FAIL, one page in memory at a time. */
export async function summarize(
  queue: Queue,
  { limit, isWanted, signal }: SummarizeOptions,
): Promise<ReportSummary> {
  const sizes = await queue.sizes()
  const leftOut = await readLeftOut(queue)
  const groups = new FailureGroups()
  for await (const item of reportRows(queue, ['FAIL'], signal)) {
    if (isWanted === undefined || isWanted(item)) groups.add(item)
  }
  return { sizes, ...summaryOf(groups, limit), ...(leftOut === undefined ? {} : { leftOut }) }
}
