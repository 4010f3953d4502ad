import { createHash } from 'node:crypto'
import { cutReason } from '../checks/input.js'
import type { FailureClass } from '../worker.js'
import { causeLine } from './cause-line.js'
import { canChange, namesOf, templateOf } from './message-template.js'

/** Of the rules by which failures are grouped. Part of every id: a group of other rules is another group. */
export const FAILURE_RULES_VERSION = 2

/** How many hexadecimal digits the id of a group has. */
export const FAILURE_GROUP_ID_CHARS = 16

/** A failure, as an item's record, one of its attempts or a settlement has it. */
export interface Failure {
  /** Of the item, so that it is replaced where the reason has it. */
  readonly id: string
  readonly reason?: string | undefined
  readonly failureClass?: FailureClass | undefined
  readonly exitCode?: number | undefined
}

/** What failures of one cause have in common. */
export interface FailureGroup {
  /**
   * {@link FAILURE_GROUP_ID_CHARS} hexadecimal digits: the first 64 bits of the SHA-256 of the other fields
   * and the version of the rules.
   */
  readonly id: string
  /**
   * The line of the reason that says most, with placeholders such as `<n>` and `<path>` where the members
   * differ.
   */
  readonly template: string
  readonly failureClass?: FailureClass
  readonly exitCode?: number
}

/**
 * Groups failures by cause: those that give the same id differ only in what is peculiar to an item, such as
 * its id, numbers, paths, instants. Failure class, exit code and the codes in the text (exit, HTTP, signal,
 * errno) keep groups apart.
 *
 * A pure function, the same on every machine and in every locale; a reason is cut as a queue cuts it first,
 * so that what is settled and what is stored give the same, and the time is bounded.
 *
 * @example
 * ```ts
 * import { failureGroupOf } from '@sluice/core/backend'
 *
 * const reason = 'exit code 1: OSError: [Errno 28] No space left on device: /data/tile-7.tif'
 * const { id, template } = failureGroupOf({ id: 'tile-7', reason, failureClass: 'failed', exitCode: 1 })
 * console.log(id, template) // … exit code 1: OSError: [Errno 28] No space left on device: <path>
 * ```
 */
export function failureGroupOf({ id, reason, failureClass, exitCode }: Failure): FailureGroup {
  const template = failureTemplate(cutReason(reason) ?? '', namesOf(id))
  return {
    id: fingerprint([FAILURE_RULES_VERSION, failureClass ?? null, exitCode ?? null, template]),
    template,
    ...(failureClass === undefined ? {} : { failureClass }),
    ...(exitCode === undefined ? {} : { exitCode }),
  }
}

/** Each pass leaves less that could be replaced: two are the rule. */
const MAX_PASSES = 8

/**
 * What is replaced may show more that can be: it is done until nothing changes, so that a template is its own
 * template.
 */
function failureTemplate(reason: string, names: readonly string[]): string {
  let line = causeLine(reason)
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const template = templateOf(line, names)
    const again = causeLine(template)
    if (again === line || (again === template && !canChange(template, names))) return template
    line = again
  }
  return line
}

function fingerprint(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, FAILURE_GROUP_ID_CHARS)
}
