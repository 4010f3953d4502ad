import { InvalidArgumentError, Option, type Command, type OptionValues } from '@commander-js/extra-typings'
import { CommandError } from '../../cli/command-error.js'
import { asArgument, wholeNumber } from '../../cli/arguments.js'
import {
  MANIFEST_FORMATS,
  MAX_ROW_LINES,
  type ManifestFormat,
  type ReadingOptions,
} from '../../manifest/manifest-entry.js'
import {
  limitKeySource,
  resourceSources,
  type LimitKeySource,
  type ResourceSource,
} from '../../manifest/chosen-items.js'
import { ESCAPE_IN, type EscapeIn } from '../../manifest/csv/row-scanner.js'
import { nameOf, OPTIONS_OF_FORM, pathOf } from '../../manifest/manifest-format.js'
import { LINE_ENDS, type LineEnds } from '../../manifest/text/text-lines.js'

/** The values of the options of {@link withReadingFlags}. */
export interface ReadingFlags {
  readonly format?: ManifestFormat | undefined
  readonly idFrom?: 'row' | undefined
  readonly sourceName?: string | undefined
  readonly idField?: string | undefined
  readonly bodyField?: string | undefined
  readonly priorityField?: string | undefined
  readonly path?: string | undefined
  readonly resources?: readonly ResourceSource[] | undefined
  readonly limitKey?: LimitKeySource | undefined
  readonly idColumn?: string | undefined
  readonly priorityColumn?: string | undefined
  readonly columns?: string | undefined
  readonly typed?: true | undefined
  readonly blank?: 'absent' | 'empty' | undefined
  readonly delimiter?: string | undefined
  readonly quote?: string | undefined
  readonly escape?: string | undefined
  readonly escapeIn?: EscapeIn | undefined
  readonly nullValue?: string | undefined
  readonly comment?: string | undefined
  readonly lineEnds?: LineEnds | undefined
  readonly byteOrderMarks?: 'drop' | 'keep' | undefined
  readonly skipLines?: number | undefined
  readonly headerBlanks?: 'trim' | 'keep' | undefined
  readonly keepHeaderRows?: true | undefined
  readonly maxRowLines?: number | undefined
  readonly split?: true | undefined
  readonly null?: true | undefined
}

/** Adds the options for reading a manifest. */
export function withReadingFlags<
  Args extends unknown[],
  Opts extends OptionValues,
  Global extends OptionValues,
>(command: Command<Args, Opts, Global>) {
  return withLineFlags(withColumnFlags(withChosenFlags(withFieldFlags(command))))
}

function withChosenFlags<Args extends unknown[], Opts extends OptionValues, Global extends OptionValues>(
  command: Command<Args, Opts, Global>,
) {
  return command
    .option(
      '--resources <list>',
      "what a job uses: paths into the body, or numbers, such as 'gpu=$.gpu,memoryGiB=4'",
      (text) => asArgument(() => resourceSources(text)),
    )
    .option(
      '--limit-key <path>',
      "what a limit per key counts the item under: a path into the body, such as '$.user'",
      (text) => asArgument(() => limitKeySource(text)),
    )
}

function withFieldFlags<Args extends unknown[], Opts extends OptionValues, Global extends OptionValues>(
  command: Command<Args, Opts, Global>,
) {
  return command
    .addOption(
      new Option(
        '--format <format>',
        'the format (default: by the file name, else by the first line)',
      ).choices(MANIFEST_FORMATS),
    )
    .addOption(
      new Option('--id-from <what>', 'for rows without ids: the ids are {base name}:{row}').choices([
        'row',
      ] as const),
    )
    .option('--source-name <name>', 'the base name of standard input for --id-from row')
    .option(
      '--id-field <path>',
      'JSON: the field of the id, such as properties.id; the whole object is the body',
    )
    .option('--body-field <path>', 'JSON: the field of the body')
    .option('--priority-field <path>', 'JSON with --id-field or --body-field: the field of the priority')
    .option(
      '--path <path>',
      "JSON: the path to the items in one document, such as '$.features[*]'",
      checkedPath,
    )
}

function withColumnFlags<Args extends unknown[], Opts extends OptionValues, Global extends OptionValues>(
  command: Command<Args, Opts, Global>,
) {
  return command
    .option('--id-column <names>', 'CSV: the column of the id, or several: sample,lane (default: "id")')
    .option('--priority-column <name>', 'CSV: the column of the priority')
    .option('--columns <names>', 'CSV: the names of all columns, for a file without a header')
    .option('--typed', 'CSV: unquoted numbers, true, false and null become JSON values (default: strings)')
    .addOption(
      new Option(
        '--blank <meaning>',
        'CSV: the meaning of an empty value (default: empty, a string)',
      ).choices(['absent', 'empty'] as const),
    )
    .option('--delimiter <char>', 'CSV: the delimiter (default: a comma; a tab for .tsv)', delimiterOf)
    .option('--quote <char>', 'CSV: the quote character, or none (default: "; none with tabs)', charOrNone)
    .option('--escape <char>', 'CSV: the escape character, such as \\ (default: only "")', oneChar)
    .addOption(
      new Option(
        '--escape-in <where>',
        'CSV with quotes: where --escape applies: quotes (Spark), everywhere (Python, pandas) (default: ambiguous rows are refused)',
      ).choices(ESCAPE_IN),
    )
    .option('--null-value <text>', 'CSV: the unquoted text for null, such as \\N')
    .option('--comment <text>', 'the prefix of comment lines, or none (default: # is refused)', textOrNone)
}

function withLineFlags<Args extends unknown[], Opts extends OptionValues, Global extends OptionValues>(
  command: Command<Args, Opts, Global>,
) {
  return command
    .addOption(
      new Option('--line-ends <kind>', 'the line ending (default: auto, that of the first line)').choices(
        LINE_ENDS,
      ),
    )
    .addOption(
      new Option(
        '--byte-order-marks <what>',
        'CSV, lines: drop or keep a byte order mark at the start of a later line (default: refused)',
      ).choices(['drop', 'keep'] as const),
    )
    .option(
      '--skip-lines <n>',
      'skip this many lines at the beginning, such as a title',
      wholeNumber(1, 1_000_000),
    )
    .addOption(
      new Option('--header-blanks <what>', 'CSV: trim or keep spaces around column names').choices([
        'trim',
        'keep',
      ] as const),
    )
    .option('--keep-header-rows', 'CSV: a repeated header is an item')
    .option(
      '--max-row-lines <n>',
      `CSV: the most lines of a quoted value (default: ${MAX_ROW_LINES})`,
      wholeNumber(1, 1_000_000),
    )
    .option('--split', 'lines: columns separated by spaces, with a header or --columns')
    .option('-0, --null', 'lines: lines end with NUL, as from find -print0')
}

function checkedPath(path: string): string {
  pathOf(path)
  return path
}

function oneChar(text: string): string {
  if (/^[^\r\n]$/u.test(text)) return text
  throw new InvalidArgumentError('It must be one character, not a line break.')
}

function charOrNone(text: string): string {
  return text === 'none' ? text : oneChar(text)
}

function textOrNone(text: string): string {
  if (/^[^\r\n]+$/u.test(text)) return text
  throw new InvalidArgumentError('It must be some characters, or none.')
}

function delimiterOf(text: string): string {
  return text === '\\t' || text === 'tab' ? '\t' : oneChar(text)
}

/**
 * The options for reading, from the flags.
 *
 * @throws CommandError INVALID where flags contradict each other or the files: an ignored flag would produce
 * other items than intended
 */
export function readingOf(paths: readonly string[], flags: ReadingFlags): ReadingOptions {
  const options = optionsOf(flags)
  if (paths.filter((path) => path === '-').length > 1) refuse('standard input can be read only once')
  assertConsistent(options)
  for (const path of paths) {
    const { format } = nameOf(path, options)
    if (format !== undefined) assertFits(options, { path, format })
  }
  return options
}

function optionsOf({ null: nul, ...flags }: ReadingFlags): ReadingOptions {
  const given: ReadingOptions = Object.fromEntries(
    Object.entries({ ...flags, nul }).filter(
      ([name, value]) => value !== undefined && READING_OPTIONS.has(name),
    ),
  )
  return given
}

const READING_OPTIONS: ReadonlySet<string> = new Set<keyof ReadingOptions>([
  ...Object.values(OPTIONS_OF_FORM).flat(),
  'format',
  'idFrom',
  'sourceName',
  'comment',
  'lineEnds',
  'byteOrderMarks',
  'skipLines',
  'resources',
  'limitKey',
])

const NOT_WITH_NUL = ['comment', 'lineEnds', 'byteOrderMarks', 'skipLines'] as const

function assertConsistent(options: ReadingOptions): void {
  const { idFrom, idColumn, idField, bodyField, delimiter = ',', quote = '"', escape } = options
  if (options.split === true && options.nul === true) refuse('--split and -0 exclude each other')
  if (idFrom !== undefined && (idColumn ?? idField) !== undefined)
    refuse('--id-from row creates the ids: remove --id-column and --id-field')
  if (options.sourceName !== undefined && idFrom === undefined) refuse('--source-name needs --id-from row')
  if (options.priorityField !== undefined && (idField ?? bodyField) === undefined)
    refuse('--priority-field needs --id-field or --body-field; without them the field is `priority`')
  if (quote !== 'none' && quote === delimiter) refuse('--delimiter and --quote must differ')
  if (escape !== undefined && escape === delimiter) refuse('--delimiter and --escape must differ')
  if (options.escapeIn !== undefined && escape === undefined) refuse('--escape-in needs --escape')
  if (options.escapeIn === 'quotes' && quote === 'none')
    refuse('--escape-in quotes needs quoted values, and --quote none has none')
  if (options.columns !== undefined && options.headerBlanks !== undefined)
    refuse('--header-blanks needs a header, and --columns is for files without one')
  if (options.nul === true && NOT_WITH_NUL.some((name) => options[name] !== undefined))
    refuse(`with -0 every byte but NUL is part of an item: remove ${NOT_WITH_NUL.map(flagOf).join(', ')}`)
  if (options.path !== undefined && options.skipLines !== undefined)
    refuse('--skip-lines applies to lines, and --path to one document')
}

/** The formats of each group of options, and their name in messages. */
const FITS = [
  { of: 'json', is: ({ format }: Form) => format === 'jsonl', called: '--format jsonl' },
  {
    of: 'table',
    is: ({ format, split }: Form) => split || isCsv(format),
    called: '--format csv, tsv or --split',
  },
  { of: 'csv', is: ({ format, split }: Form) => !split && isCsv(format), called: '--format csv or tsv' },
  { of: 'lines', is: ({ format }: Form) => format === 'lines', called: '--format lines' },
] as const

interface Form {
  readonly format: ManifestFormat
  readonly split: boolean
}

function isCsv(format: ManifestFormat): boolean {
  return format === 'csv' || format === 'tsv'
}

function assertFits(options: ReadingOptions, at: { path: string; format: ManifestFormat }): void {
  const form = { format: at.format, split: options.split === true }
  for (const { of, is, called } of FITS) {
    const wrong = OPTIONS_OF_FORM[of].find((name) => options[name] !== undefined)
    if (wrong === undefined || is(form)) continue
    refuse(`${flagOf(wrong)} needs ${called}; ${shownPath(at.path)} is read as ${at.format}`)
  }
  const notJson = (['comment', 'byteOrderMarks'] as const).find((name) => options[name] !== undefined)
  if (notJson !== undefined && at.format === 'jsonl')
    refuse(`${flagOf(notJson)} applies to CSV and lines; ${shownPath(at.path)} is read as jsonl`)
}

function shownPath(path: string): string {
  return path === '-' ? 'standard input' : path
}

function flagOf(name: string): string {
  return name === 'nul' ? '-0' : `--${name.replaceAll(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`)}`
}

function refuse(message: string): never {
  throw new CommandError('INVALID', message)
}
