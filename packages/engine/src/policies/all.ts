import {
  assertPolicy,
  judge,
  settingsOf,
  stateOf,
  withSettings,
  type DispatchPolicy,
  type DispatchRoom,
} from './dispatch-policy.js'
import { joined } from '../selection/item-selection.js'

/**
 * Each of the policies holds: the least room of any. What holds the queue back is what the part with the
 * least room says; of several, the first.
 *
 * @throws TypeError without a policy
 */
export function all(...policies: readonly DispatchPolicy[]): DispatchPolicy {
  if (policies.length === 0) throw new TypeError('all() needs at least one policy')
  for (const policy of policies) assertPolicy(policy, 'each policy of all()')
  return withSettings(
    (snapshot) => leastOf(policies.map((policy) => judge(policy, snapshot))),
    { policy: 'all', of: policies.map(settingsOf) },
    { state: stateOf(policies), selection: joined(policies.flatMap(({ selection }) => selection ?? [])) },
  )
}

/** Of several with the least room the first: where the limit is reached too, a rate explains nothing. */
function leastOf(rooms: readonly DispatchRoom[]): DispatchRoom {
  return rooms.reduce((least, each) => (each.room < least.room ? each : least))
}
