import type { Runtime } from '@sluice/core'
import type { ClaimLog } from '../records/claim-log.js'
import { judge, roomIn, type DispatchPolicy, type DispatchRoom } from './dispatch-policy.js'

/** What a policy is asked with. */
export interface Asked {
  readonly policy: DispatchPolicy
  readonly runtime: Pick<Runtime, 'now'>
  readonly claimLog?: ClaimLog
}

/** The places that are taken, and the live limits. */
export interface TakenPlaces {
  readonly processing: number
  readonly orphans: number
  readonly limits: Readonly<Record<string, number>>
}

/** How many new items may be claimed, and why none. */
export function roomForNew({ policy, runtime, claimLog }: Asked, places: TakenPlaces): DispatchRoom {
  const nowAt = runtime.now()
  return judge(policy, claimLog === undefined ? { ...places, nowAt } : { ...places, nowAt, claims: claimLog })
}

/**
 * How many of the items that are claimed may start: policies that limit claims have counted them.
 */
export function roomForClaimed({ policy, runtime }: Asked, places: TakenPlaces): number {
  return roomIn(policy, { ...places, nowAt: runtime.now() })
}
