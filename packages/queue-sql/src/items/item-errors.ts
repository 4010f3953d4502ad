import { SluiceError, withStored } from '@sluice/core'
import type { ItemFacts } from './item-reads.js'
import type { PutProgress } from './item-puts.js'
import type { HeldLease, WantedRow } from './moves.js'
import { isOutcomeUnknown } from '../sql-errors.js'
import { stageOf } from '../schema/tables.js'

/** SLUICE_ITEM_EXISTS. */
export function itemExists(queue: string, id: string): SluiceError {
  return new SluiceError(
    'SLUICE_ITEM_EXISTS',
    `Cannot put item ${JSON.stringify(id)} into queue ${JSON.stringify(queue)}: it is there already. ` +
      'Remove it first if it is to be done anew',
    { itemId: id },
  )
}

/** The failure of a put of many, with what it had stored [Q-PUT-3]: the batches before it, and perhaps the one whose answer was lost. */
export function partlyStored(error: unknown, { added, stored, underWay }: PutProgress): unknown {
  const unknown = isOutcomeUnknown(error) ? underWay : 0
  return withStored(error, { added, skipped: stored - added, unknown })
}

/** SLUICE_ITEM_NOT_FOUND. */
export function itemNotFound(queue: string, id: string, attempted: string): SluiceError {
  return new SluiceError(
    'SLUICE_ITEM_NOT_FOUND',
    `Cannot ${attempted} item ${JSON.stringify(id)}: queue ${JSON.stringify(queue)} has none of this id`,
    { itemId: id },
  )
}

/** SLUICE_STAGE_CONFLICT. */
export function stageConflict(item: ItemFacts, wanted: WantedRow): SluiceError {
  const asked = [
    ...(wanted.attempt === null ? [] : [`attempt ${wanted.attempt}`]),
    ...(wanted.uid === null ? [] : [`uid ${wanted.uid.slice(0, 60)}`]),
  ]
  return new SluiceError(
    'SLUICE_STAGE_CONFLICT',
    `Cannot move item ${JSON.stringify(item.id)} to ${stageOf(wanted.stage)}` +
      `${asked.length > 0 ? ` for ${asked.join(', ')}` : ''}: it is in ${stageOf(item.stage)} at attempt ${item.attempt}, ` +
      `uid ${item.uid}. Look it up before moving it again`,
    { itemId: item.id },
  )
}

/** SLUICE_LEASE_LOST. */
export function leaseLost(queue: string, { name, holder, fencingToken }: HeldLease): SluiceError {
  return new SluiceError(
    'SLUICE_LEASE_LOST',
    `Queue ${JSON.stringify(queue)}: lease ${JSON.stringify(name)} is no longer held by ${JSON.stringify(holder)} (token ${fencingToken}). ` +
      'Nothing changed. Take the lease again, and read again what was read under it',
  )
}
