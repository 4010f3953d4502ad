import { resolve } from 'node:path'
import { Option } from '@commander-js/extra-typings'
import { isStage, STAGES, type ItemRecord, type Queue, type Stage } from '@sluice/core'
import { CommandError, untilInterrupted } from '../../cli/command-error.js'
import { printable, type Output } from '../../output/output.js'
import { assertReplaceable } from '../../output/replaceable-file.js'
import { countText, plural } from '../../output/amounts.js'
import { failureJson, failureLines } from '../../report/failure-table.js'
import { REPORT_COLUMNS, type ReportColumn } from '../../report/report-columns.js'
import { overrideLines } from '../../report/override-hours.js'
import type { ReportSummary } from '../../report/report-rows.js'
import type { ReportFormat, WriteReportOptions } from '../../report/report-writer.js'
import { wholeNumber } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'
import {
  classOption,
  exitCodeOption,
  filterOf,
  groupOption,
  isFiltered,
  nothingMatches,
  reasonOption,
  type FailureFlags,
} from '../../items/failure-filter.js'
import { isSelected } from '../../items/item-selection.js'

interface ReportFlags extends FailureFlags {
  readonly out?: string | undefined
  readonly format?: ReportFormat | undefined
  readonly stage?: Stage[] | undefined
  readonly columns?: string[] | undefined
  readonly escapeFormulas?: true | undefined
  readonly summary?: true | undefined
  readonly limit?: number | undefined
}

const EXAMPLES = [
  'sluice report --out outcomes.csv',
  'sluice report --stage FAIL --format jsonl | jq .reason',
  'sluice report --columns stage,result.sha256,\'body["file.path"]\'',
  'sluice report --out - --stage FAIL | head',
  'sluice report --summary',
  'sluice report --group 67e188c0 --out disk-full.csv',
]

const NOTES = `
Columns: ${REPORT_COLUMNS.join(', ')};
the default is all but group, jobUid, uid, priority and body. In a CSV, result, details and body are JSON text; a field of them can be a
column, such as result.sha256 or body["file.path"]. A CSV quotes every text and no number. Without --escape-formulas values are unchanged: a
spreadsheet evaluates one that begins with = + - or @ as a formula.
durationMs is the time from the item's latest claim to its outcome in the queue: it includes the wait for the job to start and for the
service to see its end. details.durationMs is the job's own, where the worker reports it.
--group, --class, --exit-code and --reason-matches apply to items in FAIL, unless --stage is set; an item must match each of them.
--summary groups failures by class, exit code and the most specific line of the reason, without what differs between items: ids, numbers,
paths, dates. \`requeue --group\` and \`rm --group\` take the id of a group. Where retry rules escalate a parameter, and without a filter, it
also reads SUCCESS and adds up the attempts, job hours and GiB hours at each value.`

/** Registers `sluice report`. */
export function registerReport(program: Program, context: CommandContext): void {
  program
    .command('report')
    .description('Write the outcomes as CSV or JSON lines, or a summary of them')
    .option(
      '-o, --out <file>',
      'the file, written completely or not at all; - is standard output (default: -)',
    )
    .addOption(formatOption())
    .option('--stage <stages>', 'the stages, separated by commas (default: SUCCESS,FAIL)', parseStages)
    .option('--columns <names>', 'the columns, separated by commas; the id always comes first', splitNames)
    .option('--escape-formulas', "CSV: put a ' before values that a spreadsheet would evaluate as a formula")
    .option('--summary', 'instead: the counts of the stages, and the largest failure groups')
    .option('-n, --limit <n>', 'with --summary: the most groups; 0 for all (default: 20)', wholeNumber(0))
    .addOption(groupOption())
    .addOption(classOption())
    .addOption(exitCodeOption())
    .addOption(reasonOption())
    .addHelpText('after', NOTES)
    .addHelpText(
      'after',
      helpNotes(EXAMPLES, ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'DENIED', 'INTERRUPTED']),
    )
    .action((flags) => report(flags, context))
}

function formatOption() {
  const text = 'the format (default: by the file name, else csv; with --json jsonl)'
  return new Option('--format <format>', text).choices(['csv', 'jsonl'] as const)
}

function parseNames(text: string): string[] {
  return text.split(',').map((name) => name.trim())
}

/** A comma within quotes is part of a name, as in `body["a,b"]`. */
const NAME = /(?:[^,"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|["'])*/suy

function splitNames(text: string): string[] {
  const names: string[] = []
  for (let at = 0; at <= text.length;) {
    NAME.lastIndex = at
    const name = NAME.exec(text)?.[0] ?? ''
    names.push(name.trim())
    at += name.length + 1
  }
  return names
}

function parseStages(text: string): Stage[] {
  return parseNames(text).map((name) => {
    const stage = name.toUpperCase()
    if (isStage(stage)) return stage
    throw new CommandError('INVALID', `--stage: ${printable(name)} is not one of ${STAGES.join(', ')}`)
  })
}

async function report(flags: ReportFlags, context: CommandContext): Promise<void> {
  if (flags.limit !== undefined && flags.summary !== true)
    throw new CommandError('INVALID', '--limit needs --summary.')
  // Before the queue is opened: an unknown name is a usage error, whatever the queue contains.
  const { chooseColumns } = await import('../../report/report-columns.js')
  const columns = chooseColumns(flags.columns)
  await untilInterrupted(context, 'Interrupted before the report was complete.', async () => {
    const queue = await context.openQueue({ reading: true })
    if (flags.summary === true) await printSummary(queue, flags, context)
    else await writeOutcomes(queue, { ...flags, columns }, context)
  })
}

/** A summary and a filter apply to FAIL, unless --stage is set. */
function stagesOf({ stage, summary }: ReportFlags): readonly Stage[] {
  return summary === true || stage === undefined ? ['FAIL'] : stage
}

/** Whether an item matches the filters; `undefined` without filters. */
async function wantedOf(
  queue: Queue,
  flags: ReportFlags,
  context: CommandContext,
): Promise<((item: ItemRecord) => boolean) | undefined> {
  if (!isFiltered(flags)) return undefined
  const { runtime } = context
  const reading = { stages: stagesOf(flags), runtime, signal: context.interrupted() }
  const filter = await filterOf(queue, flags, reading)
  return (item) => isSelected(item, filter)
}

async function writeOutcomes(
  queue: Queue,
  { columns, ...flags }: Omit<ReportFlags, 'columns'> & { readonly columns: readonly ReportColumn[] },
  context: CommandContext,
): Promise<void> {
  const { writeReport } = await import('../../report/report-writer.js')
  const { writeFileWhole } = await import('../../output/whole-file.js')
  const signal = context.interrupted()
  const out = flags.out === '-' ? undefined : flags.out
  const fields = watchFields(columns)
  const options: WriteReportOptions = {
    format: flags.format ?? formatOf(out, context.output),
    columns: fields.watched,
    escapeFormulas: flags.escapeFormulas ?? false,
    signal,
  }
  const items = await rowsOf(queue, flags, context)
  const { output } = context
  if (out === undefined) {
    const rows = await writeReport(items, output.stdout, { ...options, keepOpen: true })
    warnOfMissing(fields.missing(), rows, output)
    return
  }
  const path = resolve(context.cwd, out)
  const { file } = await context.config()
  await assertReplaceable(path, 'the report', file === undefined ? [] : [file])
  const rows = await writeFileWhole(path, (file) => writeReport(items, file, options))
  output.print(`${plural(rows, 'row')} in ${printable(out)}`, { rows, out, format: options.format })
  warnOfMissing(fields.missing(), rows, output)
}

/** Only the items know which fields exist: one that no item has is probably mistyped. */
function watchFields(columns: readonly ReportColumn[]): {
  readonly watched: readonly ReportColumn[]
  missing(): string[]
} {
  const missing = new Set(columns.filter(({ isField }) => isField).map(({ name }) => name))
  const watched = columns.map((column) => ({
    ...column,
    value: (item: ItemRecord) => {
      const value = column.value(item)
      if (value !== undefined) missing.delete(column.name)
      return value
    },
  }))
  return { watched, missing: () => [...missing] }
}

function warnOfMissing(missing: readonly string[], rows: number, output: Output): void {
  if (missing.length > 0 && rows > 0)
    output.warn(`no item of this report has ${missing.map((name) => printable(name)).join(', ')}`)
}

/**
 * The items to report.
 *
 * @throws CommandError CONFLICT where a filter matches nothing, before any file is touched
 */
async function rowsOf(
  queue: Queue,
  flags: ReportFlags,
  context: CommandContext,
): Promise<AsyncIterable<ItemRecord>> {
  const { reportRows } = await import('../../report/report-rows.js')
  const reading = { runtime: context.runtime, signal: context.interrupted() }
  const isWanted = await wantedOf(queue, flags, context)
  if (isWanted === undefined) return reportRows(queue, { ...reading, stages: flags.stage })
  const rows = filtered(reportRows(queue, { ...reading, stages: stagesOf(flags) }), isWanted)
  const first = await rows.next()
  if (first.done === true)
    throw await nothingMatches(queue, flags, { stages: stagesOf(flags), done: 'reported' })
  return startingWith(first.value, rows)
}

async function* filtered(
  items: AsyncIterable<ItemRecord>,
  isWanted: (item: ItemRecord) => boolean,
): AsyncGenerator<ItemRecord, undefined> {
  for await (const item of items) if (isWanted(item)) yield item
}

async function* startingWith(first: ItemRecord, rest: AsyncIterable<ItemRecord>): AsyncGenerator<ItemRecord> {
  yield first
  yield* rest
}

function formatOf(out: string | undefined, output: Output): ReportFormat {
  if (out === undefined) return output.json ? 'jsonl' : 'csv'
  return /\.(?:jsonl|ndjson|json)$/iu.test(out) ? 'jsonl' : 'csv'
}

const SHOWN_GROUPS = 20

async function printSummary(queue: Queue, flags: ReportFlags, context: CommandContext): Promise<void> {
  const { summarize } = await import('../../report/report-rows.js')
  const { escalated } = await import('../../run/retry-options.js')
  const { runtime } = context
  const signal = context.interrupted()
  const isWanted = await wantedOf(queue, flags, context)
  const { limit = SHOWN_GROUPS } = flags
  const summary = await summarize(queue, {
    limit: limit === 0 ? Number.POSITIVE_INFINITY : limit,
    runtime,
    signal,
    ...(isWanted === undefined ? { escalated: escalated((await context.config()).config) } : { isWanted }),
  })
  if (isWanted !== undefined && summary.failures === 0)
    throw await nothingMatches(queue, flags, { stages: stagesOf(flags), done: 'reported' })
  context.output.print(() => summaryText(summary, context.output), {
    sizes: summary.sizes,
    failed: summary.failures,
    ...(summary.leftOut === undefined ? {} : { leftOut: summary.leftOut }),
    ...(summary.overrides.length === 0 ? {} : { overrides: summary.overrides }),
    ...failureJson(summary),
  })
}

/** The counts, then the failure groups. */
function summaryText(summary: ReportSummary, output: Output): string {
  const counts = STAGES.map((stage) => [stage, countText(summary.sizes[stage])])
  return [
    output.table(['stage', 'items'], counts),
    ...leftOutLines(summary),
    ...overrideLines(summary.overrides, output),
    ...failureLines(summary, output),
  ].join('\n')
}

/** The count is stored separately, so that no item has to be read for it. */
function leftOutLines({ leftOut }: ReportSummary): string[] {
  if (leftOut === undefined) return []
  const what = `${plural(leftOut.count, 'outcome')} so far not stored in full, such as a result that is too large or not JSON`
  return [
    '',
    `${what}; the latest: ${printable(leftOut.example, 60)}`,
    `    why: sluice show ID; which: ${LIST_LEFT_OUT}`,
  ]
}

const LIST_LEFT_OUT =
  'sluice report --columns stage,details.leftOut --format jsonl | jq -c \'select(."details.leftOut")\''
