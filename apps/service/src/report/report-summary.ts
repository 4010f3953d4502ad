import type { Queue, Stage } from '@sluice/core'
import { FailureGroups, type FailureGroup } from './failure-groups.js'
import { reportRows } from './report-rows.js'

/** A queue's outcomes at a glance. */
export interface ReportSummary {
  readonly sizes: Readonly<Record<Stage, number>>
  /** The largest groups of failures. */
  readonly failures: readonly FailureGroup[]
  /** How many groups there are in all. */
  readonly failureGroups: number
}

const SHOWN_GROUPS = 20

/** Counts the stages and groups the failures by reason. Reads every item of FAIL, one page in memory at a time. */
export async function summarize(queue: Queue, signal?: AbortSignal): Promise<ReportSummary> {
  const sizes = await queue.sizes()
  const groups = new FailureGroups()
  for await (const item of reportRows(queue, ['FAIL'], signal)) groups.add(item)
  return { sizes, failures: groups.top(SHOWN_GROUPS), failureGroups: groups.size }
}
