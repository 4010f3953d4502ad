import type { JsonValue } from '@sluice/core'
import { packJobs, unpackJobs } from '../records/seen-jobs-format.js'
import { NO_GROUPS, type FailureGroups, type NewGroup } from './failure-groups.js'
import type { EndRun } from './failure-window.js'
import { NO_GUARDS, NO_RUN, type GuardState, type RunCounts } from './guard-state.js'
import type { StoredPause } from './open-breaker.js'
import type { RefusalKind, RefusalRow } from './refusal-rows.js'

/**
 * More attempts end in one tick only where hundreds of thousands of jobs run: then a crash may count some
 * twice.
 */
const MAX_COUNTED = 20_000

export function guardsToJson({ rows, pause, counted, run, window, groups, ...state }: GuardState): JsonValue {
  const { known, fresh } = groups
  return {
    format: 2,
    rows: rows.map(({ jobs, ...row }) => ({ ...row, refused: packJobs(jobs) })),
    ...(pause === undefined ? {} : { pause: { ...pause } }),
    ...(isWorthStoring(run) ? { run: { ...run } } : {}),
    ...(window.length === 0 ? {} : { window: window.map(signedCount) }),
    ...(known.length + fresh.length === 0 ? {} : { groups: { known: [...known], fresh: fresh.map(copy) } }),
    ...(state.latest === undefined ? {} : { latest: { ...state.latest } }),
    ...(state.probe === undefined ? {} : { probe: { ...state.probe } }),
    ...(state.halt === undefined ? {} : { halt: { ...state.halt } }),
    ...(counted.size === 0 ? {} : { counted: packJobs([...counted].slice(-MAX_COUNTED)) }),
  }
}

/** Attempts that are counted matter only together with what they are counted in. */
export function isSame(one: GuardState, other: GuardState): boolean {
  return comparable(one) === comparable(other)
}

function comparable(state: GuardState): string {
  return JSON.stringify(guardsToJson({ ...state, counted: NO_GUARDS.counted }))
}

/** In a run without a failure nothing is stored: a restart begins it again. */
function isWorthStoring({ hasFailed, ended, isResumed }: RunCounts): boolean {
  return hasFailed || ended > 0 || isResumed
}

/** Failures are below zero. */
function signedCount({ at, count, isFailure }: EndRun): JsonValue {
  return [at, isFailure ? -count : count]
}

function copy(group: NewGroup): JsonValue {
  return { ...group }
}

/** The state in a document, as far as it can be read: another version may have written it. */
export function parseGuards(value: JsonValue | undefined): GuardState {
  if (!isRecord(value)) return NO_GUARDS
  const { rows, window } = value
  const [pause, latest] = [parsePause(value['pause']), parseLatest(value['latest'])]
  const [probe, halt] = [parseProbe(value['probe']), parseHalt(value['halt'])]
  return {
    rows: Array.isArray(rows) ? rows.flatMap(parseRow) : [],
    counted: unpackJobs(value['counted'] ?? null) ?? NO_GUARDS.counted,
    run: parseRun(value['run']),
    window: Array.isArray(window) ? window.flatMap(parseEnds) : [],
    groups: parseGroups(value['groups']),
    ...(pause === undefined ? {} : { pause }),
    ...(latest === undefined ? {} : { latest }),
    ...(probe === undefined ? {} : { probe }),
    ...(halt === undefined ? {} : { halt }),
  }
}

const KINDS: readonly RefusalKind[] = ['send', 'start', 'first']

function parseRow(value: unknown): RefusalRow[] {
  if (!isRecord(value)) return []
  const { group, reason, example, refused, sinceAt } = value
  const kind = KINDS.find((known) => known === value['kind'])
  if (kind === undefined || !isText(group) || !isText(reason) || !isText(example)) return []
  const jobs = unpackJobs(refused ?? null)
  if (jobs === undefined) return []
  const began = typeof sinceAt === 'number' ? { sinceAt } : {}
  return [{ kind, group, reason, example, ...began, jobs: [...jobs] }]
}

function parsePause(value: JsonValue | undefined): StoredPause | undefined {
  if (!isRecord(value)) return undefined
  const { guard, reason, sinceAt, example, group, failed, ended, halfOpenAt, isApplied } = value
  if (!isText(guard) || !isText(reason) || !isCount(sinceAt)) return undefined
  return {
    guard,
    reason,
    sinceAt,
    ...(isText(example) ? { example } : {}),
    ...(isText(group) ? { group } : {}),
    ...(isCount(failed) ? { failed } : {}),
    ...(isCount(ended) ? { ended } : {}),
    ...(isCount(halfOpenAt) ? { halfOpenAt } : {}),
    isApplied: isApplied === true,
  }
}

function parseRun(value: JsonValue | undefined): RunCounts {
  if (!isRecord(value)) return NO_RUN
  const { hasSucceeded, hasFailed, ended, failed, isResumed } = value
  return {
    hasSucceeded: hasSucceeded === true,
    hasFailed: hasFailed === true,
    ended: isCount(ended) ? ended : 0,
    failed: isCount(failed) ? failed : 0,
    isResumed: isResumed === true,
  }
}

function parseEnds(value: JsonValue): EndRun[] {
  const [at, count] = Array.isArray(value) ? value : []
  if (!isCount(at) || typeof count !== 'number' || !Number.isSafeInteger(count) || count === 0) return []
  return [{ at, count: Math.abs(count), isFailure: count < 0 }]
}

function parseGroups(value: JsonValue | undefined): FailureGroups {
  if (!isRecord(value)) return NO_GROUPS
  const { known, fresh } = value
  return {
    known: Array.isArray(known) ? known.filter(isText) : [],
    fresh: Array.isArray(fresh) ? fresh.flatMap(parseGroup) : [],
  }
}

function parseGroup(value: JsonValue): NewGroup[] {
  if (!isRecord(value)) return []
  const { id, reason, example, sinceAt, failed } = value
  if (!isText(id) || !isText(reason) || !isText(example) || !isCount(sinceAt) || !isCount(failed)) return []
  return [{ id, reason, example, sinceAt, failed }]
}

function parseLatest(value: JsonValue | undefined): GuardState['latest'] {
  if (!isRecord(value)) return undefined
  const { group, reason, example } = value
  return isText(group) && isText(reason) && isText(example) ? { group, reason, example } : undefined
}

function parseProbe(value: JsonValue | undefined): GuardState['probe'] {
  if (!isRecord(value)) return undefined
  const { ended, hasFailed } = value
  return isCount(ended) ? { ended, hasFailed: hasFailed === true } : undefined
}

function parseHalt(value: JsonValue | undefined): GuardState['halt'] {
  if (!isRecord(value)) return undefined
  const { holder, ended, failed } = value
  return isText(holder) && isCount(ended) && isCount(failed) ? { holder, ended, failed } : undefined
}

function isRecord(value: unknown): value is Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0
}
