import { describeConveniences } from '../../manifest/conveniences.js'
import { describeRow } from '../../load/listed-row.js'
import { problemsOf } from '../../load/load-counts.js'
import type { JoblogSummary, LoadSummary, StoppedAt } from '../../load/load-manifest.js'
import { printable } from '../../output/output.js'
import { countText, elapsedText, itemsText, plural, rateText } from '../../output/amounts.js'
import type { CommandContext } from '../../cli/command.js'

const ROW_CHARS = 500

/**
 * Reports the outcomes of the rows, and sets the exit code.
 *
 * @throws the error of the load, after the report
 */
export async function reportLoad(
  summary: LoadSummary,
  context: CommandContext,
  { rejects }: { readonly rejects?: string },
): Promise<void> {
  const { output } = context
  const { counts, problems, failure } = summary
  for (const row of problems) output.note(printable(describeRow(row), ROW_CHARS))
  const hidden = problemsOf(counts) - problems.length
  if (hidden > 0) output.note(`… and ${countText(hidden)} more: ${placeOf(rejects)}`)
  const conveniences = describeConveniences(summary.conveniences)
  if (conveniences !== '') output.note(`Normalized: ${conveniences}`)
  if (counts.rows === 0 && !summary.interrupted && failure === undefined)
    output.note('The manifest has no items.')
  if (summary.manyIds) output.note(MANY_IDS)
  if (summary.joblog !== undefined) noteJoblog(summary.joblog, output)
  const stream = rejects === '-' ? 'stderr' : 'stdout'
  output.print(() => summaryText(summary), summaryJson(summary), stream)
  if (failure !== undefined) throw failure
  if (!summary.checkedOnly) await warnOfRoom(goodRows(summary), context)
  if (summary.interrupted) context.exitWith('INTERRUPTED')
  else if (problemsOf(counts) > 0) context.exitWith('INVALID')
}

function placeOf(rejects: string | undefined): string {
  if (rejects === undefined) return 'use --rejects FILE to get them all'
  return rejects === '-' ? 'all are on standard output' : rejects
}

const MANY_IDS =
  'Too many ids to keep in memory: among the later ones, repeated ids count as same or changed.'

/** The list is stored, and the operator can make room before it runs. */
async function warnOfRoom(items: number, context: CommandContext): Promise<void> {
  const lacking = await context.checkRoom(async () => items)
  if (lacking !== undefined) context.output.warn(`too little room for this list: ${lacking}`)
}

/** The items of the list, without those that are done elsewhere. */
function goodRows({ counts: { rows, refused, duplicate }, joblog }: LoadSummary): number {
  return rows - refused - duplicate - (joblog?.done ?? 0)
}

function summaryText(summary: LoadSummary): string {
  const { stopped } = summary
  const time = `in ${elapsedText(summary.elapsedMs)}`
  const end = summary.checkedOnly
    ? checkedText(summary, time)
    : `${countsText(summary)}, ${time} (${rateText(perMinute(summary))})`
  if (stopped === undefined) return end
  const again = summary.interrupted
    ? ' Run the same command again to add the rest; stored items stay unchanged.'
    : ''
  return `${end}\n${stoppedText(stopped)}${again}`
}

function checkedText({ counts, joblog, interrupted }: LoadSummary, time: string): string {
  const { unstored, duplicate, duplicateChanged, refused, done } = counts
  const goodDone = (joblog?.done ?? 0) - done
  const words = [
    `${plural(unstored, 'valid row')}${doneText(goodDone)}`,
    ...(done === 0 ? [] : [`${countText(done)} ${LEFT_OUT}`]),
    ...(duplicate === 0 ? [] : [duplicateText(duplicate, duplicateChanged)]),
    `${countText(refused)} refused`,
    `${time}.`,
  ]
  return `${words.join(', ')}${interrupted ? ' Interrupted.' : ''} Nothing was stored.`
}

const LEFT_OUT = 'left out as done elsewhere'

function doneText(done: number): string {
  return done === 0 ? '' : ` (${countText(done)} done elsewhere)`
}

function countsText({ counts }: LoadSummary): string {
  const { added, addedDone, same, changed, updated, started, duplicate, duplicateChanged, refused } = counts
  const parts = [
    ...(updated === 0 ? [] : [`${countText(updated)} updated`]),
    ...(started === 0 ? [] : [`${countText(started)} had started`]),
  ]
  const rare = [
    [counts.exists, 'existing (not compared)'],
    [counts.done, LEFT_OUT],
    [counts.unknown, 'unknown'],
    [counts.unstored, 'not stored'],
  ] as const
  const words = [
    `${countText(added)} added${doneText(addedDone)}`,
    `${countText(same)} same`,
    `${countText(changed)} changed${parts.length === 0 ? '' : ` (${parts.join(', ')})`}`,
    duplicateText(duplicate, duplicateChanged),
    `${countText(refused)} refused`,
    ...rare.filter(([count]) => count > 0).map(([count, what]) => `${countText(count)} ${what}`),
  ]
  return `${plural(counts.rows, 'row')}: ${words.join(', ')}`
}

function duplicateText(duplicate: number, changed: number): string {
  return `${countText(duplicate)} duplicate${changed === 0 ? '' : ` (${countText(changed)} with another body)`}`
}

function stoppedText({ source, line, bytes }: StoppedAt): string {
  const where =
    line === 0 ? `before the first row of ${source}` : `after line ${countText(line)} of ${source}`
  return `Stopped ${where} (${plural(bytes, 'byte')} read).`
}

function noteJoblog(joblog: JoblogSummary, output: CommandContext['output']): void {
  output.note(printable(joblogText(joblog), ROW_CHARS))
  const { waiting = 0 } = joblog
  if (waiting > 0)
    output.warn(`done by the joblog and still in WAITING: ${itemsText(waiting)}; ${STILL_WAITING}`)
}

function joblogText({ records, untrusted, unmatched, how }: JoblogSummary): string {
  const parts = [
    plural(records, 'record'),
    ...(untrusted === 0 ? [] : [`${countText(untrusted)} truncated or merged (ignored)`]),
    ...(unmatched === 0 ? [] : [`${plural(unmatched, 'command')} without a row`]),
  ]
  return `joblog (${how}): ${parts.join(', ')}`
}

const STILL_WAITING =
  'an earlier load put them, and they will run again. To mark them as done: sluice pause, sluice rm --stage WAITING, the same load again, sluice resume'

function summaryJson(summary: LoadSummary) {
  const { counts, interrupted, checkedOnly, stopped, failure, manyIds, elapsedMs } = summary
  return {
    ...counts,
    interrupted,
    failed: failure !== undefined,
    checkedOnly,
    ...(stopped === undefined ? {} : { stopped }),
    ...(manyIds ? { manyIds } : {}),
    ...(summary.joblog === undefined ? {} : { joblog: summary.joblog }),
    seconds: Math.round(elapsedMs) / 1_000,
    perSecond: Math.round((perMinute(summary) ?? 0) / 60),
    problems: summary.problems,
    conveniences: summary.conveniences,
  }
}

/** The rate of rows that the storage answered for. */
function perMinute({ counts, elapsedMs }: LoadSummary): number | undefined {
  const { rows, refused, done, unknown, unstored } = counts
  return elapsedMs < 1 ? undefined : ((rows - refused - done - unknown - unstored) * 60_000) / elapsedMs
}
