import { resolve } from 'node:path'
import { Option } from '@commander-js/extra-typings'
import { CommandError } from '../command-error.js'
import type { LoadManifestOptions } from '../manifest/load-manifest.js'
import { MANIFEST_FORMATS, type ManifestFormat } from '../manifest/manifest-entry.js'
import { keepYoungHeapSmall } from '../heap-growth.js'
import { helpNotes, type CommandContext, type Program } from './command.js'
import { reportLoad } from './load-report.js'
import { addStoringOptions, storingOptions, STORING_NOTES, type StoringFlags } from './storing-flags.js'

interface LoadFlags extends StoringFlags {
  format?: ManifestFormat
  idField?: string
  idColumn?: string
  priorityField?: string
  priorityColumn?: string
  typed?: true
  delimiter?: string
  dryRun?: true
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
Gzip is unpacked. Order is kept.`

/** Registers `sluice load`. */
export function registerLoad(program: Program, context: CommandContext): void {
  const command = program
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
    .option('--dry-run', 'only check the manifest; needs no queue')
    .addHelpText('after', NOTES + STORING_NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'UNAVAILABLE', 'DENIED', 'INTERRUPTED']))
    .action((file, flags) => load(file, flags, context))
  addStoringOptions(command)
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
  await reportLoad(summary, context, flags)
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
    typed: flags.typed ?? false,
    ...storingOptions(flags, context),
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
  return { label, unit: 'items', stream: output.stderr, steady: true }
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
