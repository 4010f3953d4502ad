import { binaryReason } from './binary-kind.js'
import { headerDelimiter, isColumnName, isValue, listingFault } from './header-line.js'
import type { ManifestFormat, ReadingOptions } from '../manifest-entry.js'
import { shellWord } from '../../output/output.js'
import { MAY_BE_COMMENT } from '../text/text-lines.js'

/** The result of reading the first line: a format, or why there is none. */
export type Sniffed = { readonly format: ManifestFormat } | { readonly reason: string }

/** The most bytes that are read for the first line. */
const SNIFFED_BYTES = 64 * 1024

/** What is known of a file before its first line. */
export interface SniffedName {
  /** By name or flags. */
  readonly format: ManifestFormat | undefined
  /** Set by a flag, so that the first line does not matter. */
  readonly asked: boolean
  /** By its name a plain list, unless its first line is JSON. */
  readonly isList: boolean
}

/**
 * The format by the beginning of a file, or why its name is wrong; `undefined` while more is needed.
 *
 * @param whole nothing follows
 */
export function sniff(
  head: Buffer,
  options: ReadingOptions,
  { whole, name }: { readonly whole: boolean; readonly name: SniffedName },
): Sniffed | undefined {
  const isEnough = whole || head.length >= SNIFFED_BYTES
  const binary = options.nul === true ? undefined : binaryReason(head, isEnough)
  if (binary !== undefined) return binary === 'maybe' ? undefined : binary
  if (name.asked && name.format !== undefined) return { format: name.format }
  // Some lines of a binary file would be valid items by chance.
  if (name.format === undefined && head.subarray(0, SNIFFED_BYTES).includes(0)) return { reason: NOT_TEXT }
  const text = withoutComments(head.subarray(0, SNIFFED_BYTES).toString('utf8'), options.comment)
  const begin = text.search(/[^\s\uFEFF]/u)
  if (begin === -1) return isEnough ? { format: name.format ?? 'lines' } : undefined
  const lines = text.slice(begin).split(/\r\n|[\r\n]/u)
  // The last line may be incomplete.
  const [line, second = isEnough ? '' : undefined] = isEnough ? lines : lines.slice(0, -1)
  const firsts = { begin: text.charAt(begin), line, second, head: text }
  return name.format === undefined ? ofText(firsts, options, name) : named(firsts, name.format)
}

/** The beginning of a file. */
interface Beginning {
  /** The first character that is not whitespace. */
  readonly begin: string
  /** The first line, once complete. */
  readonly line: string | undefined
  /** The next line; empty without one. */
  readonly second: string | undefined
  /** All text so far. */
  readonly head: string
}

const RECORD_SEPARATOR = '\u001E'

function isJsonBegin(begin: string): boolean {
  return begin === '{' || begin === '[' || begin === RECORD_SEPARATOR
}

/** The format of the name, unless the first line contradicts it. */
function named({ begin, line, head }: Beginning, format: ManifestFormat): Sniffed | undefined {
  const isJson = isJsonBegin(begin)
  if (format === 'lines' || (format === 'jsonl' && isJson)) return { format }
  // For a slow producer: only an ambiguous beginning waits for the whole line.
  if (line === undefined)
    return isJson || format === 'jsonl' || '<+┌╔╭┏'.includes(begin) ? undefined : { format }
  const delimiter = format === 'jsonl' ? headerDelimiter(line) : undefined
  const reason =
    (isMarkup(line) ? MARKUP : undefined) ??
    (delimiter === undefined ? undefined : tableReason(delimiter)) ??
    (format === 'jsonl' ? undefined : noTableReason(line, head))
  return reason === undefined ? { format } : { reason }
}

/** Detects JSON lines, a drawn table or an Illumina sample sheet under the name of a table. */
function noTableReason(line: string, head: string): string | undefined {
  if (SECTION.test(line)) return sectionsReason(head)
  if (DRAWN_TABLE.test(line)) return DRAWN
  return line.startsWith(RECORD_SEPARATOR) || JSON_LINE.test(line) ? JSON_NAMED_OTHERWISE : undefined
}

function ofText(beginning: Beginning, options: ReadingOptions, name: SniffedName): Sniffed | undefined {
  const { begin, line, second, head } = beginning
  if (begin === '[' && line === undefined) return undefined
  if (line !== undefined && SECTION.test(line)) return { reason: sectionsReason(head) }
  if (isJsonBegin(begin)) return { format: 'jsonl' }
  if (line === undefined) return undefined
  const reason = (name.isList ? undefined : commentReason(line, options)) ?? noListReason(line)
  if (reason !== undefined) return { reason }
  return name.isList ? ofList(line, second) : ofLine(line, second, options)
}

function commentReason(line: string, options: ReadingOptions): string | undefined {
  return line.startsWith('#') && options.comment === undefined ? MAY_BE_COMMENT : undefined
}

/** Beginnings that no list has. */
function noListReason(line: string): string | undefined {
  if (isMarkup(line)) return MARKUP
  return DRAWN_TABLE.test(line) ? DRAWN : undefined
}

/** The format of a file without a telling name. */
function ofLine(line: string, second: string | undefined, options: ReadingOptions): Sniffed | undefined {
  const wanted = options.idColumn ?? 'id'
  const names = (delimiter: string) => line.split(delimiter).map((cell) => cell.replace(/^"(.*)"$/u, '$1'))
  if (names('\t').includes(wanted) && line.includes('\t')) return { format: 'tsv' }
  if (/^sep=.$/u.test(line)) return { format: 'csv' }
  if ([',', ';'].some((each) => line.includes(each) && names(each).includes(wanted))) return { format: 'csv' }
  if (/[,;]/u.test(line)) return { reason: MAY_BE_HEADER }
  return ofList(line, second)
}

/**
 * A plain list, unless its first line is likely a header. @returns `undefined` while the second line is
 * needed
 */
function ofList(line: string, second: string | undefined): Sniffed | undefined {
  if (line.includes('\t')) return { reason: HAS_TABS }
  const delimiter = headerDelimiter(line)
  if (delimiter !== undefined) return { reason: tableReason(delimiter) }
  const listing = listingFault(line, second)
  if (listing !== undefined) return listing === 'maybe' ? undefined : listing
  const isName = isColumnName(line)
  if (isName === 'maybe' && second === undefined) return undefined
  if (isName === true || (isName === 'maybe' && second !== undefined && isValue(second)))
    return { reason: columnReason(line) }
  if (QUOTED_CELLS.test(line)) return { reason: R_TABLE }
  return QUOTED.test(line) ? { reason: IN_QUOTES } : { format: 'lines' }
}

function withoutComments(text: string, comment: string | undefined): string {
  if (comment === undefined || comment === 'none') return text
  let rest = text.trimStart()
  while (rest.startsWith(comment)) {
    const end = rest.search(/[\r\n]/u)
    if (end === -1) return ''
    rest = rest.slice(end).trimStart()
  }
  return rest
}

/** A line in quotes: a JSON string, or a table of one column. */
const QUOTED = /^"(?:[^"\\]|\\.|"")*"$/u
const QUOTED_CELLS = /^"[^"]*"(?: +"[^"]*")+$/u
const JSON_LINE = /^\s*(?:\{\s*["}]|\[\s*[[{"\]\d-])/u
const SECTION = /^\s*\[[A-Za-z_]+\],*\s*$/u
/** Table borders of psql, mysql, duckdb and polars. */
const DRAWN_TABLE = /^\s*(?:\+[-=+]{3,}|[┌╔╭┏])/u

function isMarkup(line: string): boolean {
  return /^\s*<(?:!doctype|\?xml|html|error)\b/iu.test(line)
}

const NOT_TEXT =
  'the file is not text: export it as CSV or JSON lines first, or use -0 if NUL ends its lines, or --format'
const MARKUP = 'the file is HTML or XML, such as the error page of a server: download the list itself'
const DRAWN =
  'the file is a formatted table: export it as CSV or JSON lines (psql --csv, mysql --batch, duckdb -csv)'
const JSON_NAMED_OTHERWISE =
  'the file contains JSON, not a table: use --format jsonl, or --path if it is one document'
const IS_LINES = '--format lines if every line is an item'
const MAY_BE_HEADER = `the first line may be a header or an id: use --format csv, tsv or lines (a table needs the column id, or --id-column; one without a header --columns)`
const HAS_TABS = `the first line contains tabs: use --format tsv for a table (with --quote '"' if a spreadsheet wrote it, with --columns if it has no header), or ${IS_LINES}`
const R_TABLE = `the first line is quoted names, as the header of R's write.table: use --format csv --delimiter ' ' --skip-lines 1 and name all columns with --columns, row names first, or ${IS_LINES}`
const IN_QUOTES = `the first line is in quotes: write it without quotes (jq -r), use --format csv for a table (with --columns id if it has no header), or ${IS_LINES}`

function columnReason(line: string): string {
  const name = line.replace(/^"(.*)"$/u, '$1')
  const idColumn = name === 'id' ? '' : ` --id-column ${shellWord(name)}`
  return `the first line is likely a column name, not an item: use --format csv${idColumn}, or ${IS_LINES}`
}

function tableReason(delimiter: string): string {
  const flag = delimiter === '\t' ? '--format tsv' : '--format csv'
  const also = delimiter === ';' || delimiter === '|' ? ` --delimiter '${delimiter}'` : ''
  return `the first line is likely a table header: use ${flag}${also} (and --id-column, unless the column is id), or ${IS_LINES}`
}

function sectionsReason(head: string): string {
  const lines = head.split(/\r\n|[\r\n]/u)
  const data = lines.findIndex((line) => /^\s*\[(?:\w+_)?data\]/iu.test(line))
  const count = data === -1 ? 'N' : String(data + 1)
  return `the file has sections, as an Illumina sample sheet: use --skip-lines ${count} to begin with the header below [Data], and --id-column`
}
