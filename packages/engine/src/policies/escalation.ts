import { MAX_OVERRIDES, type ItemSummary, type JobOverrides, type JobReport } from '@sluice/core'
import { assertOverrideName, assertOverrideValue, quantityOf } from '@sluice/core/backend'
import { retryStateOf } from '../settling/retry-state.js'

/** What the next attempt gets more of, after a failure that its rule matches. */
export interface Escalation {
  /** The name of the override, such as `memory`. */
  readonly parameter: string
  /** One or more values, each larger than the one before; the first attempt has the first one. */
  readonly values: readonly string[]
}

/** The values of each parameter that some rule escalates. */
export type Escalations = ReadonlyMap<string, readonly string[]>

/**
 * The parameters of all rules.
 *
 * @param what of a rule, for errors
 * @throws TypeError that names the field which is wrong
 */
export function escalationsOf(
  rules: readonly { readonly escalate?: Escalation }[],
  what: (rule: number) => string,
): Escalations {
  const escalations = new Map<string, readonly string[]>()
  for (const [at, { escalate }] of rules.entries()) {
    if (escalate === undefined) continue
    const { parameter, values } = escalate
    assertEscalation(escalate, what(at))
    const others = escalations.get(parameter) ?? values
    // The first attempt is before any failure: its value can't depend on a rule.
    if (others.length !== values.length || others.some((value, index) => value !== values[index]))
      throw new TypeError(
        `${what(at)}.values must be those of the earlier rule that escalates ${parameter}: ${others.join(', ')}`,
      )
    escalations.set(parameter, values)
  }
  if (escalations.size <= MAX_OVERRIDES) return escalations
  throw new TypeError(
    `retry.rules escalate ${escalations.size} parameters; at most ${MAX_OVERRIDES} are possible`,
  )
}

function assertEscalation({ parameter, values }: Escalation, what: string): void {
  assertOverrideName(parameter, `${what}.parameter`)
  if (values.length === 0) throw new TypeError(`${what}.values must not be empty`)
  for (const [at, value] of values.entries()) assertOverrideValue(value, `${what}.values[${at}]`)
  for (const [at, value] of values.entries()) {
    const before = values[at - 1]
    if (before !== undefined && !isLarger(value, before))
      throw new TypeError(
        `${what}.values[${at}] must be larger than the value before it; got ${JSON.stringify(value)} after ${JSON.stringify(before)}`,
      )
    if (values.indexOf(value) !== at)
      throw new TypeError(`${what}.values[${at}] repeats ${JSON.stringify(value)}`)
  }
}

/**
 * Values that are no quantities, such as names of machine types, are in the order in which they are given.
 */
function isLarger(value: string, other: string): boolean {
  const [one, two] = [quantityOf(value), quantityOf(other)]
  return one === undefined || two === undefined || one > two
}

/**
 * The overrides of an item's current attempt. What the release before it recorded counts, whatever is
 * configured now: the attempt may have been sent already [W-SEND-1].
 */
export function overridesFor(
  escalations: Escalations,
  item: Pick<ItemSummary, 'retryState'>,
): JobOverrides | undefined {
  if (escalations.size === 0 && item.retryState === undefined) return undefined
  const { overrides } = retryStateOf(item)
  if (escalations.size === 0) return overrides
  return { ...firstValues(escalations), ...overrides }
}

function firstValues(escalations: Escalations): Record<string, string> {
  const firsts = [...escalations].flatMap(([name, [first]]) =>
    first === undefined ? [] : [[name, first] as const],
  )
  return Object.fromEntries(firsts)
}

/** Those that an attempt ran with: the worker's report knows best. */
export function overridesOf(
  escalations: Escalations,
  {
    item,
    report,
  }: { readonly item: Pick<ItemSummary, 'retryState'>; readonly report?: JobReport | undefined },
): JobOverrides | undefined {
  return report?.overrides ?? overridesFor(escalations, item)
}

/**
 * The overrides of the next attempt.
 *
 * @param current those of the attempt that ended
 * @param escalate of the rule by which it is retried; absent: the next attempt has the same values
 */
export function nextOverrides(
  escalations: Escalations,
  {
    current,
    escalate,
  }: { readonly current: JobOverrides | undefined; readonly escalate?: Escalation | undefined },
): JobOverrides | undefined {
  if (escalations.size === 0) return undefined
  const all = [...escalations].flatMap(([name, values]) => {
    const value = current?.[name]
    // It ran without one, as before the parameter was configured: it has not had the first value yet.
    const next =
      value === undefined ? values[0] : name === escalate?.parameter ? nextValue(values, value) : value
    return next === undefined ? [] : [[name, next] as const]
  })
  return Object.fromEntries(all)
}

/**
 * The next larger value; after the last one, the same. A value that is no longer configured is followed by
 * the first one that is larger, or kept where none is: it never shrinks.
 */
function nextValue(values: readonly string[], current: string): string {
  const at = values.indexOf(current)
  if (at >= 0) return values[at + 1] ?? current
  const isComparable = [current, ...values].every((value) => quantityOf(value) !== undefined)
  if (!isComparable) return values[0] ?? current
  return values.find((value) => isLarger(value, current)) ?? current
}
