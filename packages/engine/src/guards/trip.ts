import { FIRST_ITEMS, isFirstRule, isReached, needed, type GuardRule } from './breaker-options.js'
import { endsOf, isWindowFull } from './failure-window.js'
import type { FailureExample, GuardState } from './guard-state.js'
import { fullRow, refusalText } from './refusal-rows.js'

/** Why the breaker opens. */
export interface Trip {
  /** What opens it: see `OpenBreaker`. */
  readonly guard: 'rejections' | 'first-items' | 'failures' | 'new-group' | 'half-open' | 'halt'
  readonly reason: string
  readonly example?: string
  /** Id of the failure group. */
  readonly group?: string
  readonly failed?: number
  readonly ended?: number
}

/** Whether the counts open the breaker; `undefined`: they don't. */
export function tripOf(state: GuardState, rule: GuardRule): Trip | undefined {
  if (state.pause !== undefined) return undefined
  if (!rule.isOff) {
    const trip = rowTrip(state, rule) ?? probeTrip(state) ?? groupTrip(state, rule) ?? windowTrip(state, rule)
    if (trip !== undefined) return trip
  }
  return haltTrip(state, rule)
}

/** Of a canary that is smaller than the row, none may succeed either. */
function rowTrip({ rows }: GuardState, rule: GuardRule): Trip | undefined {
  const { canary = 0 } = rule
  const most = isFirstRule(rule) && canary > 0 ? Math.min(canary, FIRST_ITEMS) : FIRST_ITEMS
  const row = fullRow(rows, most)
  if (row === undefined) return undefined
  const { kind, example, group, jobs } = row
  const guard = kind === 'first' ? 'first-items' : 'rejections'
  return { guard, reason: refusalText(row), example, group, failed: jobs.length }
}

function probeTrip({ probe, latest }: GuardState): Trip | undefined {
  if (probe?.hasFailed !== true) return undefined
  return { guard: 'half-open', reason: `an item that was tried failed too${because(latest)}`, ...of(latest) }
}

function groupTrip({ groups }: GuardState, { groupFailures, groupWindowMs }: GuardRule): Trip | undefined {
  const full = groups.fresh.find(({ failed }) => groupFailures !== undefined && failed >= groupFailures)
  if (full === undefined) return undefined
  const { id: group, reason, example, failed } = full
  const text = `a new failure occurred ${failed} times within ${groupWindowMs / 1_000} s: ${reason}`
  return { guard: 'new-group', reason: text, example, group, failed }
}

function windowTrip(state: GuardState, rule: GuardRule): Trip | undefined {
  const { failures, canary = 0, windowMs } = rule
  const { run, window, latest } = state
  if (failures === undefined) return undefined
  const isCanary = canary > 0 && 'share' in failures && run.ended <= canary
  const isFull = isWindowFull(window, failures, rule)
  if (!isFull && !(isCanary && run.failed >= needed(failures.share, canary))) return undefined
  const { failed, ended } = endsOf(window)
  const spanned = windowMs === undefined ? '' : ` of the last ${windowMs / 1_000} s`
  const limit = 'share' in failures ? failures.text : String(failures.count)
  const reason = `${failed} of the last ${ended} attempts${spanned} failed; breaker.failures is ${limit}${because(latest)}`
  return { guard: 'failures', reason, ...of(latest), failed, ended }
}

function haltTrip({ halt, latest }: GuardState, rule: GuardRule): Trip | undefined {
  if (rule.halt === undefined || halt === undefined || !isReached(rule.halt, halt)) return undefined
  const { failed, ended } = halt
  const limit = 'share' in rule.halt ? rule.halt.text : String(rule.halt.count)
  const reason = `${failed} of ${ended} items of this run failed, and it halts at ${limit}${because(latest)}`
  return { guard: 'halt', reason, ...of(latest), failed, ended }
}

function because(latest: FailureExample | undefined): string {
  return latest === undefined ? '' : `; the latest failure: ${latest.reason}`
}

function of(latest: FailureExample | undefined): Pick<Trip, 'example' | 'group'> {
  return latest === undefined ? {} : { example: latest.example, group: latest.group }
}
