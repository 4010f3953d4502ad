import { resolve } from 'node:path'
import { Option } from '@commander-js/extra-typings'
import { CommandError } from '../command-error.js'
import type { LoadManifestOptions, LoadSummary } from '../manifest/load-manifest.js'
import { describeRefusal, MANIFEST_FORMATS, type ManifestFormat } from '../manifest/manifest-entry.js'
import { keepYoungHeapSmall } from '../heap-growth.js'
import { printable } from '../output.js'
import { countText, elapsedText, plural, rateText } from '../progress/progress-text.js'
import { helpNotes, type CommandContext, type Program } from './command.js'

interface LoadFlags {
  format?: ManifestFormat
  idField?: string
  idColumn?: string
  priorityField?: string
  priorityColumn?: string
  typed?: true
  delimiter?: string
  strict?: true
  dryRun?: true
  rejects?: string
}

const EXAMPLES = [
  'sluice load tiles.jsonl',
  'sluice load samples.csv --id-column sample --typed',
  'find /data -name "*.tif" | sluice load - --format lines',
]

const NOTES = `
Formats:
  jsonl  {"id": "a", "body": …, "priority"?: 0, "notBeforeAt"?: ms, "delayMs"?: ms} on each line;
         with --id-field any object, which then is the whole body
  csv    a header row; the other columns are the fields of the body
  lines  the line is the id, the body is {"line": "…"}
Gzip is unpacked. Order is kept. Items that are in the queue already are skipped, so loading again is safe.
Good lines are stored and bad ones reported: a long list starts at once, and its few bad lines can be loaded later.
With --strict one bad line stores nothing.`

/** Registers `sluice load`. */
export function registerLoad(program: Program, context: CommandContext): void {
  program
    .command('load')
    .description('Put the items of a manifest into the queue')
    .argument('<file>', 'JSON lines, CSV or plain lines; - for standard input')
    .addOption(formatOption())
    .option('--id-field <name>', 'JSON lines: the field of the ids; the whole object is the body')
    .option('--id-column <name>', 'CSV: the column of the ids (default: "id")')
    .option('--priority-field <name>', 'JSON lines with --id-field: the field of the priorities')
    .option('--priority-column <name>', 'CSV: the column of the priorities')
    .option('--typed', 'CSV: numbers, true, false and null become JSON values (default: all strings)')
    .option('--delimiter <char>', 'CSV: what stands between values (default: a comma; a tab for .tsv)')
    .option('--strict', 'store nothing when a single line is bad (reads the manifest twice)')
    .option('--dry-run', 'only check the manifest; needs no queue')
    .option('--rejects <file>', 'write every refused line as JSON: line, field, reason')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'UNAVAILABLE', 'DENIED', 'INTERRUPTED']))
    .action((file, flags) => load(file, flags, context))
}

/** `--format` of a manifest. */
function formatOption() {
  return new Option(
    '--format <format>',
    'the format (default: by the name; standard input is jsonl)',
  ).choices(MANIFEST_FORMATS)
}

async function load(file: string, flags: LoadFlags, context: CommandContext): Promise<void> {
  const [{ loadManifest }, { findManifest }] = await Promise.all([
    import('../manifest/load-manifest.js'),
    import('../manifest/manifest-source.js'),
  ])
  keepYoungHeapSmall()
  const path = file === '-' ? file : resolve(context.cwd, file)
  // Before its name is asked for the format: that a directory has none is not what is wrong with it.
  if (path !== '-') await findManifest(path)
  const options = await optionsOf(file, flags, context)
  // Before anything is taken: a worker that is configured wrongly would never start what is loaded.
  if (flags.dryRun !== true) await context.checkWorkerOptions()
  const queue = flags.dryRun === true ? undefined : await context.openQueue({ make: true, brief: false })
  const summary = await loadManifest(path, queue, options)
  report(summary, { context, flags })
  if (!summary.checkedOnly) await warnOfRoom(summary, context)
  if (summary.interrupted) context.exitWith('INTERRUPTED')
  else if (summary.refused > 0) context.exitWith('INVALID')
}

async function optionsOf(
  file: string,
  flags: LoadFlags,
  context: CommandContext,
): Promise<LoadManifestOptions> {
  const { formatOfPath } = await import('../manifest/manifest-format.js')
  const { createProgress } = await import('../progress/progress.js')
  const { output } = context
  const format = flags.format ?? formatOfPath(file)
  assertFits(flags, format)
  const idField = flags.idField ?? flags.idColumn
  const priorityField = flags.priorityField ?? flags.priorityColumn
  return {
    format,
    ...(idField === undefined ? {} : { idField }),
    ...(priorityField === undefined ? {} : { priorityField }),
    ...(flags.delimiter === undefined ? {} : { delimiter: delimiterOf(flags.delimiter) }),
    ...(flags.rejects === undefined ? {} : { rejects: resolve(context.cwd, flags.rejects) }),
    typed: flags.typed ?? false,
    strict: flags.strict ?? false,
    signal: context.interrupted(),
    stdin: context.stdin,
    ...(output.json
      ? {}
      : {
          progress: (label, total) =>
            createProgress({ ...shown(output, label), ...(total === undefined ? {} : { total }) }),
        }),
  }
}

function shown(output: CommandContext['output'], label: string) {
  return { label, unit: 'items', stream: output.stderr }
}

/** A flag for another format would be ignored in silence, and the body be another than was meant. */
function assertFits(flags: LoadFlags, format: ManifestFormat): void {
  const csv: readonly (keyof LoadFlags)[] = ['idColumn', 'priorityColumn', 'typed', 'delimiter']
  const jsonl: readonly (keyof LoadFlags)[] = ['idField', 'priorityField']
  for (const [names, wanted] of [
    [csv, 'csv'],
    [jsonl, 'jsonl'],
  ] as const) {
    const wrong = names.find((name) => flags[name] !== undefined)
    if (wrong === undefined || format === wanted) continue
    throw new CommandError(
      'INVALID',
      `${flagOf(wrong)} is for --format ${wanted}; this manifest is read as ${format}`,
    )
  }
  if (flags.priorityField !== undefined && flags.idField === undefined) {
    throw new CommandError('INVALID', '--priority-field needs --id-field; without it the field is `priority`')
  }
}

function flagOf(name: string): string {
  return `--${name.replaceAll(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`)}`
}

function delimiterOf(given: string): string {
  const delimiter = given === '\\t' || given === 'tab' ? '\t' : given
  if (/^.$/u.test(delimiter) && !'"\r\n'.includes(delimiter)) return delimiter
  throw new CommandError('INVALID', '--delimiter must be one character, and not a quote or a line end')
}

function report(summary: LoadSummary, at: { context: CommandContext; flags: LoadFlags }): void {
  const { output } = at.context
  for (const refusal of summary.refusals) output.note(printable(describeRefusal(refusal), 500))
  const hidden = summary.refused - summary.refusals.length
  if (hidden > 0) {
    const where = at.flags.rejects ?? 'give --rejects FILE to get them all'
    output.note(`… and ${countText(hidden)} more: ${where}`)
  }
  if (summary.good === 0 && summary.refused === 0 && !summary.interrupted)
    output.note('The manifest has no items.')
  output.print(() => summaryText(summary), summaryJson(summary))
}

/** The list is stored: what the worker has too little room for can be made before it runs. */
async function warnOfRoom({ good }: LoadSummary, context: CommandContext): Promise<void> {
  const lacking = await context.checkRoom(async () => good)
  if (lacking !== undefined) context.output.warn(`too little room for this list: ${lacking}`)
}

function summaryText(summary: LoadSummary): string {
  const refused = countText(summary.refused)
  const time = `in ${elapsedText(summary.elapsedMs)}`
  if (summary.checkedOnly) {
    const first = `${plural(summary.good, 'good line')}, ${refused} refused, ${time}.`
    const stopped = summary.interrupted ? ' Stopped before the end.' : ''
    return `${first}${stopped} Nothing was stored.`
  }
  const { added, skipped } = summary
  const counts = `${countText(added)} added, ${countText(skipped)} skipped, ${refused} refused`
  const text = `${counts}, ${time} (${rateText(perMinute(summary))})`
  if (!summary.interrupted) return text
  return `${text}\nStopped before the end. Run the same command again to add the rest: what is in is skipped.`
}

function summaryJson(summary: LoadSummary) {
  const { added, skipped, refused, good, interrupted, checkedOnly, elapsedMs, refusals } = summary
  const seconds = Math.round(elapsedMs) / 1_000
  const rate = Math.round((perMinute(summary) ?? 0) / 60)
  return { added, skipped, refused, good, interrupted, checkedOnly, seconds, perSecond: rate, refusals }
}

function perMinute({ good, elapsedMs }: LoadSummary): number | undefined {
  return elapsedMs < 1 ? undefined : (good * 60_000) / elapsedMs
}
