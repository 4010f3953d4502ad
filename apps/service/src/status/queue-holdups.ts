import { isSluiceError, type Queue, type QueueItem, type Stage } from '@sluice/core'
import { holdupsInOrder, selfPauseHoldup, type Holdup, type HoldupCode, type SelfPause } from '@sluice/engine'
import { itemsText, plural } from '../output/amounts.js'
import type { DispatcherFacts, ServiceState } from './service-state.js'
import { spanText } from '../output/amounts.js'

/** With one of these no job starts, or no end is seen: an ETA would be made up. */
const BLOCKING: ReadonlySet<HoldupCode> = new Set([
  'no-dispatcher',
  'storage-unavailable',
  'storage-denied',
  'worker-unavailable',
  'worker-denied',
  'backoff',
  'paused',
  'self-paused',
  'draining',
  'nothing-due',
])

/** A healthy queue has these too. */
const NORMAL: ReadonlySet<HoldupCode> = new Set(['nothing-waiting'])

/** The facts that a reader of the queue has. */
export interface QueueFacts extends DispatcherFacts {
  readonly sizes: Readonly<Record<Stage, number>>
  readonly paused: boolean
  readonly pausedAt?: number | undefined
  readonly reason?: string | undefined
  /** Sluice itself paused the queue. */
  readonly selfPause?: SelfPause | undefined
  /** The item that would be claimed first, if one is due; `undefined`: unknown. */
  readonly next: readonly QueueItem[] | undefined
  /** The live limit, if one is set. */
  readonly liveLimit: number | undefined
}

/**
 * All that holds a queue back, in the order of `HOLDUP_CODES`: what the dispatcher last reported, and what
 * this reader sees.
 *
 * @throws SluiceError of the queue
 */
export async function queueHoldups(queue: Pick<Queue, 'list' | 'now'>, facts: QueueFacts): Promise<Holdup[]> {
  const { sizes, service } = facts
  if (sizes.WAITING + sizes.PROCESSING === 0)
    return facts.selfPause === undefined ? [] : [selfPauseHoldup(facts.selfPause)]
  const isAtWork = service.state === 'dispatching'
  const seen = [
    ...(isAtWork ? silentDispatcher(facts) : [noDispatcher(service)]),
    ...pauseOf(facts),
    ...(sizes.WAITING === 0 ? [NOTHING_WAITING] : await nothingDue(queue, facts)),
    ...fullOf(facts),
  ]
  const reported = reportedIn(facts)
  return holdupsInOrder([
    ...reported,
    ...seen.filter(({ code }) => !reported.some((one) => one.code === code)),
  ])
}

/** This reader's own view of these is newer. */
const PAUSES: ReadonlySet<HoldupCode> = new Set(['paused', 'self-paused'])

/**
 * What the dispatcher reported, as far as it still holds: it updates its report only at the end of a tick.
 */
function reportedIn({ said, service, liveLimit }: QueueFacts): Holdup[] {
  const all = said?.holdups ?? []
  // Of a dead dispatcher's report only what the next one would meet too.
  if (service.state !== 'dispatching') return all.filter(({ code }) => code === 'lost')
  return all.filter(({ code }) => !PAUSES.has(code) && (code !== 'limit' || liveLimit !== undefined))
}

/** Whether it makes an ETA meaningless. */
export function isBlocked(holdups: readonly Holdup[], atMost?: number): boolean {
  return atMost === 0 || holdups.some(({ code }) => BLOCKING.has(code))
}

/** Whether it is shown by default. */
export function isShown({ code }: Holdup, { isLive }: { readonly isLive: boolean }): boolean {
  if (code === 'limit') return isLive
  return !NORMAL.has(code)
}

const NOTHING_WAITING: Holdup = {
  code: 'nothing-waiting',
  message: 'no item waits: the running jobs are the last ones',
}

function noDispatcher({ state, heardOfMs }: ServiceState): Holdup {
  const ago = heardOfMs === undefined ? '' : `; last seen ${spanText(heardOfMs)} ago`
  const why = {
    never: 'none has run yet',
    stopped: 'the last one was stopped',
    stalled: `the last one gave up because one of its calls never ended${ago}`,
    gone: `the last one was killed, is frozen, or can’t reach the storage${ago}`,
    dispatching: '',
    unknown: '',
  }[state]
  return { code: 'no-dispatcher', message: `no service is running: ${why}` }
}

/** Until its lease ends, a killed service looks like one that dispatches. */
function silentDispatcher({ silent }: DispatcherFacts): Holdup[] {
  if (silent === undefined) return []
  const { heardOfMs, leftMs } = silent
  const message =
    `the service that dispatches was last seen ${spanText(heardOfMs)} ago: unless it renews its lease, ` +
    `another one can take over in ${spanText(leftMs)}`
  return [{ code: 'no-dispatcher', message }]
}

function pauseOf({ paused, reason, pausedAt, selfPause }: QueueFacts): Holdup[] {
  if (selfPause !== undefined) return [selfPauseHoldup(selfPause)]
  if (!paused) return []
  const why = reason === undefined ? '' : `: ${reason}`
  const since = pausedAt === undefined ? {} : { sinceAt: pausedAt }
  return [{ code: 'paused', message: `the queue is paused${why}`, ...since }]
}

/** The limit is reached: the normal state of a busy queue, except for a live limit. */
function fullOf({ service, sizes, liveLimit }: QueueFacts): Holdup[] {
  const { atMost } = service
  if (atMost === undefined || sizes.WAITING === 0 || sizes.PROCESSING < atMost) return []
  const which = liveLimit === undefined ? '`processing.limit` of the service' : '`sluice limit`'
  const message = `at most ${plural(atMost, 'job')} may run at once, set by ${which}`
  return [{ code: 'limit', message, items: sizes.WAITING }]
}

/**
 * The item that would be claimed first, if one is due. `undefined`: unknown. Where other processes claim
 * every listed item before it can be read, items are due, and a status must not fail for that.
 */
export async function peekOne(queue: Pick<Queue, 'peek'>): Promise<readonly QueueItem[] | undefined> {
  try {
    return await queue.peek(1)
  } catch (error) {
    if (!isSluiceError(error, 'SLUICE_QUEUE_UNAVAILABLE')) throw error
    return undefined
  }
}

/** How many waiting items are read to find when the next is due: they come with their bodies. */
const READ_ITEMS = 20

async function nothingDue(
  queue: Pick<Queue, 'list' | 'now'>,
  { next, sizes: { WAITING: waiting } }: QueueFacts,
): Promise<Holdup[]> {
  if (next === undefined || next.length > 0) return []
  const [{ items, cursor }, now] = await Promise.all([
    queue.list('WAITING', { limit: READ_ITEMS }),
    queue.now(),
  ])
  const due = items.map(({ notBeforeAt }) => notBeforeAt).filter((at) => at !== undefined)
  // Another process put an item meanwhile, or claimed the last.
  if (due.length < items.length || due.length === 0) return []
  const nextMs = Math.max(0, Math.min(...due) - now)
  const when = cursor === undefined ? `in ${spanText(nextMs)}` : `in ${spanText(nextMs)} or earlier`
  const message = `all waiting items are delayed (${itemsText(waiting)}): the next is due ${when}`
  return [{ code: 'nothing-due', message, items: waiting, forMs: nextMs }]
}
