import { isSluiceError, type Queue, type QueueItem, type Stage } from '@sluice/core'
import { holdupsInOrder, selfPauseHoldup, type Holdup, type HoldupCode, type SelfPause } from '@sluice/engine'
import { itemsText, plural } from '../progress/progress-text.js'
import type { DispatcherFacts, ServiceState } from './service-state.js'
import { spanText } from './span-text.js'

/** With these nothing starts or nothing is known of what ends: a time of arrival would be made up. */
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

/** A queue that is as it should be has these too. */
const NORMAL: ReadonlySet<HoldupCode> = new Set(['nothing-waiting'])

/** What a reader knows of a queue who takes no part in it. */
export interface QueueFacts extends DispatcherFacts {
  readonly sizes: Readonly<Record<Stage, number>>
  readonly paused: boolean
  readonly pausedAt?: number | undefined
  readonly reason?: string | undefined
  /** Sluice itself paused the queue. */
  readonly selfPause?: SelfPause | undefined
  /** The live limit, if one is set. */
  readonly liveLimit: number | undefined
}

/**
 * All that holds a queue back, in the order of `HOLDUP_CODES`: what the service that dispatches said last, and what whoever looks can see by itself.
 *
 * @throws SluiceError of the queue
 */
export async function queueHoldups(
  queue: Pick<Queue, 'peek' | 'list' | 'now'>,
  facts: QueueFacts,
): Promise<Holdup[]> {
  const { sizes, service } = facts
  if (sizes.WAITING + sizes.PROCESSING === 0)
    return facts.selfPause === undefined ? [] : [selfPauseHoldup(facts.selfPause)]
  const isAtWork = service.state === 'dispatching'
  const seen = [
    ...(isAtWork ? [] : [noDispatcher(service)]),
    ...pauseOf(facts),
    ...(sizes.WAITING === 0 ? [NOTHING_WAITING] : await nothingDue(queue, sizes.WAITING)),
    ...fullOf(facts),
  ]
  const told = toldOf(facts)
  return holdupsInOrder([...told, ...seen.filter(({ code }) => !told.some((one) => one.code === code))])
}

/** Whoever reads knows better. */
const PAUSES: ReadonlySet<HoldupCode> = new Set(['paused', 'self-paused'])

/** What the dispatcher said, as far as it still holds: it may say so again only at the end of its next tick. */
function toldOf({ said, service, liveLimit }: QueueFacts): Holdup[] {
  const all = said?.holdups ?? []
  // Of one that is gone only what another one would meet too.
  if (service.state !== 'dispatching') return all.filter(({ code }) => code === 'lost')
  return all.filter(({ code }) => !PAUSES.has(code) && (code !== 'limit' || liveLimit !== undefined))
}

/** Whether it makes any time of arrival untrue. */
export function isBlocked(holdups: readonly Holdup[], atMost?: number): boolean {
  return atMost === 0 || holdups.some(({ code }) => BLOCKING.has(code))
}

/** Whether a person should be told of it unasked. */
export function isWorthTelling({ code }: Holdup, { isLive }: { readonly isLive: boolean }): boolean {
  if (code === 'limit') return isLive
  return !NORMAL.has(code)
}

const NOTHING_WAITING: Holdup = {
  code: 'nothing-waiting',
  message: 'nothing waits: the jobs that run are the last ones',
}

function noDispatcher({ state, heardOfMs }: ServiceState): Holdup {
  const ago = heardOfMs === undefined ? '' : `, and was heard of ${spanText(heardOfMs)} ago`
  const why = {
    never: 'none has run yet',
    stopped: 'the last one was stopped',
    stalled: `the last one gave up, since a call of it never ended${ago}`,
    gone: `the last one was killed, is frozen, or can’t reach the storage${ago}`,
    dispatching: '',
    unknown: '',
  }[state]
  return { code: 'no-dispatcher', message: `no service is at work: ${why}` }
}

function pauseOf({ paused, reason, pausedAt, selfPause }: QueueFacts): Holdup[] {
  if (selfPause !== undefined) return [selfPauseHoldup(selfPause)]
  if (!paused) return []
  const why = reason === undefined ? '' : `: ${reason}`
  const since = pausedAt === undefined ? {} : { sinceAt: pausedAt }
  return [{ code: 'paused', message: `the queue is paused${why}`, ...since }]
}

/** As many jobs as may: the normal state of a busy queue, but for a limit that was set live. */
function fullOf({ service, sizes, liveLimit }: QueueFacts): Holdup[] {
  const { atMost } = service
  if (atMost === undefined || sizes.WAITING === 0 || sizes.PROCESSING < atMost) return []
  const which = liveLimit === undefined ? '`processing.limit` of the service' : '`sluice limit`'
  const message = `at most ${plural(atMost, 'job')} may run at once, set by ${which}`
  return [{ code: 'limit', message, items: sizes.WAITING }]
}

/** How many of those that wait are looked at for when the next is due: they come with their bodies. */
const LOOKED_AT = 20

/**
 * `undefined`: not known. Where other processes claim all that a listing shows before it can be looked at, something is given out, and a status is no
 * place to fail for it.
 */
async function peekOne(queue: Pick<Queue, 'peek'>): Promise<readonly QueueItem[] | undefined> {
  try {
    return await queue.peek(1)
  } catch (error) {
    if (!isSluiceError(error, 'SLUICE_QUEUE_UNAVAILABLE')) throw error
    return undefined
  }
}

async function nothingDue(queue: Pick<Queue, 'peek' | 'list' | 'now'>, waiting: number): Promise<Holdup[]> {
  const next = await peekOne(queue)
  if (next === undefined || next.length > 0) return []
  const [{ items, cursor }, now] = await Promise.all([
    queue.list('WAITING', { limit: LOOKED_AT }),
    queue.now(),
  ])
  const due = items.map(({ notBeforeAt }) => notBeforeAt).filter((at) => at !== undefined)
  // Somebody has put one meanwhile, or the last has gone.
  if (due.length < items.length || due.length === 0) return []
  const nextMs = Math.max(0, Math.min(...due) - now)
  const when = cursor === undefined ? `in ${spanText(nextMs)}` : `in ${spanText(nextMs)} or earlier`
  const message = `all that waits is delayed (${itemsText(waiting)}): the next is due ${when}`
  return [{ code: 'nothing-due', message, items: waiting, forMs: nextMs }]
}
