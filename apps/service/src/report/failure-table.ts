import { printable, type Output } from '../output.js'
import { countText } from '../progress/progress-text.js'
import type { ReportSummary } from './report-summary.js'

/** The groups of failures as a table, or nothing when there are none. */
export function failureLines(summary: Omit<ReportSummary, 'sizes'>, output: Output): string[] {
  if (summary.failures.length === 0) return []
  const rows = summary.failures.map((group) => [
    countText(group.count),
    printable(group.reason, 100),
    printable(group.example, 60),
  ])
  const hidden = summary.failureGroups - summary.failures.length
  const more = hidden > 0 ? [`… and ${countText(hidden)} more ${hidden === 1 ? 'reason' : 'reasons'}`] : []
  return ['', output.table(['failed', 'reason', 'for example'], rows), ...more]
}
