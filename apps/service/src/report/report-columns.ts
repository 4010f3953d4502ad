import { SluiceError, type ItemRecord, type JsonValue } from '@sluice/core'
import { bodyValueAt, failureGroupOf, readBodyPath } from '@sluice/core/backend'

/** A column of a report: its name, and its value for an item. */
export interface ReportColumn {
  readonly name: string
  readonly value: (item: ItemRecord) => JsonValue | undefined
  /** A field of a result, details or body: only the items know which exist. */
  readonly isField?: true
}

/** The default columns. Instants are ISO 8601, of the storage's clock. */
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

/** The names of all columns; result, details and body also take a path, such as `result.sha256`. */
export const REPORT_COLUMNS: readonly string[] = [...STANDARD, ...MORE].map((column) => column.name)

const ROOTS = ['result', 'details', 'body'] as const

/**
 * The columns by name, `id` always first.
 *
 * @param names default: all but group, jobUid, uid, priority and body
 * @throws SluiceError SLUICE_INPUT_INVALID for an unknown name
 */
export function chooseColumns(names?: readonly string[]): readonly ReportColumn[] {
  if (names === undefined) return STANDARD
  return [...new Set(['id', ...names])].map((name) => findColumn(name))
}

function findColumn(name: string): ReportColumn {
  const known = [...STANDARD, ...MORE].find((column) => column.name === name)
  if (known !== undefined) return known
  const root = ROOTS.find((root) => name.startsWith(root))
  const { keys, end } = pathIn(name, root?.length ?? 0)
  if (root === undefined || keys.length === 0 || end < name.length) {
    throw new SluiceError(
      'SLUICE_INPUT_INVALID',
      `Unknown column ${JSON.stringify(name)}: use ${REPORT_COLUMNS.join(', ')}, ` +
        'or a field of result, details or body, such as result.sha256 or body["file.path"]',
    )
  }
  return {
    name,
    isField: true,
    value: (item) => {
      const whole = item[root]
      return whole === undefined ? undefined : bodyValueAt(whole, keys)
    },
  }
}

function pathIn(name: string, from: number): ReturnType<typeof readBodyPath> {
  try {
    return readBodyPath(name, from)
  } catch {
    // An invalid escape in a quoted key: refused as an unknown column.
    return { keys: [], end: from }
  }
}

function iso(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString()
}

/** From the latest claim to the end, including the time in the worker's own queue. */
function durationMs(item: ItemRecord): number | undefined {
  if (item.claimedAt === undefined || item.finishedAt === undefined) return undefined
  return item.finishedAt - item.claimedAt
}
