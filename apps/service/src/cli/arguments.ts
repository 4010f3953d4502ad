import { InvalidArgumentError } from '@commander-js/extra-typings'
import { STAGES, isStage, type Stage } from '@sluice/core'
import { assertItemId } from '@sluice/core/backend'
import { isThreshold, type FailureThreshold } from '@sluice/engine'
import { CommandError } from './command-error.js'

/** A parser for a whole number within bounds. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^-?\d+$/.test(text) && value >= min && value <= max) return value
    const bounds =
      max === Number.MAX_SAFE_INTEGER ? `a whole number, ${min} or more` : `a whole number, ${min} to ${max}`
    throw new InvalidArgumentError(`It must be ${bounds}.`)
  }
}

/** Parses a number of failures such as `20`, or a share such as `5%`. */
export function failureThreshold(text: string): FailureThreshold {
  const value = /^\d+$/u.test(text) ? Number(text) : text
  if (isThreshold(value)) return value
  throw new InvalidArgumentError(
    'It must be a whole number of 1 or more, or a share such as 5%, at most 100%.',
  )
}

/** The value of a flag; a TypeError is a usage error. */
export function asArgument<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw error instanceof TypeError ? new InvalidArgumentError(`${error.message}.`) : error
  }
}

/** Checks an id: one that no queue accepts is a usage error, not a missing item. */
export function itemId(text: string): string {
  try {
    assertItemId(text)
    return text
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? `${error.message}.` : 'It is not an id.')
  }
}

/** The same for a repeatable argument. */
export function itemIds(text: string, previous: readonly string[]): string[] {
  return [...previous, itemId(text)]
}

/** Parses a stage, ignoring case. */
export function stageName(text: string): Stage {
  const stage = text.toUpperCase()
  if (isStage(stage)) return stage
  throw new InvalidArgumentError(`It must be one of ${STAGES.join(', ')}.`)
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

const MAX_SPAN_MS = 36_500 * 86_400_000

/**
 * Parses a duration such as `500ms`, `30s`, `5m`, `2h` or `1d` into ms. Without a unit only 0 is accepted.
 */
export function spanMs(text: string): number {
  if (text === '0') return 0
  const [, digits = '', unit = ''] = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text) ?? []
  const ms = Math.round(Number(digits) * (UNIT_MS[unit] ?? 0))
  if (digits !== '' && ms <= MAX_SPAN_MS) return ms
  throw new InvalidArgumentError(
    'It must be a duration with a unit, such as 500ms, 30s, 5m, 2h or 1d, at most 36500d.',
  )
}

/** Parses a regular expression, matched anywhere in the text and ignoring case. */
export function pattern(text: string): RegExp {
  try {
    return new RegExp(text, 'iu')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new InvalidArgumentError(reason)
  }
}

/**
 * Items are selected by ids or by an option, not by both.
 *
 * @throws CommandError INVALID
 */
export function assertOneChoice(ids: readonly string[], isOption: boolean, option: string): void {
  if (isOption !== ids.length > 0) return
  throw new CommandError(
    'INVALID',
    isOption ? `Use ids or ${option}, not both.` : `Select items: ids, or ${option}.`,
  )
}
