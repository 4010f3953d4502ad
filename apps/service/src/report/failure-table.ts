import { printable, type Output } from '../output/output.js'
import { countText, plural } from '../output/amounts.js'
import type { CountedGroup, FailureGroups } from './failure-groups.js'

/** The content of the failure table. */
export interface FailureSummary {
  /** The largest groups, the largest first. */
  readonly groups: readonly CountedGroup[]
  /** The number of groups. */
  readonly groupCount: number
  /** The number of failures, in all groups. */
  readonly failures: number
  /** Failures in evicted groups. If there are any, counts are lower bounds. */
  readonly otherFailures: number
}

/** The largest groups, for {@link failureLines} and {@link failureJson}. */
export function summaryOf(groups: FailureGroups, limit: number): FailureSummary {
  return {
    groups: groups.top(limit),
    groupCount: groups.size,
    failures: groups.failures,
    otherFailures: groups.other.count,
  }
}

/** The failure groups: a table row for each, followed by its message and some ids. Empty without failures. */
export function failureLines(summary: FailureSummary, output: Output): string[] {
  const { groups, failures } = summary
  if (failures === 0) return []
  const table = output.table(
    ['failed', 'share', 'group', 'class', 'exit', 'first seen', 'last seen'],
    groups.map((group) => [
      countText(group.count),
      shareText(group.count, failures),
      group.id,
      printable(group.failureClass ?? '-', 20),
      String(group.exitCode ?? '-'),
      instantText(group.firstAt),
      instantText(group.lastAt),
    ]),
  )
  const [head = '', ...rows] = table.split('\n')
  const lines = groups.flatMap((group, index) => [rows[index] ?? '', ...memberLines(group)])
  return ['', head, ...lines, ...hiddenLines(summary)]
}

function memberLines({ template, count, samples }: CountedGroup): string[] {
  const ids = samples.map((id) => printable(id, 60)).join(', ')
  const lead = count > samples.length ? 'such as ' : ''
  return [`    ${printable(template)}`, `    ${lead}${ids}`]
}

function hiddenLines({ groups, groupCount, failures, otherFailures }: FailureSummary): string[] {
  const hidden = groupCount - groups.length
  const shown = groups.reduce((sum, { count }) => sum + count, 0)
  const more = failures - shown - otherFailures
  return [
    ...(hidden > 0 ? [`… and ${plural(more, 'failure')} in ${plural(hidden, 'more group')}`] : []),
    ...(otherFailures > 0
      ? [
          `… and ${plural(otherFailures, 'failure')} in groups that were not kept: the counts shown are lower bounds`,
        ]
      : []),
  ]
}

/** `60%`; never `0%` for a count above 0, and `100%` only for the whole. */
function shareText(count: number, total: number): string {
  const percent = (count * 100) / total
  if (percent < 1) return '<1%'
  return `${count === total ? 100 : Math.min(99, Math.round(percent))}%`
}

/** To the minute, in UTC: `2026-11-30 01:45Z`. */
function instantText(at: number | undefined): string {
  return at === undefined ? '-' : `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')}Z`
}

/** The same for `--json`; instants are ISO 8601, as in the rows of a report. */
export function failureJson({ groups, groupCount, failures, otherFailures }: FailureSummary) {
  return {
    failures: groups.map(({ id, firstAt, lastAt, count, ...group }) => ({
      group: id,
      count,
      share: Math.round((count * 10_000) / failures) / 10_000,
      ...group,
      ...(firstAt === undefined ? {} : { firstAt: new Date(firstAt).toISOString() }),
      ...(lastAt === undefined ? {} : { lastAt: new Date(lastAt).toISOString() }),
    })),
    failureGroups: groupCount,
    otherFailures,
  }
}
