import { eachItem, type ItemRecord, type Queue, type Runtime, type Stage } from '@sluice/core'
import { readLeftOut, type LeftOut } from '@sluice/engine'
import { inPages } from '../items/pages.js'
import { FailureGroups } from './failure-groups.js'
import { OverrideHours, type OverrideUse } from './override-hours.js'
import { summaryOf, type FailureSummary } from './failure-table.js'

/** The default stages of a report. */
const REPORT_STAGES: readonly Stage[] = ['SUCCESS', 'FAIL']

/** Small enough for a page of large results in memory, large enough for few calls over a million rows. */
const PAGE_ITEMS = 500

export interface ReportRowsOptions {
  /** Default SUCCESS and FAIL. */
  readonly stages?: readonly Stage[] | undefined
  readonly runtime: Pick<Runtime, 'yield'>
  /** Ends it early, with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Every item of some stages, one page in memory at a time. Exact for a queue at rest; an item that moves
 * meanwhile appears in the stage it had when its page was read [Q-LIST-1].
 */
export async function* reportRows(
  queue: Queue,
  { stages = REPORT_STAGES, runtime, signal }: ReportRowsOptions,
): AsyncGenerator<ItemRecord> {
  const reading = { pageItems: PAGE_ITEMS, ...(signal !== undefined && { signal }) }
  for (const stage of stages)
    for await (const page of inPages(eachItem(queue, stage, reading), { ...reading, runtime })) yield* page
}

/** A summary of a queue's outcomes. */
export interface ReportSummary extends FailureSummary {
  readonly sizes: Readonly<Record<Stage, number>>
  /** Outcomes that were not stored whole; absent: none. */
  readonly leftOut?: LeftOut
  /** Attempts at each value of the parameters in `escalated`. */
  readonly overrides: readonly OverrideUse[]
}

export interface SummarizeOptions extends Omit<ReportRowsOptions, 'stages'> {
  /** The most groups, the largest first. */
  readonly limit: number
  /** Which failures count; default all. */
  readonly isWanted?: (item: ItemRecord) => boolean
  /** The parameters that retry rules escalate. If there are any, items of SUCCESS are read too. */
  readonly escalated?: readonly string[]
}

/**
 * Counts the stages and groups the failures by cause. Reads every item of FAIL, and of SUCCESS where
 * parameters are escalated, one page in memory at a time.
 */
export async function summarize(
  queue: Queue,
  { limit, isWanted, escalated = [], ...reading }: SummarizeOptions,
): Promise<ReportSummary> {
  const { signal } = reading
  const sizes = await queue.sizes({ ...(signal !== undefined && { signal }) })
  const leftOut = await readLeftOut(queue)
  const groups = new FailureGroups()
  const hours = new OverrideHours(escalated)
  const stages: readonly Stage[] = escalated.length === 0 ? ['FAIL'] : REPORT_STAGES
  for await (const item of reportRows(queue, { ...reading, stages })) {
    hours.add(item)
    if (item.stage === 'FAIL' && (isWanted === undefined || isWanted(item))) groups.add(item)
  }
  const overrides = hours.uses()
  return { sizes, overrides, ...summaryOf(groups, limit), ...(leftOut === undefined ? {} : { leftOut }) }
}
