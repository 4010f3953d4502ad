import { InvalidArgumentError, Option } from '@commander-js/extra-typings'
import type { Queue, Stage } from '@sluice/core'
import { FAILURE_GROUP_ID_CHARS, failureGroupOf, type FailureGroup } from '@sluice/core/backend'
import { CommandError } from '../cli/command-error.js'
import { printable } from '../output/output.js'
import { itemsText } from '../output/amounts.js'
import { pattern, wholeNumber } from '../cli/arguments.js'
import { hasFailed, selectPages, type FailureFilter, type ReadOptions } from './item-selection.js'

/** The values of {@link groupOption} and the options below. */
export interface FailureFlags {
  readonly group?: readonly string[] | undefined
  readonly class?: readonly string[] | undefined
  readonly exitCode?: readonly number[] | undefined
  readonly reasonMatches?: RegExp | undefined
}

/** `--group ID`, repeatable. */
export function groupOption() {
  return new Option(
    '--group <id>',
    'items of this failure group: its id in `sluice report --summary`, or a prefix; repeatable',
  ).argParser((text: string, previous: readonly string[] | undefined) => [
    ...(previous ?? []),
    groupPrefix(text),
  ])
}

/** `--class NAME`, repeatable. */
export function classOption() {
  return new Option(
    '--class <name>',
    'items that failed with this class, such as failed, oom, timeout; repeatable',
  ).argParser((text: string, previous: readonly string[] | undefined) => [...(previous ?? []), text])
}

/** `--exit-code N`, repeatable. */
export function exitCodeOption() {
  const parse = wholeNumber(-2_147_483_648, 4_294_967_295)
  return new Option('--exit-code <n>', 'items whose program ended with this exit code; repeatable').argParser(
    (text: string, previous: readonly number[] | undefined) => [...(previous ?? []), parse(text)],
  )
}

/** `--reason-matches REGEX`. */
export function reasonOption() {
  return new Option(
    '--reason-matches <regex>',
    'items whose reason matches, anywhere and ignoring case',
  ).argParser(pattern)
}

const MIN_PREFIX_CHARS = 4

/** Checks the id of a group, or a prefix. */
function groupPrefix(text: string): string {
  const prefix = text.toLowerCase()
  if (
    /^[0-9a-f]+$/u.test(prefix) &&
    prefix.length >= MIN_PREFIX_CHARS &&
    prefix.length <= FAILURE_GROUP_ID_CHARS
  )
    return prefix
  throw new InvalidArgumentError(
    `It must be ${MIN_PREFIX_CHARS} to ${FAILURE_GROUP_ID_CHARS} leading hexadecimal digits of an id in \`sluice report --summary\`.`,
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

/** Where {@link filterOf} searches for groups. */
export interface FilterOptions extends ReadOptions {
  readonly stages: readonly Stage[]
}

/**
 * The filter of the options, each group by its full id. A prefix is resolved among all items of the stages.
 *
 * @throws CommandError CONFLICT where no group matches a prefix, INVALID where several do
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

/** The groups of the stages' items that match a prefix. */
async function groupsOf(
  queue: Queue,
  prefixes: readonly string[],
  { stages, ...reading }: FilterOptions,
): Promise<readonly FoundGroup[]> {
  const found = new Map<string, FoundGroup>()
  for (const stage of stages) {
    for await (const items of selectPages(queue, { stage }, reading)) {
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
      `No item in ${stages.join(' or ')} is in a failure group with the id prefix ${prefix}. \`sluice report --summary\` lists the groups.`,
    )
  }
  if (others.length === 0) return first.group.id
  const lines = [first, ...others]
    .toSorted((a, b) => b.count - a.count)
    .map(({ group, count }) => `  ${group.id}  ${itemsText(count)}  ${printable(group.template, 100)}`)
  throw new CommandError(
    'INVALID',
    `Several groups have the id prefix ${prefix}: use a longer one.\n${lines.join('\n')}`,
  )
}

/**
 * The error of a command whose filter matches nothing, which is usually a mistake.
 *
 * @param done the participle for the message, such as `requeued`
 */
export async function nothingMatches(
  queue: Queue,
  flags: FailureFlags,
  { stages, done }: { readonly stages: readonly Stage[]; readonly done: string },
): Promise<CommandError> {
  const sizes = await queue.sizes()
  const size = stages.reduce((sum, stage) => sum + sizes[stage], 0)
  const hint = stages.includes('FAIL') ? ' `sluice report --summary` lists the failure groups.' : ''
  const where = `${stages.join(' and ')} of ${printable(queue.name)}`
  const none = size === 0 ? `No item is in ${where}, so none` : `Of ${itemsText(size)} in ${where} none`
  const why = `${none} matches ${flagsText(flags)}`
  return new CommandError('CONFLICT', `${why}: none was ${done}.${size === 0 ? '' : hint}`)
}
