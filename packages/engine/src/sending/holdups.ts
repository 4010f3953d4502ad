import { MAX_PROCESSING_LIMIT, type ControlState } from '@sluice/core'
import type { Engine } from '../engine.js'
import { roomIn } from '../release-policy.js'
import type { Holdup, Tally } from '../tick-result.js'

/** What operators hold the queue back with: a live limit only where it, and not the configured one, leaves no room. */
export function controlHoldups(
  { policy }: Pick<Engine, 'policy'>,
  { processing, orphans }: Pick<Tally, 'processing' | 'orphans'>,
  { paused, reason, limits }: ControlState,
): Holdup[] {
  const why = reason === undefined ? '' : `: ${reason}`
  const isFull = roomIn(policy, { processing, orphans, limits }) === 0
  const isLimit = isFull && roomIn(policy, { processing, orphans, limits: {} }) > 0
  return [
    ...(paused ? [{ kind: 'paused', message: `the queue is paused${why}` } as const] : []),
    ...(isLimit ? [{ kind: 'limit', message: limitMessage(policy, limits) } as const] : []),
  ]
}

function limitMessage(policy: Engine['policy'], limits: ControlState['limits']): string {
  const atMost = roomIn(policy, { processing: 0, orphans: 0, limits })
  const limit = limits[MAX_PROCESSING_LIMIT]
  const which =
    limit === undefined
      ? `the live limits (${Object.keys(limits).join(', ')})`
      : `the live limit ${MAX_PROCESSING_LIMIT}`
  return `${which}: at most ${atMost} jobs run`
}

/** What else keeps items from starting, at the end of a tick. */
export function sendHoldups({ sendState, polls, clock }: Engine, tally: Tally): Holdup[] {
  const nowMs = clock.monotonicMs()
  const { capacity, leaveAlone, refused } = sendState
  const holdups: Holdup[] = []
  const { poll } = tally
  if (poll !== undefined && !polls.mayStart)
    holdups.push({ kind: 'poll', message: `no poll was complete yet${because(poll.reason)}` })
  else if (poll?.complete === false)
    holdups.push({ kind: 'poll', message: `the last poll was not complete${because(poll.reason)}` })
  const forMs = leaveAlone.leftMs(nowMs)
  if (forMs > 0) holdups.push({ kind: 'retry-after', message: leaveAlone.message, forMs })
  if (capacity.message !== undefined) holdups.push({ kind: 'capacity', message: capacity.message })
  const set = refused.summary(nowMs)
  if (set !== undefined) {
    const { items, example, message } = set
    const whose = items === 1 ? `item ${JSON.stringify(example)}` : `such as item ${JSON.stringify(example)}`
    holdups.push({ kind: 'refused-items', message: `${whose}: ${message}`, items })
  }
  return holdups
}

function because(reason: string | undefined): string {
  return reason === undefined ? '' : `: ${reason}`
}
