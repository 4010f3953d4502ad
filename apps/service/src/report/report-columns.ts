import { SluiceError, failureGroupOf, type ItemRecord, type JsonValue } from '@sluice/core'

/** One column of a report: its name, and what it says of an item. */
export interface ReportColumn {
  readonly name: string
  readonly value: (item: ItemRecord) => JsonValue | undefined
}

/** What a report says of an item when nobody chooses. Instants are ISO 8601, of the storage's clock. */
const STANDARD: readonly ReportColumn[] = [
  { name: 'id', value: (item) => item.id },
  { name: 'stage', value: (item) => item.stage },
  { name: 'attempt', value: (item) => item.attempt },
  { name: 'putAt', value: (item) => iso(item.putAt) },
  { name: 'claimedAt', value: (item) => iso(item.claimedAt) },
  { name: 'finishedAt', value: (item) => iso(item.finishedAt) },
  { name: 'durationMs', value: durationMs },
  { name: 'reason', value: (item) => (item.stage === 'FAIL' ? item.reason : undefined) },
  { name: 'failureClass', value: (item) => (item.stage === 'FAIL' ? item.failureClass : undefined) },
  { name: 'exitCode', value: (item) => item.exitCode },
  { name: 'result', value: (item) => item.result },
  { name: 'details', value: (item) => item.details },
]

const MORE: readonly ReportColumn[] = [
  { name: 'group', value: (item) => (item.stage === 'FAIL' ? failureGroupOf(item).id : undefined) },
  { name: 'jobUid', value: (item) => item.jobUid },
  { name: 'uid', value: (item) => item.uid },
  { name: 'priority', value: (item) => item.priority },
  { name: 'body', value: (item) => item.body },
]

/** The names that a report knows; result, details and body also with a path, such as `result.sha256`. */
export const REPORT_COLUMNS: readonly string[] = [...STANDARD, ...MORE].map((column) => column.name)

const ROOTS = ['result', 'details', 'body'] as const

/**
 * The columns by their names, `id` always first.
 *
 * @param names default: all but group, jobUid, uid, priority and body
 * @throws SluiceError SLUICE_INPUT_INVALID for a name that no report has
 */
export function chooseColumns(names?: readonly string[]): readonly ReportColumn[] {
  if (names === undefined) return STANDARD
  return [...new Set(['id', ...names])].map((name) => findColumn(name))
}

function findColumn(name: string): ReportColumn {
  const known = [...STANDARD, ...MORE].find((column) => column.name === name)
  if (known !== undefined) return known
  const root = ROOTS.find((root) => name.startsWith(`${root}.`))
  if (root === undefined) {
    throw new SluiceError(
      'SLUICE_INPUT_INVALID',
      `There is no column ${JSON.stringify(name)}: choose of ${REPORT_COLUMNS.join(', ')}, ` +
        'or a field of result, details or body, such as result.sha256',
    )
  }
  const path = name.slice(root.length + 1).split('.')
  return { name, value: (item) => fieldAt(item[root], path) }
}

function fieldAt(value: JsonValue | undefined, path: readonly string[]): JsonValue | undefined {
  let at: JsonValue | undefined = value
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined
    at = new Map<string, JsonValue>(Object.entries(at)).get(step)
  }
  return at
}

function iso(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString()
}

/** From the latest claim to the end, so the time in the worker's own queue is part of it. */
function durationMs(item: ItemRecord): number | undefined {
  if (item.claimedAt === undefined || item.finishedAt === undefined) return undefined
  return item.finishedAt - item.claimedAt
}
