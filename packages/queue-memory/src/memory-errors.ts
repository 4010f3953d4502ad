import { SluiceError, type CheckedMove, type Lease } from '@sluice/core'
import type { StoredItem } from './stored-item.js'

/** SLUICE_QUEUE_CLOSED. */
export function queueClosed(queue: string): SluiceError {
  return new SluiceError(
    'SLUICE_QUEUE_CLOSED',
    `Queue ${JSON.stringify(queue)} was closed: open it again to go on`,
  )
}

/** SLUICE_QUEUE_CORRUPT. */
export function queueDropped(queue: string): SluiceError {
  return new SluiceError(
    'SLUICE_QUEUE_CORRUPT',
    `Queue ${JSON.stringify(queue)} was dropped while this object had it open. Nothing was changed. Open it again to make a new queue of this name`,
  )
}

/** SLUICE_ITEM_EXISTS. */
export function itemExists(queue: string, item: StoredItem): SluiceError {
  return new SluiceError(
    'SLUICE_ITEM_EXISTS',
    `Cannot put item ${JSON.stringify(item.id)} into queue ${JSON.stringify(queue)}: it is there, in ${item.stage}. ` +
      'Remove it first if it is to be done anew',
    { itemId: item.id },
  )
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
export function stageConflict(item: StoredItem, move: CheckedMove): SluiceError {
  const asked = [
    ...(move.attempt === undefined ? [] : [`attempt ${move.attempt}`]),
    ...(move.uid === undefined ? [] : [`uid ${move.uid}`]),
  ]
  return new SluiceError(
    'SLUICE_STAGE_CONFLICT',
    `Cannot move item ${JSON.stringify(item.id)} to ${move.to}${asked.length > 0 ? ` for ${asked.join(', ')}` : ''}: ` +
      `it is in ${item.stage} at attempt ${item.attempt}, uid ${item.uid}. Look it up before moving it again`,
    { itemId: item.id },
  )
}

/** SLUICE_LEASE_LOST. */
export function leaseLost(queue: string, { name, holder, fencingToken }: Lease): SluiceError {
  return new SluiceError(
    'SLUICE_LEASE_LOST',
    `Queue ${JSON.stringify(queue)}: lease ${JSON.stringify(name)} is no longer held by ${JSON.stringify(holder)} (token ${fencingToken}). ` +
      'Nothing changed. Take the lease again, and read again what was read under it',
  )
}
