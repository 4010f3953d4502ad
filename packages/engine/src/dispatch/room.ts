import type { ControlState } from '@sluice/core'
import type { PassPlaces } from '../backpressure/backpressure.js'
import { roomIn } from '../policies/dispatch-policy.js'
import type { Tick } from '../tick/tick.js'
import type { SendPass } from './send-pass.js'

/** How many more jobs may start: the least of what the policy and the worker's pushback allow. */
export function roomNow(
  { policy, backpressure, tally: { processing, orphans } }: Tick,
  { limits }: Pick<ControlState, 'limits'>,
): number {
  return Math.min(roomIn(policy, { processing, orphans, limits }), backpressure.room(processing + orphans))
}

/** The places at the end of a pass, for backpressure. */
export function placesOf({ policy, tally: { processing, orphans } }: Tick, pass: SendPass): PassPlaces {
  const { limits } = pass.control
  return {
    unfinished: Math.max(0, processing + orphans - pass.withoutJob),
    most: roomIn(policy, { processing: 0, orphans: 0, limits }),
  }
}
