import type { JsonValue } from '@sluice/core'
import { packJobs, unpackJobs } from '../records/seen-jobs-format.js'
import type { RefusalRow } from './refusal-rows.js'
import type { SelfPause } from './self-pause.js'

/** A pause as it is stored. */
export interface StoredPause extends SelfPause {
  /**
   * The queue was paused after this was written. `false`: the engine may have died in between, and the next
   * one pauses the queue.
   */
  readonly isApplied: boolean
}

/** The durable state of the guards. */
export interface GuardState {
  readonly rows: readonly RefusalRow[]
  readonly pause?: StoredPause
}

export const NO_GUARDS: GuardState = { rows: [] }

export function guardsToJson({ rows, pause }: GuardState): JsonValue {
  return {
    format: 1,
    rows: rows.map(({ jobs, ...row }) => ({ ...row, refused: packJobs(jobs) })),
    ...(pause === undefined ? {} : { pause: { ...pause } }),
  }
}

/** The state in a document, as far as it can be read: another version may have written it. */
export function parseGuards(value: JsonValue | undefined): GuardState {
  if (!isRecord(value)) return NO_GUARDS
  const { rows, pause } = value
  const known = parsePause(pause)
  return {
    rows: Array.isArray(rows) ? rows.flatMap(parseRow) : [],
    ...(known === undefined ? {} : { pause: known }),
  }
}

function parseRow(value: unknown): RefusalRow[] {
  if (!isRecord(value)) return []
  const { kind, group, reason, example, refused, sinceAt } = value
  if ((kind !== 'send' && kind !== 'start') || !isText(group) || !isText(reason) || !isText(example))
    return []
  const jobs = unpackJobs(refused ?? null)
  if (jobs === undefined) return []
  const began = typeof sinceAt === 'number' ? { sinceAt } : {}
  return [{ kind, group, reason, example, ...began, jobs: [...jobs] }]
}

function parsePause(value: JsonValue | undefined): StoredPause | undefined {
  if (!isRecord(value)) return undefined
  const { guard, reason, sinceAt, example, isApplied } = value
  if (!isText(guard) || !isText(reason) || typeof sinceAt !== 'number') return undefined
  return {
    guard,
    reason,
    sinceAt,
    ...(isText(example) ? { example } : {}),
    isApplied: isApplied === true,
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}
