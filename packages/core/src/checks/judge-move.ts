import type { AttemptRecord } from '../items/item.js'
import type { Stage } from '../items/stage.js'

/** What a backend knows of an item when it is asked to move it out of PROCESSING. */
export interface MovedItem {
  readonly stage: Stage
  readonly attempt: number
  readonly uid: string
  /** How the latest attempt ended, if it has ended. */
  readonly lastOutcome?: AttemptRecord['outcome'] | undefined
}

export interface WantedMove {
  /** Left out: whatever the item's attempt is. */
  readonly attempt?: number | undefined
  readonly uid?: string | undefined
  readonly to: 'SUCCESS' | 'FAIL' | 'WAITING'
}

/**
 * Whether a `success`, `fail` or `release` is to be done, was done already, or is refused and why: the same
 * table in every backend.
 *
 * A repeat is known by the item still being where the move left it, at the attempt that it moved [Q-MOVE-2].
 * An item that was requeued manually is WAITING too, but its latest attempt ended otherwise: a late `release`
 * of it is refused [Q-MOVE-1].
 */
export function judgeMove(
  item: MovedItem,
  wanted: WantedMove,
): 'move' | 'repeat' | 'wrong-stage' | 'not-current' {
  if (wanted.uid !== undefined && wanted.uid !== item.uid) return 'not-current'
  if (wanted.attempt !== undefined && wanted.attempt !== item.attempt) return 'not-current'
  if (item.stage === 'PROCESSING') return 'move'
  return item.stage === wanted.to && item.lastOutcome === wanted.to ? 'repeat' : 'wrong-stage'
}
