import type { JobRef, Settlement } from '@sluice/core'
import { failureGroupOf } from '@sluice/core/backend'
import { FIRST_ITEMS } from './breaker-options.js'
import { hashOfJob } from '../records/seen-jobs-format.js'

/**
 * `send`: the worker rejected the item · `start`: its job was accepted, and failed at its start · `first`:
 * any failure of an attempt before the first success of a run.
 */
export type RefusalKind = 'send' | 'start' | 'first'

/** One refusal of one attempt. */
export interface Refusal {
  readonly kind: RefusalKind
  readonly settlement: Settlement & JobRef
  /** Of `start`: when its job ended, by the worker's clock. */
  readonly endedAt?: number
}

/** Refusals of one kind for the same reason, without a success of that kind between them. */
export interface RefusalRow {
  readonly kind: RefusalKind
  /** Id of the failure group: class, exit code and the normalised line of the reason. */
  readonly group: string
  /** That line. */
  readonly reason: string
  /** Id of the item that was refused first. */
  readonly example: string
  /** Of `start`: when the first of its jobs ended, by the worker's clock. */
  readonly sinceAt?: number
  /** Hashes of the refused attempts: one that is noted again after a crash counts once. */
  readonly jobs: readonly string[]
}

/** This many refusals for the same reason pause the queue. */
export const MAX_REFUSALS_IN_ROW = FIRST_ITEMS
/** With more reasons at once, the row that has not grown for longest is dropped. */
const MAX_ROWS = 16

/** Each reason has a row of its own, so that two reasons that alternate do not hide each other. */
export function withRefusal(
  rows: readonly RefusalRow[],
  { kind, settlement, endedAt }: Refusal,
): readonly RefusalRow[] {
  const { id: group, template } = failureGroupOf(settlement)
  const known = rows.find((row) => row.kind === kind && row.group === group)
  const row = known ?? {
    kind,
    group,
    reason: template,
    example: settlement.id,
    jobs: [],
    ...(endedAt === undefined ? {} : { sinceAt: endedAt }),
  }
  const jobs = new Set([...row.jobs, hashOfJob(settlement)])
  const others = rows.filter((other) => other !== known)
  return [...others, { ...row, jobs: [...jobs].slice(0, MAX_REFUSALS_IN_ROW) }].slice(-MAX_ROWS)
}

/** A success ends every row of its kind. */
export function withSuccess(rows: readonly RefusalRow[], kind: RefusalKind): readonly RefusalRow[] {
  return rows.filter((row) => row.kind !== kind)
}

/**
 * A row that pauses the queue. A refusal says more than that all has failed so far.
 *
 * @param most how many failures before the first success do
 */
export function fullRow(rows: readonly RefusalRow[], most: number): RefusalRow | undefined {
  const full = rows.filter(({ kind, jobs }) => jobs.length >= (kind === 'first' ? most : MAX_REFUSALS_IN_ROW))
  return full.find(({ kind }) => kind !== 'first') ?? full[0]
}

/** The reason of a pause by a full row. */
export function refusalText({ kind, reason, jobs }: RefusalRow): string {
  const texts: Readonly<Record<RefusalKind, string>> = {
    send: `${jobs.length} items in a row were rejected for the same reason, and none was accepted in between`,
    start: `${jobs.length} jobs in a row failed as they were started, for the same reason, and none succeeded in between`,
    first: `${jobs.length} of the first items of this run failed for the same reason, and none has succeeded`,
  }
  return `${texts[kind]}: ${reason}`
}
