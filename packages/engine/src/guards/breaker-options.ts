/** A whole number, or a share such as `'5%'`. */
export type FailureThreshold = number | `${number}%`

/**
 * When too many failures pause the queue. An end of an attempt is a success or a failure, whether or not the
 * failure is retried; jobs that an operator cancelled are neither.
 */
export interface BreakerOptions {
  /**
   * How many failures in the window pause the queue: a whole number of 1 or more, or a share of the window,
   * such as `'20%'`. Default: no such limit, and the first 20 ends pause the queue where all of them are
   * failures of one group.
   */
  readonly failures?: FailureThreshold
  /** The window: the last so many ends, 1 to 10,000. Default 100, or none with `windowMs`. */
  readonly window?: number
  /** The window: the ends of this last span, in ms, 1,000 or more. Default: no limit of time. */
  readonly windowMs?: number
  /** With a share and `windowMs`: the fewest ends that a share is taken of, 1 or more. Default 20. */
  readonly minItems?: number
  /**
   * So many failures of a new failure group within `groupWindowMs` pause the queue, 1 or more. Default: no
   * limit.
   */
  readonly groupFailures?: number
  /** How long a failure group is new from its first failure, in ms, 1,000 or more. Default 60,000. */
  readonly groupWindowMs?: number
  /**
   * After this time an open breaker is half open: a few items are tried. If all of them succeed it closes;
   * the first failure opens it again. In ms, 1,000 or more. Default: an operator resumes the queue.
   */
  readonly halfOpenMs?: number
  /** How many items are tried, 1 or more. Default 3. */
  readonly halfOpenItems?: number
}

/** What decides when the queue is paused. */
export interface GuardOptions {
  /**
   * The first so many items of a run start alone: no more until as many have ended. 0 for none. Default: 20
   * in flight until the first success, or for a minute.
   */
  readonly canary?: number
  /** `'off'`: nothing but an operator pauses the queue, whatever fails. */
  readonly breaker?: BreakerOptions | 'off'
  /**
   * Pauses the queue when so many items have failed for good since this engine began, or such a share of
   * those that have ended and at least 3.
   */
  readonly halt?: FailureThreshold
}

/** `least`: the fewest failures, whatever the share. */
export type Threshold =
  | { readonly count: number }
  | { readonly share: number; readonly text: string; readonly least: number }

/** {@link GuardOptions}, checked, with their defaults. */
export interface GuardRule {
  readonly isOff: boolean
  /** Absent: the default limit in flight. */
  readonly canary?: number
  readonly failures?: Threshold
  /** Absent: a window of time alone. */
  readonly window?: number
  readonly windowMs?: number
  readonly minItems: number
  readonly groupFailures?: number
  readonly groupWindowMs: number
  readonly halfOpenMs?: number
  readonly halfOpenItems: number
  readonly halt?: Threshold
}

/**
 * So many failures of one group, before any success, pause the queue; and so many items are in flight until
 * then.
 */
export const FIRST_ITEMS = 20
/** From the first start on, no more than {@link FIRST_ITEMS} are in flight for so long. */
export const FIRST_MS = 60_000
/** A share of fewer failures than these halts no run, as with GNU parallel. */
const LEAST_HALTING = 3
const MAX_WINDOW = 10_000
const DEFAULT_WINDOW = 100

/** @throws TypeError that names the option that is wrong */
export function checkedGuards({ canary, breaker = {}, halt }: GuardOptions): GuardRule {
  if (canary !== undefined) assertBetween(canary, 0, 'canary')
  const given = breaker === 'off' ? {} : breaker
  if (typeof given !== 'object' || given === null)
    throw new TypeError(
      `breaker must be 'off' or its settings, such as { failures: '20%' }; got ${JSON.stringify(breaker)}`,
    )
  assertBreaker(given)
  const { failures, windowMs, window = windowMs === undefined ? DEFAULT_WINDOW : undefined } = given
  const { groupFailures, halfOpenMs } = given
  return {
    isOff: breaker === 'off',
    ...(canary === undefined ? {} : { canary }),
    ...(failures === undefined ? {} : { failures: threshold(failures, 'breaker.failures', 1) }),
    ...(window === undefined ? {} : { window }),
    ...(windowMs === undefined ? {} : { windowMs }),
    minItems: given.minItems ?? 20,
    ...(groupFailures === undefined ? {} : { groupFailures }),
    groupWindowMs: given.groupWindowMs ?? 60_000,
    ...(halfOpenMs === undefined ? {} : { halfOpenMs }),
    halfOpenItems: given.halfOpenItems ?? 3,
    ...(halt === undefined ? {} : { halt: threshold(halt, 'halt', LEAST_HALTING) }),
  }
}

const LEAST: Readonly<Record<Exclude<keyof BreakerOptions, 'failures'>, number>> = {
  window: 1,
  windowMs: 1_000,
  minItems: 1,
  groupFailures: 1,
  groupWindowMs: 1_000,
  halfOpenMs: 1_000,
  halfOpenItems: 1,
}

function assertBreaker(given: BreakerOptions): void {
  for (const [name, value] of Object.entries(given)) {
    if (name === 'failures' || value === undefined) continue
    if (!isLimit(name)) throw new TypeError(`breaker.${name} is no option of WorkQueue`)
    assertBetween(value, LEAST[name], `breaker.${name}`)
  }
  if ((given.window ?? 0) > MAX_WINDOW)
    throw new TypeError(`breaker.window must be at most ${MAX_WINDOW}; got ${given.window}`)
  if (given.failures === undefined && (given.window ?? given.windowMs ?? given.minItems) !== undefined)
    throw new TypeError('breaker.window, windowMs and minItems need breaker.failures')
}

function isLimit(name: string): name is keyof typeof LEAST {
  return name in LEAST
}

/** @throws TypeError that names the option */
function threshold(given: number | string, what: string, least: number): Threshold {
  const found = thresholdOf(given, least)
  if (found !== undefined) return found
  throw new TypeError(
    `${what} must be a whole number of 1 or more, or a share such as '5%' of at most 100%; got ${JSON.stringify(given)}`,
  )
}

/** Whether it is a whole number of 1 or more, or a share over 0 % and up to 100 %. */
export function isThreshold(given: unknown): given is FailureThreshold {
  return thresholdOf(given, 1) !== undefined
}

function thresholdOf(given: unknown, least: number): Threshold | undefined {
  if (typeof given === 'number' && Number.isSafeInteger(given) && given >= 1) return { count: given }
  if (typeof given !== 'string') return undefined
  const [, digits] = /^(\d{1,3}(?:\.\d{1,6})?)\s?%$/u.exec(given) ?? []
  const share = Number(digits ?? 0) / 100
  return share > 0 && share <= 1 ? { share, text: given, least } : undefined
}

/** Whether so many failures of so many ends reach it. */
export function isReached(limit: Threshold, { failed, ended }: { failed: number; ended: number }): boolean {
  if ('count' in limit) return failed >= limit.count
  return failed >= limit.least && failed >= needed(limit.share, ended)
}

/** How many of so many are this share, in whole ones. */
export function needed(share: number, of: number): number {
  // 20 % of 15 is 3 and not 4, whatever the binary fraction.
  return Math.max(1, Math.ceil(share * of - 1e-9))
}

function assertBetween(value: unknown, least: number, what: string): void {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return
  throw new TypeError(`${what} must be a whole number of ${least} or more; got ${String(value)}`)
}

/** Whether single ends are counted, which is stored with each tick that has some. */
export function isCounting({ canary = 0, failures, groupFailures, halfOpenMs, halt }: GuardRule): boolean {
  return canary > 0 || (failures ?? groupFailures ?? halfOpenMs ?? halt) !== undefined
}

/** Whether a run in which nothing but failures of one group has occurred pauses the queue. */
export function isFirstRule({ isOff, failures }: GuardRule): boolean {
  return !isOff && failures === undefined
}

/** Whether anything goes by the storage's clock. */
export function isTimed({ windowMs, groupFailures, halfOpenMs }: GuardRule): boolean {
  return (windowMs ?? groupFailures ?? halfOpenMs) !== undefined
}
