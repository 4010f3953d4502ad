import type { JsonValue } from '@sluice/core'
import type { Holdup } from '../holdups/holdup.js'
import type { ItemSelection } from '../selection/item-selection.js'

/** The input of a dispatch policy. */
export interface DispatchSnapshot {
  /** Items in PROCESSING: each has a job, or may get one at any moment. */
  readonly processing: number
  /**
   * Places that are taken by jobs without an item in PROCESSING, such as those of earlier attempts: they use
   * the cluster too.
   */
  readonly orphans: number
  /** The queue's live limits, as operators set them last. */
  readonly limits: Readonly<Record<string, number>>
  /** The wall clock of this machine, epoch ms. */
  readonly nowAt: number
  /**
   * The recent claims, for a policy with a {@link PolicyState}. Absent where the question is not how many new
   * items may be claimed, but how many of those that are claimed may start.
   */
  readonly claims?: RecentClaims
}

/** The claims of this queue in the recent past, by any of its engines. */
export interface RecentClaims {
  /**
   * How many items were claimed in the last `ms` by the storage's clock, up to `claimsForMs` of the policy.
   * Never less than there were: claims under way count, and those that an engine may have made that died.
   */
  within(ms: number): number
  /**
   * In how many ms fewer than `count` will be within the last `ms`, without further claims; `undefined` while
   * that is unknown.
   */
  fewerIn(ms: number, count: number): number | undefined
}

/** A policy's answer with a reason. */
export interface DispatchRoom {
  /** How many more jobs may start now, as a policy that returns a number. */
  readonly room: number
  /** What holds the queue back, where it is this policy. */
  readonly holdup?: PolicyHoldup
}

/** What a policy says that holds the queue back. */
export type PolicyHoldup = Omit<Holdup, 'items'>

/** What a policy needs to be known of the past, by every engine of the queue. */
export interface PolicyState {
  /** For how long claims are known, in ms. */
  readonly claimsForMs: number
  /**
   * How many claims are recorded before they are made, by one write for several ticks. After a crash those
   * that were not made count as made at the time of the takeover.
   */
  readonly claimsAhead: number
}

/**
 * How many more jobs may start now: a whole number of 0 or more, or `Infinity`, alone or with what holds the
 * queue back. It is called several times in a tick and must not depend on how often. A result that isn't a
 * number counts as 0.
 */
export interface DispatchPolicy {
  (snapshot: DispatchSnapshot): number | DispatchRoom
  /**
   * With it the engine records claims in a document of the queue before it makes them, and the snapshot has
   * them.
   */
  readonly state?: PolicyState
  /** Which of the waiting items may start. Default: any, in the order of the queue. */
  readonly selection?: ItemSelection
  /** The policy as data, for operators and to compare the engines of a queue. */
  readonly settings?: JsonValue
}

/** A function with the properties of a policy. */
export function withSettings(
  policy: (snapshot: DispatchSnapshot) => number | DispatchRoom,
  settings: JsonValue,
  { state, selection }: PolicyParts = {},
): DispatchPolicy {
  const parts = {
    ...(state === undefined ? {} : { state }),
    ...(selection === undefined ? {} : { selection }),
  }
  return Object.assign(policy, { settings }, parts)
}

interface PolicyParts {
  readonly state?: PolicyState | undefined
  readonly selection?: ItemSelection | undefined
}

/** The policy as data; one of a third party that says nothing of itself has a name only. */
export function settingsOf({ settings, name }: DispatchPolicy): JsonValue {
  return settings ?? { policy: name === '' || name === 'policy' ? 'custom' : `custom (${name})` }
}

/** @throws TypeError where it is no function */
export function assertPolicy(policy: unknown, what: string): asserts policy is DispatchPolicy {
  if (typeof policy === 'function') return
  throw new TypeError(`${what} must be a function, such as processingLimit(8); got ${String(policy)}`)
}

/**
 * The result of a policy, its room as a whole number of 0 or more: a third party's policy must not lift the
 * limit by a `NaN`.
 */
export function judge(policy: DispatchPolicy, snapshot: DispatchSnapshot): DispatchRoom {
  const answer = policy(snapshot)
  if (typeof answer === 'number') return { room: whole(answer) }
  const room = whole(answer?.room)
  return answer?.holdup === undefined ? { room } : { room, holdup: answer.holdup }
}

/** The same without what holds the queue back. */
export function roomIn(policy: DispatchPolicy, snapshot: DispatchSnapshot): number {
  return judge(policy, snapshot).room
}

function whole(room: unknown): number {
  if (typeof room !== 'number' || Number.isNaN(room)) return 0
  return Math.max(0, Math.floor(room))
}

/**
 * The states of several policies as one: the longest memory, and the fewest claims ahead: those of a long
 * window cost most after a crash.
 */
export function stateOf(policies: readonly DispatchPolicy[]): PolicyState | undefined {
  const states = policies.flatMap(({ state }) => (state === undefined ? [] : [state]))
  if (states.length === 0) return undefined
  return {
    claimsForMs: Math.max(...states.map(({ claimsForMs }) => claimsForMs)),
    claimsAhead: Math.min(...states.map(({ claimsAhead }) => claimsAhead)),
  }
}
