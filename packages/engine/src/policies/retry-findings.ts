import { FAILURE_CLASSES, type FailureClass, type FailureKind } from '@sluice/core'
import {
  NEVER_RETRIED,
  exitCodeRange,
  matches,
  retryPolicy,
  type CheckedRetryRule,
  type RetryOptions,
} from './retry.js'

/** A part of a retry rule without effect: no error, but hardly intended. */
export interface RetryFinding {
  /** The index in `rules`; 0 for `maxAttempts` and `on`. */
  readonly rule: number
  /** Such as `this worker never reports the class evicted`. */
  readonly message: string
}

/** One failure that may happen. */
interface Failure {
  readonly failureClass: FailureClass
  readonly exitCode?: number
}

/** Those of a process on Linux. Others, such as those of Windows, are not checked. */
const EXIT_CODES = Array.from({ length: 256 }, (_, code) => code)

/**
 * Retry rules, or parts of them, that can never match: their classes never occur, or never with these exit
 * codes, or an earlier rule matches all their failures. The rules are tried on every possible failure.
 *
 * @param failures how the worker's jobs can fail, and `unschedulable` where pending jobs are cancelled;
 * absent: not known
 * @throws TypeError for wrong rules
 */
export function retryFindings(
  options: RetryOptions,
  failures?: readonly FailureKind[],
): readonly RetryFinding[] {
  const { rules } = retryPolicy(options)
  const possible = possibleFailures(rules, failures)
  return rules.flatMap((rule, at) => {
    const parts = [
      ...deadClasses(rule, possible, failures !== undefined),
      ...deadExitCodes(rule, options.rules?.[at]?.exitCodes ?? [], possible),
      ...deadValues(rule, rules),
    ]
    const own = possible.filter((failure) => matches(rule, failure))
    const caught = own.length === 0 ? [] : caughtBefore(own, rules.slice(0, at))
    return [...parts, ...caught].map((message) => ({ rule: at, message }))
  })
}

/** The failures that are subject to rules. */
function possibleFailures(
  rules: readonly CheckedRetryRule[],
  failures: readonly FailureKind[] | undefined,
): readonly Failure[] {
  return (failures ?? anyOf(rules))
    .filter(({ failureClass }) => !NEVER_RETRIED.has(failureClass) && failureClass !== 'lost')
    .flatMap(({ failureClass, exitCodes = EXIT_CODES }) => [
      { failureClass },
      ...exitCodes.map((exitCode) => ({ failureClass, exitCode })),
    ])
}

/** A worker that does not declare its failures may have classes of its own. */
function anyOf(rules: readonly CheckedRetryRule[]): readonly FailureKind[] {
  const named = rules.flatMap(({ classes }) => (classes === 'any' ? [] : [...classes]))
  return [...new Set<FailureClass>([...FAILURE_CLASSES, ...named])].map((failureClass) => ({ failureClass }))
}

function deadClasses(
  { classes }: CheckedRetryRule,
  possible: readonly Failure[],
  isKnown: boolean,
): readonly string[] {
  if (classes === 'any') return []
  return [...classes]
    .filter((each) => !possible.some(({ failureClass }) => failureClass === each))
    .map((each) => deadClassText(each, isKnown))
}

function deadClassText(failureClass: FailureClass, isKnown: boolean): string {
  if (failureClass === 'lost') return 'rules do not apply to the class lost: lost.policy does'
  if (NEVER_RETRIED.has(failureClass)) return `failures of the class ${failureClass} are never retried`
  if (failureClass === 'unschedulable' && isKnown)
    return 'the class unschedulable needs jobs.pendingTimeoutMs, and a worker that reports pending jobs'
  return `this worker never reports the class ${failureClass}`
}

/** Nothing more is said of classes that never occur. */
function deadExitCodes(
  { classes }: CheckedRetryRule,
  given: readonly (number | string)[],
  possible: readonly Failure[],
): readonly string[] {
  const ofClasses = possible.filter((failure) => matches({ classes, exitCodes: 'any' }, failure))
  if (ofClasses.length === 0) return []
  return given.flatMap((code, at) => {
    const about = { classes: 'any', exitCodes: [exitCodeRange(code, `exitCodes[${at}]`)] } as const
    if (ofClasses.some((failure) => matches(about, failure))) return []
    return [deadExitCodeText(code, { classes, others: possible.filter((one) => matches(about, one)) })]
  })
}

interface DeadExitCode extends Pick<CheckedRetryRule, 'classes'> {
  /** The failures that have the exit code. */
  readonly others: readonly Failure[]
}

function deadExitCodeText(code: number | string, { classes, others }: DeadExitCode): string {
  const what = String(code).includes('-')
    ? `exit codes ${code} never occur`
    : `exit code ${code} never occurs`
  const whose = classes === 'any' ? 'with this worker' : `with the class ${[...classes].join(' or ')}`
  const instead = [...new Set(others.map(({ failureClass }) => failureClass))].join(' or ')
  return `${what} ${whose}${instead === '' ? '' : `: such a failure is of the class ${instead}`}`
}

/** The value of an attempt follows from failures before it: n attempts have at most n values. */
function deadValues({ escalate }: CheckedRetryRule, rules: readonly CheckedRetryRule[]): readonly string[] {
  if (escalate === undefined) return []
  const { parameter, values } = escalate
  const most = Math.max(
    ...rules.flatMap((rule) => (rule.escalate?.parameter === parameter ? [rule.maxAttempts] : [])),
  )
  const dead = values.slice(most)
  if (dead.length === 0) return []
  return [`no attempt gets ${parameter} ${dead.join(', ')}: there are at most ${most} attempts`]
}

/** @returns one message where earlier rules match all failures of a rule */
function caughtBefore(own: readonly Failure[], earlier: readonly CheckedRetryRule[]): readonly string[] {
  const catchers = own.map((failure) => earlier.findIndex((rule) => matches(rule, failure)))
  if (catchers.includes(-1)) return []
  const first = [...new Set(catchers)].toSorted((one, other) => one - other)
  const which = first.length === 1 ? `rule ${first[0]} matches` : `rules ${first.join(', ')} match`
  return [`it has no effect: ${which} all of its failures first`]
}
