import { InvalidArgumentError, Option } from '@commander-js/extra-typings'
import {
  FAILURE_GROUP_ID_CHARS,
  failureGroupOf,
  type FailureGroup,
  type Queue,
  type Stage,
} from '@sluice/core'
import { CommandError } from '../cli/command-error.js'
import { printable } from '../output/output.js'
import { itemsText } from '../output/amounts.js'
import { pattern, wholeNumber } from '../cli/arguments.js'
import { hasFailed, selectPages, type FailureFilter } from './item-selection.js'

/** What the options of {@link groupOption} and its neighbours give. */
export interface FailureFlags {
  readonly group?: readonly string[] | undefined
  readonly class?: readonly string[] | undefined
  readonly exitCode?: readonly number[] | undefined
  readonly reasonMatches?: RegExp | undefined
}

/** `--group ID`, which may be repeated. */
export function groupOption() {
  return new Option(
    '--group <id>',
    'those of a group of failures, by its id in `sluice report --summary` or the beginning of it; may be repeated',
  ).argParser((text: string, previous: readonly string[] | undefined) => [
    ...(previous ?? []),
    groupPrefix(text),
  ])
}

/** `--class NAME`, which may be repeated. */
export function classOption() {
  return new Option(
    '--class <name>',
    'those that failed with this class, such as failed, oom, timeout; may be repeated',
  ).argParser((text: string, previous: readonly string[] | undefined) => [...(previous ?? []), text])
}

/** `--exit-code N`, which may be repeated. */
export function exitCodeOption() {
  const parse = wholeNumber(-2_147_483_648, 4_294_967_295)
  return new Option(
    '--exit-code <n>',
    'those whose program ended with this exit code; may be repeated',
  ).argParser((text: string, previous: readonly number[] | undefined) => [...(previous ?? []), parse(text)])
}

/** `--reason-matches REGEX`. */
export function reasonOption() {
  return new Option(
    '--reason-matches <regex>',
    'those whose reason matches, anywhere and in any case',
  ).argParser(pattern)
}

const MIN_PREFIX_CHARS = 4

/** Checks the id of a group, or its beginning. */
function groupPrefix(text: string): string {
  const prefix = text.toLowerCase()
  if (
    /^[0-9a-f]+$/u.test(prefix) &&
    prefix.length >= MIN_PREFIX_CHARS &&
    prefix.length <= FAILURE_GROUP_ID_CHARS
  )
    return prefix
  throw new InvalidArgumentError(
    `It must be the first ${MIN_PREFIX_CHARS} to all ${FAILURE_GROUP_ID_CHARS} hexadecimal digits of an id that \`sluice report --summary\` shows.`,
  )
}

/** Whether any of the options is given. */
export function isFiltered(flags: FailureFlags): boolean {
  return flagsText(flags) !== ''
}

/** The options as they were given, for messages: `--class oom --exit-code 3`. */
function flagsText({ group = [], class: classes = [], exitCode = [], reasonMatches }: FailureFlags): string {
  return [
    ...group.map((id) => `--group ${id}`),
    ...classes.map((name) => `--class ${printable(name, 64)}`),
    ...exitCode.map((code) => `--exit-code ${code}`),
    ...(reasonMatches === undefined ? [] : [`--reason-matches ${JSON.stringify(reasonMatches.source)}`]),
  ].join(' ')
}

/** Where {@link filterOf} looks for groups. */
export interface FilterOptions {
  readonly stages: readonly Stage[]
  /** Ends it early, with an AbortError. */
  readonly signal?: AbortSignal
}

/**
 * The filter that the options ask for, each group by its whole id. The beginning of an id is looked for among all items of the stages.
 *
 * @throws CommandError CONFLICT when no item is in a group of this beginning, INVALID when items are in several: with these
 */
export async function filterOf(
  queue: Queue,
  flags: FailureFlags,
  options: FilterOptions,
): Promise<FailureFilter> {
  const { group, class: failureClasses, exitCode: exitCodes, reasonMatches } = flags
  const filter = { failureClasses, exitCodes, reasonMatches }
  if (group === undefined) return filter
  const partial = group.filter((prefix) => prefix.length < FAILURE_GROUP_ID_CHARS)
  const found = partial.length === 0 ? [] : await groupsOf(queue, partial, options)
  const whole = group.map((prefix) => (partial.includes(prefix) ? onlyOne(prefix, found, options) : prefix))
  return { ...filter, groups: new Set(whole) }
}

interface FoundGroup {
  readonly group: FailureGroup
  count: number
}

/** The groups of the stages' items whose ids begin so. */
async function groupsOf(
  queue: Queue,
  prefixes: readonly string[],
  { stages, signal }: FilterOptions,
): Promise<readonly FoundGroup[]> {
  const found = new Map<string, FoundGroup>()
  for (const stage of stages) {
    for await (const items of selectPages(queue, { stage }, signal)) {
      for (const item of items.filter((each) => hasFailed(each))) {
        const group = failureGroupOf(item)
        if (!prefixes.some((prefix) => group.id.startsWith(prefix))) continue
        const known = found.get(group.id) ?? { group, count: 0 }
        known.count += 1
        found.set(group.id, known)
      }
    }
  }
  return [...found.values()]
}

function onlyOne(prefix: string, found: readonly FoundGroup[], { stages }: FilterOptions): string {
  const [first, ...others] = found.filter(({ group }) => group.id.startsWith(prefix))
  if (first === undefined) {
    throw new CommandError(
      'CONFLICT',
      `No item in ${stages.join(' or ')} is in a group whose id begins with ${prefix}. \`sluice report --summary\` lists the groups.`,
    )
  }
  if (others.length === 0) return first.group.id
  const lines = [first, ...others]
    .toSorted((a, b) => b.count - a.count)
    .map(({ group, count }) => `  ${group.id}  ${itemsText(count)}  ${printable(group.template, 100)}`)
  throw new CommandError(
    'INVALID',
    `Several groups begin with ${prefix}: give more of the id.\n${lines.join('\n')}`,
  )
}

/**
 * For a command that found nothing to do: a pattern that matches nothing is most often a mistake.
 *
 * @param done what was not done, such as `requeued`
 */
export async function nothingMatches(
  queue: Queue,
  flags: FailureFlags,
  { stages, done }: { readonly stages: readonly Stage[]; readonly done: string },
): Promise<CommandError> {
  const sizes = await queue.sizes()
  const size = stages.reduce((sum, stage) => sum + sizes[stage], 0)
  const hint = stages.includes('FAIL') ? ' `sluice report --summary` lists the groups of failures.' : ''
  const where = `${stages.join(' and ')} of ${printable(queue.name)}`
  const none = size === 0 ? `Nothing is in ${where}, so nothing` : `Of ${itemsText(size)} in ${where} none`
  const why = `${none} matches ${flagsText(flags)}`
  return new CommandError('CONFLICT', `${why}: none was ${done}.${size === 0 ? '' : hint}`)
}
