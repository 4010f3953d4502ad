import { resolve } from 'node:path'
import type { LoadManifestOptions, LoadSummary } from '../manifest/load-manifest.js'
import { describeConveniences } from '../manifest/conveniences.js'
import { describeRefusal } from '../manifest/manifest-entry.js'
import { readingOf, withReadingFlags, type ReadingFlags } from '../manifest/reading-flags.js'
import { keepYoungHeapSmall } from '../heap-growth.js'
import { printable } from '../output.js'
import { countText, elapsedText, plural, rateText } from '../progress/progress-text.js'
import { helpNotes, type CommandContext, type Program } from './command.js'

interface LoadFlags extends ReadingFlags {
  readonly strict?: true | undefined
  readonly dryRun?: true | undefined
  readonly rejects?: string | undefined
}

const EXAMPLES = [
  'sluice load tiles.jsonl',
  'sluice load samples.csv --id-column sample,lane --typed',
  "sluice load items.json --path '$.features[*]'",
  'find /data -name "*.tif" -print0 | sluice load - -0',
]

const NOTES = `
Formats:
  jsonl  {"id": "a", "body": …, "priority"?: 0, "notBeforeAt"?: ms, "delayMs"?: ms} on each line, if the first line
         has a body; else the whole object is the body, and has the field id
  csv    a header row; the other columns are the fields of the body. RFC 4180; tsv: tabs, and no quotes
  lines  the line is the id, the body is {"line": "…"}
Gzip is unpacked. Order is kept. Items that are in the queue already are skipped, so loading again is safe.
Good lines are stored and bad ones reported: a long list starts at once, and its few bad lines can be loaded later.
With --strict one bad line stores nothing. The flags for what pandas, DuckDB, polars, Spark, MySQL, psql and Excel write
are in docs/manifests.md.`

/** Registers `sluice load`. */
export function registerLoad(program: Program, context: CommandContext): void {
  withReadingFlags(
    program
      .command('load')
      .description('Put the items of a manifest into the queue')
      .argument('<files...>', 'JSON lines, CSV or plain lines; - for standard input'),
  )
    .option('--strict', 'store nothing when a single line is bad (reads the manifest twice)')
    .option('--dry-run', 'only check the manifest; needs no queue')
    .option('--rejects <file>', 'write every refused line as JSON: source, line, field, reason')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'UNAVAILABLE', 'DENIED', 'INTERRUPTED']))
    .action((files, flags) => load(files, flags, context))
}

async function load(files: readonly string[], flags: LoadFlags, context: CommandContext): Promise<void> {
  const [{ loadManifest }, { findManifest }] = await Promise.all([
    import('../manifest/load-manifest.js'),
    import('../manifest/manifest-source.js'),
  ])
  keepYoungHeapSmall()
  // Before their names are held against the flags: that a directory has no format is not what is wrong with it.
  for (const file of files) if (file !== '-') await findManifest(resolve(context.cwd, file))
  const options = await optionsOf(files, flags, context)
  // Before anything is taken: a worker that is configured wrongly would never start what is loaded.
  if (flags.dryRun !== true) await context.checkWorkerOptions()
  const queue = flags.dryRun === true ? undefined : await context.openQueue({ make: true, brief: false })
  const summary = await loadManifest(files, queue, options)
  report(summary, { context, flags })
  if (!summary.checkedOnly) await warnOfRoom(summary, context)
  if (summary.interrupted) context.exitWith('INTERRUPTED')
  else if (summary.refused > 0) context.exitWith('INVALID')
}

async function optionsOf(
  files: readonly string[],
  flags: LoadFlags,
  context: CommandContext,
): Promise<LoadManifestOptions> {
  const { createProgress } = await import('../progress/progress.js')
  const { output } = context
  return {
    reading: readingOf(files, flags),
    cwd: context.cwd,
    ...(flags.rejects === undefined ? {} : { rejects: resolve(context.cwd, flags.rejects) }),
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

function report(summary: LoadSummary, at: { context: CommandContext; flags: LoadFlags }): void {
  const { output } = at.context
  for (const refusal of summary.refusals) output.note(printable(describeRefusal(refusal), 500))
  const hidden = summary.refused - summary.refusals.length
  if (hidden > 0) {
    const where = at.flags.rejects ?? 'give --rejects FILE to get them all'
    output.note(`… and ${countText(hidden)} more: ${where}`)
  }
  const conveniences = describeConveniences(summary.conveniences)
  if (conveniences !== '') output.note(`Read with: ${conveniences}`)
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
  const { added, skipped, refused, good, interrupted, checkedOnly, elapsedMs, refusals, conveniences } =
    summary
  const seconds = Math.round(elapsedMs) / 1_000
  const rate = Math.round((perMinute(summary) ?? 0) / 60)
  return {
    added,
    skipped,
    refused,
    good,
    interrupted,
    checkedOnly,
    seconds,
    perSecond: rate,
    refusals,
    conveniences,
  }
}

function perMinute({ good, elapsedMs }: LoadSummary): number | undefined {
  return elapsedMs < 1 ? undefined : (good * 60_000) / elapsedMs
}
