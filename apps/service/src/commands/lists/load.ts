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
  jsonl  {"id": "a", "body": …, "priority"?: 0, "notBeforeAt"?: ms, "delayMs"?: ms} on each line, if the first line
         has a body; else the whole object is the body, and has the field id
  csv    a header row; the other columns are the fields of the body. RFC 4180; tsv: tabs, and no quotes
  lines  the line is the id, the body is {"line": "…"}
Gzip is unpacked. Order is kept. The flags for what pandas, DuckDB, polars, Spark, MySQL, psql and Excel write are in docs/manifests.md.`

/** Registers `sluice load`. */
export function registerLoad(program: Program, context: CommandContext): void {
  const command = withReadingFlags(
    program
      .command('load')
      .description('Put the items of a manifest into the queue')
      .argument('<files...>', 'JSON lines, CSV or plain lines; - for standard input'),
  )
    .option('--dry-run', 'only check the manifest; needs no queue')
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
  // Before their names are held against the flags: that a directory has no format is not what is wrong with it.
  for (const file of files) if (file !== '-') await findManifest(resolve(context.cwd, file))
  const options = await optionsOf(files, flags, context)
  // Before anything is taken: a worker that is configured wrongly would never start what is loaded.
  if (flags.dryRun !== true) await context.checkWorkerOptions()
  // A queue that is not there yet is made when there is something to put: a slip in the list or the flags leaves none behind.
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
