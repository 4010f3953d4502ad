import { MAX_HISTORY } from '@sluice/core'
import { isPlain } from '../items/item-rows.js'
import type { WantedRow } from '../items/moves.js'
import { texts, uuids } from './parameters.js'
import { STAGE_NUMBERS } from '../schema/tables.js'

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
