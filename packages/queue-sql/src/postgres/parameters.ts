import { MAX_HISTORY } from '@sluice/core'
import { isPlain } from '../items/item-rows.js'
import type { WantedRow } from '../items/moves.js'
import { STAGE_NUMBERS } from '../schema/tables.js'

/*
 * The columns of a batch, each one text that PostgreSQL reads as an array. `pg` makes such texts too, value by value; a whole column at once
 * costs this process a fraction of that. A column without any value is null, which costs nothing at all.
 */

/** Stands between the values of a column while it is quoted. Hardly an id has it; if one has, the values are quoted one by one. */
const SEPARATOR = '\u0001'
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/
/** Of no item: theirs are random, which this is not. */
const NOBODYS_UUID = '00000000-0000-0000-0000-000000000000'

/** Any texts. */
export function texts(values: readonly string[]): string {
  if (values.length === 0) return '{}'
  if (values.some((value) => value.includes(SEPARATOR))) return `{${values.map(quoted).join(',')}}`
  return `{${quoted(values.join(SEPARATOR)).replaceAll(SEPARATOR, '","')}}`
}

/** Any texts, or nulls. */
export function optionalTexts(values: readonly (string | null)[]): string | null {
  if (values.every((value) => value === null)) return null
  return `{${values.map((value) => (value === null ? 'NULL' : quoted(value))).join(',')}}`
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}

/** What needs no quotes: numbers, and uids that are our own. */
export function plain(values: readonly (number | string | null)[]): string | null {
  if (values.every((value) => value === null)) return null
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`
}

/** Uids to compare with: one that isn't a uuid, in the form in which they are given out, is nobody's. */
export function uuids(values: readonly (string | null)[]): string | null {
  return plain(values.map((value) => (value === null || UUID.test(value) ? value : NOBODYS_UUID)))
}

/** JSON texts, in which a line feed is always escaped, joined by line feeds; null is an empty line. */
export function lines(values: readonly (string | null)[]): string | null {
  return values.every((value) => value === null) ? null : values.map((value) => value ?? '').join('\n')
}

/** The statement of a batch whose moves are alike, and its parameters. */
export interface PlainBatch {
  readonly text: 'plain' | 'plainUids'
  readonly parameters: readonly unknown[]
}

/** `undefined` when the moves need columns of their own: another stage or attempt than the first, a reason, a result, details, what a job said. */
export function plainBatch(rows: readonly WantedRow[]): PlainBatch | undefined {
  const [first] = rows
  if (first === undefined || first.stage === STAGE_NUMBERS.WAITING) return undefined
  const { attempt } = first
  // A longer history than is kept is cut by the general statement.
  if (attempt === null || attempt > MAX_HISTORY || !rows.every((row) => isAlike(row, first))) return undefined
  const parameters = [texts(rows.map(({ id }) => id)), rows.length, attempt, first.stage]
  if (first.uid === null) return { text: 'plain', parameters }
  return { text: 'plainUids', parameters: [...parameters, uuids(rows.map(({ uid }) => uid)), 1] }
}

function isAlike(row: WantedRow, first: WantedRow): boolean {
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
