import { FIRST_ITEMS, FIRST_MS, isFirstRule, type GuardRule } from './breaker-options.js'
import type { GuardState } from './guard-state.js'

/** What is in flight of the run. */
export interface InFlight {
  /** Items in PROCESSING that were claimed in this run. */
  readonly started: number
  /** Since the first of them was, by this process's clock. */
  readonly forMs: number
}

/** How many more items may start, and why no more. */
export interface Admission {
  readonly room: number
  /** One line; absent where there is no limit. */
  readonly message?: string
}

const NO_LIMIT: Admission = { room: Number.POSITIVE_INFINITY }

/** The limit of the first items of a run, besides that of the policy. */
export function admissionOf(state: GuardState, rule: GuardRule, inFlight: InFlight): Admission {
  const limits = [
    probeLimit(state, rule, inFlight),
    canaryLimit(state, rule, inFlight),
    windowLimit(state, rule, inFlight),
    firstLimit(state, rule, inFlight),
  ]
  return limits.reduce((least, limit) => (limit.room < least.room ? limit : least), NO_LIMIT)
}

function probeLimit({ probe }: GuardState, { halfOpenItems }: GuardRule, { started }: InFlight): Admission {
  if (probe === undefined) return NO_LIMIT
  return limited(halfOpenItems - probe.ended - started, halfOpenItems, {
    ended: probe.ended,
    started,
    of: 'items that are tried after the breaker was open',
  })
}

function canaryLimit({ run: { ended } }: GuardState, { canary = 0 }: GuardRule, { started }: InFlight) {
  if (ended >= canary) return NO_LIMIT
  return limited(canary - ended - started, canary, { ended, started, of: FIRST })
}

/** No more than canary and window are spent until the window has passed. */
function windowLimit(
  { run: { ended } }: GuardState,
  rule: GuardRule,
  { started, forMs }: InFlight,
): Admission {
  const { isOff, failures, window, windowMs, minItems, canary = 0 } = rule
  if (isOff || failures === undefined) return NO_LIMIT
  const most = window ?? minItems
  if (ended >= most || (window === undefined && windowMs !== undefined && forMs >= windowMs)) return NO_LIMIT
  const room = Math.min(most - started, canary + most - ended - started)
  return limited(room, most, { ended, started, of: FIRST })
}

function firstLimit({ run }: GuardState, rule: GuardRule, { started, forMs }: InFlight): Admission {
  if (!isFirstRule(rule) || rule.canary === 0 || run.hasSucceeded || forMs >= FIRST_MS) return NO_LIMIT
  const message = `waiting for the first of ${FIRST_ITEMS} items to succeed, or for a minute: ${started} are in PROCESSING`
  return { room: Math.max(0, FIRST_ITEMS - started), message }
}

const FIRST = 'items of the run'

function limited(
  room: number,
  most: number,
  { ended, started, of }: { readonly ended: number; readonly started: number; readonly of: string },
): Admission {
  const what = of === FIRST ? `the first ${most} ${FIRST}` : `${most} ${of}`
  return {
    room: Math.max(0, room),
    message: `waiting for ${what}: ${ended} have ended, ${started} are in PROCESSING`,
  }
}
