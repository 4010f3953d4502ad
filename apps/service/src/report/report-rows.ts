import { eachItem, type ItemRecord, type Queue, type Runtime, type Stage } from '@sluice/core'
import { readLeftOut, type LeftOut } from '@sluice/engine'
import { inPages } from '../items/pages.js'
import { FailureGroups } from './failure-groups.js'
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
}

export interface SummarizeOptions extends Omit<ReportRowsOptions, 'stages'> {
  /** The most groups, the largest first. */
  readonly limit: number
  /** Which failures count; default all. */
  readonly isWanted?: (item: ItemRecord) => boolean
}

/**
 * Counts the stages and groups the failures by cause. Reads every item of FAIL, one page in memory at a time.
 */
export async function summarize(
  queue: Queue,
  { limit, isWanted, ...reading }: SummarizeOptions,
): Promise<ReportSummary> {
  const { signal } = reading
  const sizes = await queue.sizes({ ...(signal !== undefined && { signal }) })
  const leftOut = await readLeftOut(queue)
  const groups = new FailureGroups()
  for await (const item of reportRows(queue, { ...reading, stages: ['FAIL'] })) {
    if (isWanted === undefined || isWanted(item)) groups.add(item)
  }
  return { sizes, ...summaryOf(groups, limit), ...(leftOut === undefined ? {} : { leftOut }) }
}
