import { resolve } from 'node:path'
import { Option } from '@commander-js/extra-typings'
import { isStage, STAGES, type ItemRecord, type Queue, type Stage } from '@sluice/core'
import { CommandError } from '../../cli/command-error.js'
import { printable, type Output } from '../../output/output.js'
import { assertReplaceable } from '../../output/replaceable-file.js'
import { countText, plural } from '../../output/amounts.js'
import { failureJson, failureLines } from '../../report/failure-table.js'
import { REPORT_COLUMNS, type ReportColumn } from '../../report/report-columns.js'
import type { ReportSummary } from '../../report/report-summary.js'
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
without --columns all but group, jobUid, uid, priority and body. result, details and body are JSON text in a CSV, and a field of them
is a column of its own as in result.sha256 or body["file.path"]. In a CSV every text is in quotes and numbers are not. Without --escape-formulas values are as they are: a spreadsheet would take one
that begins with = + - or @ for a formula.
durationMs is the time from the item's latest claim to its outcome in the queue: besides the job's own run it has the wait
for the job to start and for the service to see its end. details.durationMs is the job's own, if the worker tells it.
--group, --class, --exit-code and --reason-matches are about items in FAIL unless --stage says otherwise; an item must match each that is given.
--summary groups failures by class, exit code and the line of the reason that says most, without what is peculiar to one item: ids, numbers,
paths, dates. The id of a group is what \`requeue --group\` and \`rm --group\` take.`

/** Registers `sluice report`. */
export function registerReport(program: Program, context: CommandContext): void {
  program
    .command('report')
    .description('Write the outcomes as CSV or JSON lines, or sum them up')
    .option('-o, --out <file>', 'write to a file, whole or not at all; - is standard output (default: -)')
    .addOption(formatOption())
    .option('--stage <stages>', 'which stages, separated by commas (default: SUCCESS,FAIL)', parseStages)
    .option('--columns <names>', 'which columns, separated by commas; the id always comes first', splitNames)
    .option('--escape-formulas', "CSV: put a ' before values that a spreadsheet would take for a formula")
    .option('--summary', 'counts of the stages, and the largest groups of failures, instead')
    .option(
      '-n, --limit <n>',
      'with --summary: at most so many groups; 0 for all (default: 20)',
      wholeNumber(0),
    )
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
  const text = "the format (default: by the file's name, else csv; with --json jsonl)"
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
    throw new CommandError('INVALID', `--stage: ${printable(name)} is none of ${STAGES.join(', ')}`)
  })
}

async function report(flags: ReportFlags, context: CommandContext): Promise<void> {
  if (flags.limit !== undefined && flags.summary !== true)
    throw new CommandError('INVALID', '--limit is for --summary.')
  // Before the queue is opened: a wrong name is a mistake of the command line, whatever is in the queue.
  const { chooseColumns } = await import('../../report/report-columns.js')
  const columns = chooseColumns(flags.columns)
  const signal = context.interrupted()
  try {
    const queue = await context.openQueue({ reading: true })
    if (flags.summary === true) await printSummary(queue, flags, context)
    else await writeOutcomes(queue, { ...flags, columns }, context)
  } catch (error) {
    if (!signal.aborted) throw error
    throw new CommandError('INTERRUPTED', 'Stopped before the report was whole.')
  }
}

/** A summary is of failures alone, and so is what is filtered, unless a stage is given. */
function stagesOf({ stage, summary }: ReportFlags): readonly Stage[] {
  return summary === true || stage === undefined ? ['FAIL'] : stage
}

/** Which items the filters let through; `undefined` without any. */
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
  const items = await rowsOf(queue, flags, signal)
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

/** Which fields there are only the items say: one that none has is probably mistyped. */
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
 * @throws CommandError CONFLICT when there is a filter that lets none through: before any file is touched
 */
async function rowsOf(
  queue: Queue,
  flags: ReportFlags,
  signal: AbortSignal,
): Promise<AsyncIterable<ItemRecord>> {
  const { reportRows } = await import('../../report/report-rows.js')
  const isWanted = await wantedOf(queue, flags, context)
  if (isWanted === undefined) return reportRows(queue, flags.stage, signal)
  const rows = filtered(reportRows(queue, stagesOf(flags), signal), isWanted)
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
  const { summarize } = await import('../../report/report-summary.js')
  const signal = context.interrupted()
  const isWanted = await wantedOf(queue, flags, context)
  const { limit = SHOWN_GROUPS } = flags
  const summary = await summarize(queue, {
    limit: limit === 0 ? Number.POSITIVE_INFINITY : limit,
    signal,
    ...(isWanted === undefined ? {} : { isWanted }),
  })
  if (isWanted !== undefined && summary.failures === 0)
    throw await nothingMatches(queue, flags, { stages: stagesOf(flags), done: 'reported' })
  context.output.print(() => summaryText(summary, context.output), {
    sizes: summary.sizes,
    failed: summary.failures,
    ...(summary.leftOut === undefined ? {} : { leftOut: summary.leftOut }),
    ...failureJson(summary),
  })
}

/** The counts, then the failures by their groups. */
function summaryText(summary: ReportSummary, output: Output): string {
  const counts = STAGES.map((stage) => [stage, countText(summary.sizes[stage])])
  return [
    output.table(['stage', 'items'], counts),
    ...leftOutLines(summary),
    ...failureLines(summary, output),
  ].join('\n')
}

/** Which they are only the items say: the count is kept apart, so that none has to be read for it. */
function leftOutLines({ leftOut }: ReportSummary): string[] {
  if (leftOut === undefined) return []
  const what = `${plural(leftOut.count, 'outcome')} so far could not be kept whole, such as a result that is too large or no JSON`
  return [
    '',
    `${what}; the latest is that of ${printable(leftOut.example, 60)}`,
    `    why: sluice show ID; which: ${LIST_LEFT_OUT}`,
  ]
}

const LIST_LEFT_OUT =
  'sluice report --columns stage,details.leftOut --format jsonl | jq -c \'select(."details.leftOut")\''
