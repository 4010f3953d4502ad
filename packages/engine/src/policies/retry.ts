import type { FailureClass, ItemSummary, JobReport, KnownFailureClass } from '@sluice/core'
import { escalationsOf, type Escalation, type Escalations } from './escalation.js'
import { assertBackoff, backoffMs, type Backoff, type Random } from './backoff.js'

/**
 * Which failures are retried, and how often. An absent condition matches every failure; all given ones must
 * match.
 */
export interface RetryRule {
  /** The failure is of one of these classes. */
  readonly classes?: readonly FailureClass[]
  /**
   * The program's exit code is one of these, or in one of these ranges, such as `'130-145'`. A job without an
   * exit code matches none.
   */
  readonly exitCodes?: readonly (number | string)[]
  /**
   * The attempts that count after which a matching failure is not retried, 1 or more; with 1 it never is.
   * Attempts that failed in other ways count too.
   */
  readonly maxAttempts: number
  /** Default: that of the {@link RetryOptions}. */
  readonly backoff?: Partial<Backoff>
  /**
   * The next attempt after such a failure gets the next larger value of a parameter, as an override of its
   * job; after the last value it gets that one again. The first attempt gets the first value, and an attempt
   * that is retried for another reason keeps its value. A `requeue` begins again at the first one. It needs a
   * worker with `supports.overrides`.
   */
  readonly escalate?: Escalation
}

/**
 * When an item whose job failed is retried. The classes `rejected`, `unsendable` and `invalid-body` never
 * are, whatever is set here.
 */
export interface RetryOptions {
  /**
   * Attempts of an item, 1 or more; uncounted ones don't count. Default 1: no retry. Not together with
   * `rules`.
   */
  readonly maxAttempts?: number
  /** The delay before the next attempt. Default: 1 s, doubling up to 5 min, with a random half. */
  readonly backoff?: Partial<Backoff>
  /** Only failures of these classes are retried. Default: any class. Not together with `rules`. */
  readonly on?: readonly FailureClass[]
  /**
   * The first rule that matches a failure decides; a failure without a match is not retried. `maxAttempts`
   * and `on` are the short form of one rule.
   */
  readonly rules?: readonly RetryRule[]
}

/** Exit codes from the first to the last, both included. */
export interface ExitCodeRange {
  readonly first: number
  readonly last: number
}

/** A {@link RetryRule}, checked, its defaults filled in. */
export interface CheckedRetryRule {
  readonly classes: ReadonlySet<FailureClass> | 'any'
  readonly exitCodes: readonly ExitCodeRange[] | 'any'
  readonly maxAttempts: number
  readonly backoff: Backoff
  readonly escalate?: Escalation
}

/** The {@link RetryOptions} with their defaults filled in. */
export interface RetryPolicy {
  /** The first match decides. */
  readonly rules: readonly CheckedRetryRule[]
  /** For attempts that are not subject to a rule, such as those of lost jobs that are sent again. */
  readonly backoff: Backoff
  readonly escalations: Escalations
}

/** Another attempt would end in the same way: the worker can't accept the item, or its body is invalid. */
export const NEVER_RETRIED: ReadonlySet<FailureClass> = new Set<KnownFailureClass>([
  'rejected',
  'unsendable',
  'invalid-body',
])

const BACKOFF: Backoff = { baseMs: 1_000, factor: 2, maxMs: 300_000, jitter: 0.5 }

/** @throws TypeError that names the field that is wrong */
export function retryPolicy(options: RetryOptions): RetryPolicy {
  const { maxAttempts, on, rules } = options
  const backoff = { ...BACKOFF, ...options.backoff }
  assertBackoff(backoff, 'retry.backoff')
  if (rules === undefined) {
    const only = { maxAttempts: maxAttempts ?? 1, backoff, ...(on === undefined ? {} : { classes: on }) }
    return { rules: [checkedRule(only, 'retry', backoff)], backoff, escalations: new Map() }
  }
  if (maxAttempts !== undefined || on !== undefined)
    throw new TypeError(
      `retry.${on === undefined ? 'maxAttempts' : 'on'} can't be given together with retry.rules: each rule has its own`,
    )
  for (const [at, rule] of rules.entries()) assertNotEmpty(rule, `retry.rules[${at}]`)
  const checked = rules.map((rule, at) => checkedRule(rule, `retry.rules[${at}]`, backoff))
  const escalations = escalationsOf(checked, (at) => `retry.rules[${at}].escalate`)
  return { rules: checked, backoff, escalations }
}

/** An empty list would match nothing, which is hardly intended. */
function assertNotEmpty({ classes, exitCodes }: RetryRule, what: string): void {
  if (classes?.length === 0)
    throw new TypeError(`${what}.classes must not be empty: leave it out for any class`)
  if (exitCodes?.length === 0)
    throw new TypeError(`${what}.exitCodes must not be empty: leave it out for any exit code`)
}

function checkedRule(rule: RetryRule, what: string, standard: Backoff): CheckedRetryRule {
  const { classes, exitCodes, maxAttempts, escalate } = rule
  if (!Number.isSafeInteger(maxAttempts) || maxAttempts < 1)
    throw new TypeError(`${what}.maxAttempts must be a whole number of 1 or more; got ${maxAttempts}`)
  const backoff = { ...standard, ...rule.backoff }
  assertBackoff(backoff, `${what}.backoff`)
  return {
    classes: classes === undefined ? 'any' : new Set(classes),
    exitCodes: exitCodes?.map((code, at) => exitCodeRange(code, `${what}.exitCodes[${at}]`)) ?? 'any',
    maxAttempts,
    backoff,
    ...(escalate === undefined ? {} : { escalate }),
  }
}

/**
 * An exit code, such as `75`, or a range, such as `'130-145'`.
 *
 * @throws TypeError that names the field
 */
export function exitCodeRange(value: number | string, what: string): ExitCodeRange {
  const [, low = '', high = low] = /^(\d{1,10})(?:-(\d{1,10}))?$/u.exec(String(value)) ?? []
  const range = { first: Number(low), last: Number(high) }
  if (low !== '' && range.first <= range.last) return range
  throw new TypeError(
    `${what} must be an exit code such as 75, or a range such as '130-145' with the lower code first; got ${JSON.stringify(value)}`,
  )
}

/**
 * The attempts that count against a limit: not uncounted ones, nor those before an operator requeued the
 * item.
 */
export function countedAttempts(item: Pick<ItemSummary, 'attempt' | 'uncounted'>): number {
  return item.attempt - item.uncounted
}

/** How an attempt failed. */
export interface FailedAttempt extends Pick<JobReport, 'exitCode'> {
  readonly item: Pick<ItemSummary, 'attempt' | 'uncounted'>
  readonly failureClass: FailureClass
}

/** The next attempt. */
export interface Retry {
  readonly delayMs: number
  /** Of the rule that decided. */
  readonly escalate?: Escalation
}

/** The next attempt, or `undefined`: this was the last one. */
export function retryOf(policy: RetryPolicy, failed: FailedAttempt, random: Random): Retry | undefined {
  if (NEVER_RETRIED.has(failed.failureClass)) return undefined
  const rule = policy.rules.find((one) => matches(one, failed))
  const counted = countedAttempts(failed.item)
  if (rule === undefined || counted >= rule.maxAttempts) return undefined
  const { escalate } = rule
  return {
    delayMs: backoffMs(rule.backoff, counted, random),
    ...(escalate === undefined ? {} : { escalate }),
  }
}

/** Whether a rule matches a failure. */
export function matches(
  { classes, exitCodes }: Pick<CheckedRetryRule, 'classes' | 'exitCodes'>,
  { failureClass, exitCode }: Omit<FailedAttempt, 'item'>,
): boolean {
  if (classes !== 'any' && !classes.has(failureClass)) return false
  if (exitCodes === 'any') return true
  if (exitCode === undefined || !Number.isSafeInteger(exitCode)) return false
  return exitCodes.some(({ first, last }) => exitCode >= first && exitCode <= last)
}
