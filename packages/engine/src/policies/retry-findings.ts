import { FAILURE_CLASSES, type FailureClass, type FailureKind } from '@sluice/core'
import {
  NEVER_RETRIED,
  exitCodeRange,
  matches,
  retryPolicy,
  type CheckedRetryRule,
  type RetryOptions,
} from './retry.js'

/** What is pointless about a retry rule: it is no error, and hardly what was meant. */
export interface RetryFinding {
  /** Which of `rules`, from 0 on; of `maxAttempts` and `on` 0. */
  readonly rule: number
  /** Such as `the class evicted never comes of this worker`. */
  readonly message: string
}

/** One failure that may happen. */
interface Failure {
  readonly failureClass: FailureClass
  readonly exitCode?: number
}

/** Those of a process on Linux. Others, such as those of Windows, are not held against the rules. */
const EXIT_CODES = Array.from({ length: 256 }, (_, code) => code)

/**
 * Retry rules, or parts of them, that can never match: their classes never come, come never with these exit codes, or an earlier rule catches all
 * that they are about. It tries the rules on every failure that may happen.
 *
 * @param failures what the worker's jobs can end with, and `unschedulable` where jobs are cancelled for it; absent: not known
 * @throws TypeError as the rules are wrong
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
    ]
    const own = possible.filter((failure) => matches(rule, failure))
    const caught = own.length === 0 ? [] : caughtBefore(own, rules.slice(0, at))
    return [...parts, ...caught].map((message) => ({ rule: at, message }))
  })
}

/** Those that a rule is asked about. */
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

/** A worker that does not tell may have words of its own. */
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
  if (failureClass === 'lost')
    return 'no rule is asked about the class lost: lost.policy says what becomes of such items'
  if (NEVER_RETRIED.has(failureClass)) return `items of the class ${failureClass} are never tried again`
  if (failureClass === 'unschedulable' && isKnown)
    return 'the class unschedulable comes only with jobs.pendingTimeoutMs, and a worker that says which jobs have not begun'
  return `the class ${failureClass} never comes of this worker`
}

/** Of classes that never come nothing more is said. */
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
  /** The failures that the exit code does come with. */
  readonly others: readonly Failure[]
}

function deadExitCodeText(code: number | string, { classes, others }: DeadExitCode): string {
  const what = String(code).includes('-') ? `exit codes ${code} never come` : `exit code ${code} never comes`
  const whose = classes === 'any' ? 'of this worker' : `with the class ${[...classes].join(' or ')}`
  const instead = [...new Set(others.map(({ failureClass }) => failureClass))].join(' or ')
  return `${what} ${whose}${instead === '' ? '' : `: such a failure is of the class ${instead}`}`
}

/** @returns one message where the earlier rules catch all that a rule is about */
function caughtBefore(own: readonly Failure[], earlier: readonly CheckedRetryRule[]): readonly string[] {
  const catchers = own.map((failure) => earlier.findIndex((rule) => matches(rule, failure)))
  if (catchers.includes(-1)) return []
  const first = [...new Set(catchers)].toSorted((one, other) => one - other)
  const which = first.length === 1 ? `rule ${first[0]} catches` : `rules ${first.join(', ')} catch`
  return [`it never matches: ${which} all that it is about, and the first rule that matches decides`]
}
