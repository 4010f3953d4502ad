import { MAX_PROCESSING_LIMIT, type ControlState } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import type { OpenBreaker } from '../guards/open-breaker.js'
import { roomForClaimed, roomForNew, type Asked } from '../policies/rooms.js'
import type { Holdup, HoldupCode } from './holdup.js'
import type { Tally, TickResult } from '../tick/tick-result.js'

/** The places, as a tick has counted them. */
export type Places = Pick<Tally, 'processing' | 'orphans' | 'pending'>

/** What the control holds back: a live limit only where it, and not the configured one, leaves no room. */
export function controlHoldups(
  asked: Asked & Pick<Tick, 'drain' | 'guards'>,
  places: Places,
  { paused, reason, limits }: ControlState,
): Holdup[] {
  const { drain, guards } = asked
  const { processing, orphans } = places
  const why = reason === undefined ? '' : `: ${reason}`
  const { room, holdup } = roomForNew(asked, { processing, orphans, limits })
  // A policy that says why is no limit of places.
  const isFull = room === 0 && holdup === undefined
  const isLimit = isFull && roomForClaimed(asked, { processing, orphans, limits: {} }) > 0
  return [
    // During a drain the control reads as paused: the drain is the holdup.
    ...(guards.pause === undefined ? [] : [openBreakerHoldup(guards.pause)]),
    ...(paused && !drain && guards.pause === undefined
      ? [{ code: 'paused', message: `the queue is paused${why}` } as const]
      : []),
    ...(drain ? [DRAINING] : []),
    ...(room === 0 && holdup !== undefined ? [holdup] : []),
    ...(paused || room === 0 ? [] : canaryHoldups(guards, processing)),
    ...(isLimit ? [{ code: 'limit', message: limitMessage(asked, limits) } as const] : []),
    ...(isFull && orphans > 0 ? [orphanHoldup(orphans)] : []),
    ...(isFull ? pendingHoldups(places) : []),
  ]
}

/** The holdup of a queue that Sluice itself has paused. */
export function openBreakerHoldup({
  reason,
  sinceAt,
  example,
  group,
  failed,
  halfOpenAt,
}: OpenBreaker): Holdup {
  const facts = [
    ...(example === undefined ? [] : [`such as item ${JSON.stringify(example)}`]),
    ...(group === undefined ? [] : [`failure group ${group}`]),
  ].join(', ')
  const again =
    halfOpenAt === undefined ? '' : `; a few items are tried at ${new Date(halfOpenAt).toISOString()}`
  const message = `Sluice paused the queue itself: ${reason}${facts === '' ? '' : ` (${facts})`}${again}`
  return { code: 'breaker-open', message, sinceAt, ...(failed === undefined ? {} : { items: failed }) }
}

/** The first items of a run are waited for, and nothing else leaves no room. */
function canaryHoldups(guards: Tick['guards'], processing: number): Holdup[] {
  const { room, message } = guards.admission(processing)
  return room === 0 && message !== undefined ? [{ code: 'canary', message }] : []
}

const DRAINING: Holdup = {
  code: 'draining',
  message: 'the dispatching service starts no jobs: it drains the queue',
}

function orphanHoldup(orphans: number): Holdup {
  const jobs =
    orphans === 1 ? 'a job without an item takes a place' : `${orphans} jobs without an item take places`
  return { code: 'orphans', message: `${jobs}, and the limit is reached` }
}

/** Where most places are taken by pending jobs, it is the worker that has no room. */
function pendingHoldups({ processing, pending }: Places): Holdup[] {
  if (pending === 0 || 2 * pending < processing) return []
  const message = 'at least half of the jobs that may run are pending at the worker'
  return [{ code: 'worker-pending', message, items: pending }]
}

/** The most unfinished jobs that policy and live limits allow; `undefined` without a limit. */
export function mostAtOnce(asked: Asked, { limits }: Pick<ControlState, 'limits'>): number | undefined {
  const atMost = roomForClaimed(asked, { processing: 0, orphans: 0, limits })
  return Number.isFinite(atMost) ? atMost : undefined
}

function limitMessage(asked: Asked, limits: ControlState['limits']): string {
  const atMost = mostAtOnce(asked, { limits }) ?? 'all'
  const which =
    limits[MAX_PROCESSING_LIMIT] === undefined
      ? `live limits (${Object.keys(limits).join(', ')})`
      : '`sluice limit`'
  return `at most ${atMost} jobs run at once, set by ${which}`
}

const BY_CONTROL: ReadonlySet<HoldupCode> = new Set([
  'paused',
  'breaker-open',
  'canary',
  'draining',
  'outside-window',
  'rate',
  'machine',
  'limit',
  'orphans',
  'worker-pending',
])

/** Between two ticks: the holdups of the control are current, the others those of the last tick. */
export function holdupsNow(
  tick: Tick,
  last: Places & Pick<TickResult, 'holdups'>,
  control: ControlState,
): Holdup[] {
  return [...controlHoldups(tick, last, control), ...last.holdups.filter(({ code }) => !BY_CONTROL.has(code))]
}

/** What keeps items from being sent, at the end of a tick. */
export function sendHoldups({ sendState, backpressure, polls, runtime, tally, selector }: Tick): Holdup[] {
  const nowMonotonic = runtime.monotonicMs()
  const { capacity, retryAfter, refused } = sendState
  const holdups: Holdup[] = []
  const { poll } = tally
  if (poll !== undefined && !polls.mayStart)
    holdups.push({ code: 'incomplete-poll', message: `no poll was complete yet${because(poll.reason)}` })
  else if (poll?.complete === false)
    holdups.push({
      code: 'incomplete-poll',
      message: `the last poll was not complete${because(poll.reason)}`,
    })
  const forMs = retryAfter.leftMs(nowMonotonic)
  if (forMs > 0) holdups.push({ code: 'backoff', message: retryAfter.message, forMs })
  const pressed = backpressure.holdup(tally.processing + tally.orphans)
  if (pressed !== undefined) holdups.push(pressed)
  else if (capacity.message !== undefined) holdups.push({ code: 'backpressure', message: capacity.message })
  if (selector?.holdup !== undefined) holdups.push(selector.holdup)
  const set = refused.summary(nowMonotonic)
  if (set !== undefined) {
    const { items, example, message } = set
    const whose = items === 1 ? `item ${JSON.stringify(example)}` : `such as item ${JSON.stringify(example)}`
    holdups.push({ code: 'refused-items', message: `${whose}: ${message}`, items })
  }
  return holdups
}

function because(reason: string | undefined): string {
  return reason === undefined ? '' : `: ${reason}`
}
