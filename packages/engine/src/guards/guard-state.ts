import type { JobRef, Settlement } from '@sluice/core'
import { failureGroupOf } from '@sluice/core/backend'
import { hashOfJob } from '../records/seen-jobs-format.js'
import { isCounting, isFirstRule, type GuardRule } from './breaker-options.js'
import { NO_GROUPS, allKnown, withGroupFailure, type FailureGroups } from './failure-groups.js'
import { withEnd, type EndRun } from './failure-window.js'
import type { StoredPause } from './open-breaker.js'
import { withRefusal, withSuccess, type RefusalRow } from './refusal-rows.js'
import { tripOf } from './trip.js'

/** The durable state of the guards. */
export interface GuardState {
  readonly rows: readonly RefusalRow[]
  readonly pause?: StoredPause
  /**
   * Hashes of attempts in PROCESSING that do not count again: their ends were counted before a crash, or they
   * began before the run.
   */
  readonly counted: ReadonlySet<string>
  readonly run: RunCounts
  readonly window: readonly EndRun[]
  readonly groups: FailureGroups
  /** The latest failure that counted, as an example. */
  readonly latest?: FailureExample
  /** A few items are tried after the breaker was open. */
  readonly probe?: Probe
  readonly halt?: HaltCounts
}

/** The ends since a put into an empty queue, or a resume. */
export interface RunCounts {
  readonly hasSucceeded: boolean
  readonly hasFailed: boolean
  /** As far as a canary or a window still waits for them. */
  readonly ended: number
  readonly failed: number
  /** A command has resumed the queue: the attempts in PROCESSING began before the run. */
  readonly isResumed: boolean
}

export interface FailureExample {
  readonly group: string
  readonly reason: string
  readonly example: string
}

export interface Probe {
  readonly ended: number
  readonly hasFailed: boolean
}

/** Items that came to their ends since the engine of this holder began. */
export interface HaltCounts {
  readonly holder: string
  readonly ended: number
  readonly failed: number
}

/** An attempt has ended. */
export interface AttemptEnd {
  readonly settlement: Settlement & JobRef
  /** By the worker's clock. */
  readonly endedAt?: number
}

export const NO_RUN: RunCounts = {
  hasSucceeded: false,
  hasFailed: false,
  ended: 0,
  failed: 0,
  isResumed: false,
}

export const NO_GUARDS: GuardState = {
  rows: [],
  counted: new Set(),
  run: NO_RUN,
  window: [],
  groups: NO_GROUPS,
}

/** What the ends are counted with. */
export interface Counting {
  readonly rule: GuardRule
  readonly holder: string
  /** Epoch ms of the storage's clock. */
  readonly now: number
}

/** In the order of their ends; at the same instant, and where that is unknown, a success comes first. */
export function withEnds(state: GuardState, ends: readonly AttemptEnd[], counting: Counting): GuardState {
  const { rule } = counting
  const isNeeded = isCounting(rule) || state.probe !== undefined
  const isQuiet = state.run.hasSucceeded && (state.run.hasFailed || !ends.some(isFailure))
  if (ends.length === 0 || (!isNeeded && isQuiet)) return state
  const counted = new Set(state.counted)
  let next: GuardState = { ...state, counted }
  for (const end of inOrder(ends)) {
    if (next.pause !== undefined || tripOf(next, rule) !== undefined) break
    const hash = isNeeded || counted.size > 0 ? hashOfJob(end.settlement) : undefined
    if (hash !== undefined && counted.has(hash)) continue
    if (hash !== undefined && isNeeded) counted.add(hash)
    next = withOne(next, end, counting)
  }
  return next
}

function withOne(state: GuardState, end: AttemptEnd, counting: Counting): GuardState {
  const { rule, now } = counting
  const hasFailed = isFailure(end)
  const next: GuardState = {
    ...state,
    run: runWith(state.run, hasFailed, rule),
    ...(rule.halt === undefined ? {} : { halt: haltWith(state.halt, end, counting.holder) }),
    ...(state.probe === undefined ? {} : { probe: probeWith(state.probe, hasFailed) }),
    ...(rule.failures === undefined
      ? {}
      : { window: withEnd(state.window, { at: now, isFailure: hasFailed }, rule) }),
  }
  if (!hasFailed) return { ...next, rows: withSuccess(next.rows, 'first') }
  return withFailure(next, end, counting)
}

function withFailure(state: GuardState, { settlement }: AttemptEnd, { rule, now }: Counting): GuardState {
  // A body that does not fit the schema says nothing of the worker.
  const isOfWorker = settlement.failureClass !== 'invalid-body'
  const isFirst = isFirstRule(rule) && !state.run.hasSucceeded && isOfWorker
  const rows = isFirst ? withRefusal(state.rows, { kind: 'first', settlement }) : state.rows
  if (!isCounting(rule) && state.probe === undefined) return { ...state, rows }
  const { id: group, template: reason } = failureGroupOf(settlement)
  const latest = { group, reason, example: settlement.id }
  const groups =
    rule.groupFailures === undefined
      ? state.groups
      : withGroupFailure(
          state.groups,
          { id: group, reason, example: settlement.id, at: now },
          rule.groupWindowMs,
        )
  return { ...state, rows, latest, groups }
}

/** Counts on only as long as something waits for it. */
function runWith(run: RunCounts, hasFailed: boolean, rule: GuardRule): RunCounts {
  const enough = Math.max(rule.canary ?? 0, rule.failures === undefined ? 0 : (rule.window ?? rule.minItems))
  const isOpen = run.ended < enough
  return {
    ...run,
    hasSucceeded: run.hasSucceeded || !hasFailed,
    hasFailed: run.hasFailed || hasFailed,
    ended: isOpen ? run.ended + 1 : run.ended,
    failed: isOpen && hasFailed ? run.failed + 1 : run.failed,
  }
}

function haltWith(before: HaltCounts | undefined, { settlement }: AttemptEnd, holder: string): HaltCounts {
  const counts = before?.holder === holder ? before : { holder, ended: 0, failed: 0 }
  // Tried again: only the item's end counts.
  if (settlement.stage === 'WAITING') return counts
  const failed = settlement.stage === 'FAIL' ? 1 : 0
  return { holder, ended: counts.ended + 1, failed: counts.failed + failed }
}

function probeWith(probe: Probe, hasFailed: boolean): Probe {
  return { ...probe, ended: probe.ended + 1, hasFailed: probe.hasFailed || hasFailed }
}

function isFailure({ settlement }: AttemptEnd): boolean {
  return settlement.stage !== 'SUCCESS'
}

function inOrder(ends: readonly AttemptEnd[]): readonly AttemptEnd[] {
  if (ends.length < 2) return ends
  const isDated = ends.every(({ endedAt }) => endedAt !== undefined)
  return ends.toSorted(
    (one, other) =>
      (isDated ? (one.endedAt ?? 0) - (other.endedAt ?? 0) : 0) ||
      Number(isFailure(one)) - Number(isFailure(other)),
  )
}

/** A new run after a put into an empty queue. Refusals in a row and the window go on. */
export function withNextRun(state: GuardState): GuardState {
  return { ...state, rows: withSuccess(state.rows, 'first'), run: NO_RUN, counted: new Set() }
}

/**
 * A new run after a resume.
 *
 * @param before hashes of the attempts in PROCESSING, whose ends are not of this run
 */
export function withResume({ groups }: GuardState, before: ReadonlySet<string>): GuardState {
  return { ...NO_GUARDS, groups: allKnown(groups), counted: before }
}

/** The breaker is half open: a few items are tried. */
export function withProbe(state: GuardState, before: ReadonlySet<string>): GuardState {
  return {
    ...withResume(state, before),
    probe: { ended: 0, hasFailed: false },
  }
}

/** The queue is paused: the counts start again once it is resumed. */
export function withPause({ groups, halt }: GuardState, pause: StoredPause): GuardState {
  return { ...NO_GUARDS, groups, ...(halt === undefined ? {} : { halt }), pause }
}
