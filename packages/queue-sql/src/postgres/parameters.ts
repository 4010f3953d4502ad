import { MAX_HISTORY } from '@sluice/core'
import { isPlain } from '../items/item-rows.js'
import type { WantedRow } from '../items/moves.js'
import { STAGE_NUMBERS } from '../schema/tables.js'

/*
 * The columns of a batch, each one text that PostgreSQL reads as an array. `pg` builds such a text value by
 * value; a whole column at once costs this process a fraction of that. A column without values is null, which
 * costs nothing.
 */

/**
 * Separates the values of a column while it is quoted. If a value contains it, which is rare, the values are
 * quoted one by one.
 */
const SEPARATOR = '\u0001'
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/
/** The uid of no item: uids are random. */
const NO_UUID = '00000000-0000-0000-0000-000000000000'

/** An array of any texts. */
export function textArray(values: readonly string[]): string {
  if (values.length === 0) return '{}'
  if (values.some((value) => value.includes(SEPARATOR))) return `{${values.map(quoted).join(',')}}`
  return `{${quoted(values.join(SEPARATOR)).replaceAll(SEPARATOR, '","')}}`
}

/** An array of any texts or nulls. */
export function optionalTextArray(values: readonly (string | null)[]): string | null {
  if (values.every((value) => value === null)) return null
  return `{${values.map((value) => (value === null ? 'NULL' : quoted(value))).join(',')}}`
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}

/** An array of values that need no quotes: numbers, and uids that Sluice made. */
export function plainArray(values: readonly (number | string | null)[]): string | null {
  if (values.every((value) => value === null)) return null
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`
}

/**
 * An array of uids to compare with. A text that is not a uuid in the form that Sluice writes is the uid of no
 * item.
 */
export function uuidArray(values: readonly (string | null)[]): string | null {
  return plainArray(values.map((value) => (value === null || UUID.test(value) ? value : NO_UUID)))
}

/** JSON texts joined by line feeds, which JSON always escapes; null is an empty line. */
export function jsonLines(values: readonly (string | null)[]): string | null {
  return values.every((value) => value === null) ? null : values.map((value) => value ?? '').join('\n')
}

/** The statement of a batch of uniform moves, and its parameters. */
export interface UniformBatch {
  readonly statement: 'uniform' | 'uniformUids'
  readonly parameters: readonly unknown[]
}

/**
 * `undefined` if the moves need columns: they differ in stage or attempt, or have a reason, a result, details
 * or an outcome of the job.
 */
export function uniformBatch(rows: readonly WantedRow[]): UniformBatch | undefined {
  const [first] = rows
  if (first === undefined || first.stage === STAGE_NUMBERS.WAITING) return undefined
  const { attempt } = first
  // Only the general statement trims a history that is too long.
  if (attempt === null || attempt > MAX_HISTORY || !rows.every((row) => isUniform(row, first)))
    return undefined
  const parameters = [textArray(rows.map(({ id }) => id)), rows.length, attempt, first.stage]
  if (first.uid === null) return { statement: 'uniform', parameters }
  return { statement: 'uniformUids', parameters: [...parameters, uuidArray(rows.map(({ uid }) => uid)), 1] }
}

function isUniform(row: WantedRow, first: WantedRow): boolean {
  return (
    row.stage === first.stage &&
    row.attempt === first.attempt &&
    (row.uid === null) === (first.uid === null) &&
    row.reason === null &&
    row.result === null &&
    row.details === null &&
    isPlain(row)
  )
}

/** The columns of a batch in the order of the statement. */
export function outcomeColumns(rows: readonly WantedRow[]): readonly (string | null)[] {
  return [
    optionalTextArray(rows.map((row) => row.failure_class)),
    plainArray(rows.map((row) => row.exit_code)),
    optionalTextArray(rows.map((row) => row.job_uid)),
  ]
}

export function returnColumns(rows: readonly WantedRow[]): readonly (string | null)[] {
  return [
    plainArray(rows.map((row) => row.unsent)),
    plainArray(rows.map((row) => row.keep_place)),
    jsonLines(rows.map((row) => row.retry_state)),
  ]
}
