import { InvalidArgumentError, Option, type Command, type OptionValues } from '@commander-js/extra-typings'
import { CommandError } from '../../cli/command-error.js'
import { wholeNumber } from '../../cli/arguments.js'
import {
  MANIFEST_FORMATS,
  MAX_ROW_LINES,
  type ManifestFormat,
  type ReadingOptions,
} from '../../manifest/manifest-entry.js'
import { ESCAPE_IN, type EscapeIn } from '../../manifest/csv/row-scanner.js'
import { nameOf, OPTIONS_OF_FORM, pathOf } from '../../manifest/manifest-format.js'
import { LINE_ENDS, type LineEnds } from '../../manifest/text/text-lines.js'

/** What the options of {@link withReadingFlags} give. */
export interface ReadingFlags {
  readonly format?: ManifestFormat | undefined
  readonly idFrom?: 'row' | undefined
  readonly sourceName?: string | undefined
  readonly idField?: string | undefined
  readonly bodyField?: string | undefined
  readonly priorityField?: string | undefined
  readonly path?: string | undefined
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

/** Adds the options that say how a manifest is read. */
export function withReadingFlags<
  Args extends unknown[],
  Opts extends OptionValues,
  Global extends OptionValues,
>(command: Command<Args, Opts, Global>) {
  return command
    .addOption(
      new Option('--format <format>', 'the format (default: by the name, else by the first line)').choices(
        MANIFEST_FORMATS,
      ),
    )
    .addOption(
      new Option('--id-from <what>', 'ids are {base name}:{row}, of rows that have none').choices([
        'row',
      ] as const),
    )
    .option('--source-name <name>', 'the base name of standard input for --id-from row')
    .option(
      '--id-field <path>',
      'JSON: the field of the ids, such as properties.id; the whole object is the body',
    )
    .option('--body-field <path>', 'JSON: the field of the bodies')
    .option('--priority-field <path>', 'JSON with --id-field or --body-field: the field of the priorities')
    .option(
      '--path <path>',
      "JSON: where the items are in one document, such as '$.features[*]'",
      checkedPath,
    )
    .option('--id-column <names>', 'CSV: the column of the ids, or several: sample,lane (default: "id")')
    .option('--priority-column <name>', 'CSV: the column of the priorities')
    .option('--columns <names>', 'CSV: the names of all columns, of a file without a header')
    .option('--typed', 'CSV: unquoted numbers, true, false and null become JSON values (default: strings)')
    .addOption(
      new Option(
        '--blank <meaning>',
        'CSV: what nothing between delimiters is (default: empty, a string)',
      ).choices(['absent', 'empty'] as const),
    )
    .option(
      '--delimiter <char>',
      'CSV: what stands between values (default: a comma; of .tsv a tab)',
      delimiterOf,
    )
    .option(
      '--quote <char>',
      'CSV: a character, or none (default: "; none where the delimiter is a tab)',
      charOrNone,
    )
    .option(
      '--escape <char>',
      'CSV: what makes the next character plain, such as \\ (default: "" alone)',
      oneChar,
    )
    .addOption(
      new Option(
        '--escape-in <where>',
        'CSV with quotes: where --escape counts: quotes (Spark), everywhere (Python, pandas) (default: a row where it matters is refused)',
      ).choices(ESCAPE_IN),
    )
    .option('--null-value <text>', 'CSV: an unquoted value that is written so is null, such as \\N')
    .option('--comment <text>', 'what comment lines begin with, or none (default: # is refused)', textOrNone)
    .addOption(
      new Option('--line-ends <kind>', 'what ends a line (default: auto, as the first)').choices(LINE_ENDS),
    )
    .addOption(
      new Option(
        '--byte-order-marks <what>',
        'CSV, lines: drop or keep one that begins a later line (default: refused)',
      ).choices(['drop', 'keep'] as const),
    )
    .option(
      '--skip-lines <n>',
      'leave out so many lines at the beginning, such as a title',
      wholeNumber(1, 1_000_000),
    )
    .addOption(
      new Option('--header-blanks <what>', 'CSV: trim or keep blanks around column names').choices([
        'trim',
        'keep',
      ] as const),
    )
    .option('--keep-header-rows', 'CSV: a header that comes again is an item')
    .option(
      '--max-row-lines <n>',
      `CSV: a quote closes within so many lines (default: ${MAX_ROW_LINES})`,
      wholeNumber(1, 1_000_000),
    )
    .option('--split', 'lines: columns separated by blanks, with a header or --columns')
    .option('-0, --null', 'lines: they end with NUL, as find -print0 writes them')
}

function checkedPath(path: string): string {
  pathOf(path)
  return path
}

function oneChar(text: string): string {
  if (/^[^\r\n]$/u.test(text)) return text
  throw new InvalidArgumentError('It must be one character, and not a line end.')
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
 * How the files are read, by the flags.
 *
 * @throws CommandError INVALID where flags contradict each other or the files: one that is ignored would make other items than were meant
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
])

const NOT_WITH_NUL = ['comment', 'lineEnds', 'byteOrderMarks', 'skipLines'] as const

function assertConsistent(options: ReadingOptions): void {
  const { idFrom, idColumn, idField, bodyField, delimiter = ',', quote = '"', escape } = options
  if (options.split === true && options.nul === true) refuse('--split and -0 exclude each other')
  if (idFrom !== undefined && (idColumn ?? idField) !== undefined)
    refuse('--id-from row makes the ids: leave out --id-column and --id-field')
  if (options.sourceName !== undefined && idFrom === undefined)
    refuse('--source-name is for --id-from row: nothing else uses it')
  if (options.priorityField !== undefined && (idField ?? bodyField) === undefined)
    refuse('--priority-field needs --id-field or --body-field; without them the field is `priority`')
  if (quote !== 'none' && quote === delimiter) refuse('--delimiter and --quote must be two characters')
  if (escape !== undefined && escape === delimiter) refuse('--delimiter and --escape must be two characters')
  if (options.escapeIn !== undefined && escape === undefined)
    refuse('--escape-in says where --escape counts: give both')
  if (options.escapeIn === 'quotes' && quote === 'none')
    refuse('--escape-in quotes is for values in quotes, and --quote none for a file without')
  if (options.columns !== undefined && options.headerBlanks !== undefined)
    refuse('--header-blanks is for a header, and --columns for a file without one')
  if (options.nul === true && NOT_WITH_NUL.some((name) => options[name] !== undefined))
    refuse(
      `-0 takes every byte but NUL for a part of an item: leave out ${NOT_WITH_NUL.map(flagOf).join(', ')}`,
    )
  if (options.path !== undefined && options.skipLines !== undefined)
    refuse('--skip-lines is for files of lines, and --path for one document')
}

/** Which forms the options of each form are for, and what that is called. */
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
    refuse(`${flagOf(wrong)} is for ${called}; ${shownPath(at.path)} is read as ${at.format}`)
  }
  const notJson = (['comment', 'byteOrderMarks'] as const).find((name) => options[name] !== undefined)
  if (notJson !== undefined && at.format === 'jsonl')
    refuse(`${flagOf(notJson)} is for CSV and lines; ${shownPath(at.path)} is read as jsonl`)
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
