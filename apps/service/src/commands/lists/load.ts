import { resolve } from 'node:path'
import type { LoadManifestOptions } from '../../load/load-manifest.js'
import { readingOf, withReadingFlags, type ReadingFlags } from './reading-flags.js'
import { keepYoungHeapSmall } from '../../load/heap-growth.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'
import { reportLoad } from './load-report.js'
import { addStoringOptions, storingOptions, STORING_NOTES, type StoringFlags } from './storing-flags.js'

interface LoadFlags extends ReadingFlags, StoringFlags {
  readonly dryRun?: true | undefined
}

const EXAMPLES = [
  'sluice load tiles.jsonl',
  'sluice load samples.csv --id-column sample,lane --typed',
  "sluice load items.json --path '$.features[*]'",
  'find /data -name "*.tif" -print0 | sluice load - -0',
]

const NOTES = `
Formats:
  jsonl  {"id": "a", "body": …, "priority"?: 0, "notBeforeAt"?: ms, "delayMs"?: ms, "resources"?: {…},
         "limitKey"?: "…"} on each line, if the first line has a body; else the whole object is the body, with the field id
  csv    a header row; the columns other than the id are the fields of the body. RFC 4180; tsv: tabs, no quotes
  lines  the line is the id, the body is {"line": "…"}
Gzip is decompressed. The order is kept. For the flags for pandas, DuckDB, polars, Spark, MySQL, psql and Excel see docs/manifests.md.`

/** Registers `sluice load`. */
export function registerLoad(program: Program, context: CommandContext): void {
  const command = withReadingFlags(
    program
      .command('load')
      .description('Put the items of a manifest into the queue')
      .argument('<files...>', 'JSON lines, CSV or plain lines; - for standard input'),
  )
    .option('--dry-run', 'only check the manifest, without a queue')
    .addHelpText('after', NOTES + STORING_NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'UNAVAILABLE', 'DENIED', 'INTERRUPTED']))
    .action((files, flags) => load(files, flags, context))
  addStoringOptions(command)
}

async function load(files: readonly string[], flags: LoadFlags, context: CommandContext): Promise<void> {
  const [{ loadManifest }, { findManifest }] = await Promise.all([
    import('../../load/load-manifest.js'),
    import('../../manifest/text/manifest-source.js'),
  ])
  keepYoungHeapSmall()
  context.goOnWithoutReader()
  // First: for a directory, "unknown format" would be the wrong error.
  for (const file of files) if (file !== '-') await findManifest(resolve(context.cwd, file))
  const options = await optionsOf(files, flags, context)
  // Before the load: an invalid worker would never start the items.
  if (flags.dryRun !== true) await context.checkWorkerOptions()
  // A missing queue is created at the first row to store: a mistake in the list or the flags leaves none
  // behind.
  const queue = flags.dryRun === true ? undefined : await context.openQueueOrLater({ brief: false })
  const file = flags.dryRun === true ? undefined : (await context.config()).file
  const kept = [file, flags.joblog].flatMap((path) =>
    path === undefined ? [] : [resolve(context.cwd, path)],
  )
  const summary = await loadManifest(files, queue, { ...options, kept })
  await reportLoad(summary, context, flags)
}

async function optionsOf(
  files: readonly string[],
  flags: LoadFlags,
  context: CommandContext,
): Promise<LoadManifestOptions> {
  const { createProgress } = await import('../../output/progress.js')
  const { output, runtime } = context
  return {
    runtime,
    reading: readingOf(files, flags),
    cwd: context.cwd,
    ...storingOptions(flags, context),
    signal: context.interrupted(),
    stdin: context.stdin,
    stdout: output.stdout,
    ...(output.json
      ? {}
      : {
          progress: (label, total) =>
            createProgress({ ...shown(context, label), ...(total === undefined ? {} : { total }) }),
        }),
  }
}

function shown({ output, runtime }: CommandContext, label: string) {
  return { label, unit: 'items', stream: output.stderr, runtime, steady: true }
}
