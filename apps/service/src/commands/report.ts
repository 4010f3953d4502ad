import { resolve } from 'node:path'
import { Option } from '@commander-js/extra-typings'
import { isStage, STAGES, type Queue, type Stage } from '@sluice/core'
import { CommandError } from '../command-error.js'
import { printable, type Output } from '../output.js'
import { countText, plural } from '../progress/progress-text.js'
import { failureLines } from '../report/failure-table.js'
import { REPORT_COLUMNS } from '../report/report-columns.js'
import type { ReportSummary } from '../report/report-summary.js'
import type { ReportFormat, WriteReportOptions } from '../report/report-writer.js'
import { helpNotes, type CommandContext, type Program } from './command.js'

interface ReportFlags {
  out?: string
  format?: ReportFormat
  stage?: Stage[]
  columns?: string[]
  escapeFormulas?: true
  summary?: true
}

const EXAMPLES = [
  'sluice report --out outcomes.csv',
  'sluice report --stage FAIL --format jsonl | jq .reason',
  'sluice report --columns stage,result.sha256,result.size',
  'sluice report --summary',
]

const NOTES = `
Columns: ${REPORT_COLUMNS.join(', ')};
without --columns all but uid, priority and body. result, details and body are JSON text in a CSV, and a field of them
is a column of its own as in result.sha256. Without --escape-formulas values are as they are: a spreadsheet would take one
that begins with = + - or @ for a formula.
durationMs is the time from the item's latest claim to its outcome in the queue: besides the job's own run it has the wait
for the job to start and for the service to see its end. details.durationMs is the job's own, if the worker tells it.`

/** Registers `sluice report`. */
export function registerReport(program: Program, context: CommandContext): void {
  program
    .command('report')
    .description('Write the outcomes as CSV or JSON lines, or sum them up')
    .option('-o, --out <file>', 'write to a file, whole or not at all (default: standard output)')
    .addOption(formatOption())
    .option('--stage <stages>', 'which stages, separated by commas (default: SUCCESS,FAIL)', parseStages)
    .option('--columns <names>', 'which columns, separated by commas; the id always comes first', parseNames)
    .option('--escape-formulas', "CSV: put a ' before values that a spreadsheet would take for a formula")
    .option('--summary', 'counts of the stages, and failures grouped by reason, instead')
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

function parseStages(text: string): Stage[] {
  return parseNames(text).map((name) => {
    const stage = name.toUpperCase()
    if (isStage(stage)) return stage
    throw new CommandError('INVALID', `--stage: ${printable(name)} is none of ${STAGES.join(', ')}`)
  })
}

async function report(flags: ReportFlags, context: CommandContext): Promise<void> {
  const signal = context.interrupted()
  try {
    if (flags.summary === true) await printSummary(await context.openQueue({ reading: true }), context)
    else await writeOutcomes(flags, context)
  } catch (error) {
    if (!signal.aborted) throw error
    throw new CommandError('INTERRUPTED', 'Stopped before the report was whole.')
  }
}

async function writeOutcomes(flags: ReportFlags, context: CommandContext): Promise<void> {
  const { chooseColumns } = await import('../report/report-columns.js')
  const { reportRows } = await import('../report/report-rows.js')
  const { writeReport } = await import('../report/report-writer.js')
  const { writeFileWhole } = await import('../report/report-file.js')
  const signal = context.interrupted()
  const options: WriteReportOptions = {
    format: flags.format ?? formatOf(flags.out, context.output),
    columns: chooseColumns(flags.columns),
    escapeFormulas: flags.escapeFormulas ?? false,
    signal,
  }
  const items = reportRows(await context.openQueue({ reading: true }), flags.stage, signal)
  const { output } = context
  const { out } = flags
  if (out === undefined) {
    await writeReport(items, output.stdout, { ...options, keepOpen: true })
    return
  }
  const path = resolve(context.cwd, out)
  const rows = await writeFileWhole(path, (file) => writeReport(items, file, options))
  output.print(`${plural(rows, 'row')} in ${printable(out)}`, { rows, out, format: options.format })
}

function formatOf(out: string | undefined, output: Output): ReportFormat {
  if (out === undefined) return output.json ? 'jsonl' : 'csv'
  return /\.(?:jsonl|ndjson|json)$/iu.test(out) ? 'jsonl' : 'csv'
}

async function printSummary(queue: Queue, context: CommandContext): Promise<void> {
  const { summarize } = await import('../report/report-summary.js')
  const summary = await summarize(queue, context.interrupted())
  context.output.print(() => summaryText(summary, context.output), summary)
}

/** The counts, then the failures by reason, as tables. */
function summaryText(summary: ReportSummary, output: Output): string {
  const counts = STAGES.map((stage) => [stage, countText(summary.sizes[stage])])
  return [output.table(['stage', 'items'], counts), ...failureLines(summary, output)].join('\n')
}
