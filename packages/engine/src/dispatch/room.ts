import type { ControlState } from '@sluice/core'
import type { PassPlaces } from '../backpressure/backpressure.js'
import { roomForClaimed, roomForNew } from '../policies/rooms.js'
import type { Tick } from '../tick/tick.js'
import type { SendPass } from './send-pass.js'

/** How many more jobs may start: the least of what the policy and the worker's pushback allow. */
export function roomNow(tick: Tick, { limits }: Pick<ControlState, 'limits'>): number {
  const { processing, orphans } = tick.tally
  const { room } = roomForNew(tick, { processing, orphans, limits })
  return Math.min(room, tick.backpressure.room(processing + orphans))
}

/** The places at the end of a pass, for backpressure. */
export function placesOf(tick: Tick, pass: SendPass): PassPlaces {
  const { processing, orphans } = tick.tally
  const { limits } = pass.control
  return {
    unfinished: Math.max(0, processing + orphans - pass.withoutJob),
    most: roomForClaimed(tick, { processing: 0, orphans: 0, limits }),
  }
}
