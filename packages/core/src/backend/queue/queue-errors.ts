import type { CheckedMove } from '../../checks/checked-move.js'
import { SluiceError } from '../../errors.js'
import type { Lease } from '../../items/lease.js'
import type { MoveRefusal, PutRefusal } from './queue-backend.js'

/** SLUICE_QUEUE_CLOSED. */
export function queueClosed(queue: string): SluiceError {
  return new SluiceError(
    'SLUICE_QUEUE_CLOSED',
    `Queue ${JSON.stringify(queue)} was closed: open it again to go on`,
  )
}

/** SLUICE_ITEM_EXISTS. */
export function itemExists(queue: string, id: string, { stage }: PutRefusal): SluiceError {
  const where = stage === undefined ? 'it is there already' : `it is there, in ${stage}`
  return new SluiceError(
    'SLUICE_ITEM_EXISTS',
    `Cannot put item ${JSON.stringify(id)} into queue ${JSON.stringify(queue)}: ${where}. Remove it first to run it again`,
    { itemId: id },
  )
}

/** SLUICE_ITEM_NOT_FOUND. */
export function itemNotFound(queue: string, id: string, attempted: string): SluiceError {
  return new SluiceError(
    'SLUICE_ITEM_NOT_FOUND',
    `Cannot ${attempted} item ${JSON.stringify(id)}: queue ${JSON.stringify(queue)} has no item of this id`,
    { itemId: id },
  )
}

/** SLUICE_ITEM_NOT_FOUND or SLUICE_STAGE_CONFLICT, for a move that was refused. */
export function moveRefused(queue: string, move: CheckedMove, { reason, item }: MoveRefusal): SluiceError {
  const { id, to, attempt, uid } = move
  if (reason === 'not-found') return itemNotFound(queue, id, `move to ${to}`)
  const asked = [
    ...(attempt === undefined ? [] : [`attempt ${attempt}`]),
    ...(uid === undefined ? [] : [`uid ${uid.slice(0, 60)}`]),
  ]
  const found =
    item === undefined
      ? `it is elsewhere, or at another attempt`
      : `it is in ${item.stage} at attempt ${item.attempt}, uid ${item.uid}`
  return new SluiceError(
    'SLUICE_STAGE_CONFLICT',
    `Cannot move item ${JSON.stringify(id)} to ${to}${asked.length > 0 ? ` for ${asked.join(', ')}` : ''}: ${found}. ` +
      'Look it up before moving it again',
    { itemId: id },
  )
}

/** SLUICE_LEASE_LOST. */
export function leaseLost(queue: string, { name, holder, fencingToken }: Lease): SluiceError {
  return new SluiceError(
    'SLUICE_LEASE_LOST',
    `Queue ${JSON.stringify(queue)}: lease ${JSON.stringify(name)} is no longer held by ${JSON.stringify(holder)} (fencing token ${fencingToken}). ` +
      'Nothing was claimed or changed under it. Take the lease again, and read again what was read under it',
  )
}
