import { isUtf8 } from 'node:buffer'
import { CsvError, parse, type Parser } from 'csv-parse'
import type { JsonValue, NewItem } from '@sluice/core'
import { plural } from '../progress/progress-text.js'
import { withoutByteOrderMark } from './line-reader.js'
import { judgeItem, MAX_LINE_BYTES, type ManifestEntry, type ManifestOptions } from './manifest-entry.js'

const NEWLINE = 0x0a

interface Row {
  /** Where it begins. */
  readonly line: number
  readonly cells: readonly Buffer[]
}

/**
 * Reads a CSV file with a header row: one column is the id, perhaps one the priority, the others are the fields of the body.
 * Rows without content don't count. A quote out of place ends the reading: what follows it can't be told apart.
 */
export async function* readCsv(
  source: AsyncIterable<Buffer>,
  options: ManifestOptions,
): AsyncGenerator<ManifestEntry> {
  let header: Header | undefined
  let refused = false
  for await (const row of readRows(source, options)) {
    if ('reason' in row) {
      refused = true
      yield row
    } else if (header !== undefined) yield readRow(row, header, options)
    else {
      const first = readHeader(row, options)
      if ('reason' in first) {
        yield first
        return
      }
      header = first
    }
  }
  // An empty list is no mistake, but whoever writes a CSV writes its header: more likely the file is not what it should be.
  if (header === undefined && !refused) yield { line: 1, reason: NO_HEADER, stops: true }
}

const NO_HEADER = 'the file is empty: a CSV begins with a header row'

/** The parser calls back for each row; its own stream would lose the good rows that it read just before a bad one. */
async function* readRows(
  source: AsyncIterable<Buffer>,
  options: ManifestOptions,
): AsyncGenerator<Row | Extract<ManifestEntry, { reason: string }>> {
  let rows: Row[] = []
  let line = 1
  const parser = parse({
    encoding: null,
    delimiter: options.delimiter ?? ',',
    relax_column_count: true,
    record_delimiter: ['\r\n', '\n'],
    max_record_size: options.maxLineBytes ?? MAX_LINE_BYTES,
    on_record: (values: readonly unknown[]) => {
      // Bytes, since the encoding is null; the parser's types know only text.
      const cells = values.filter((value) => Buffer.isBuffer(value))
      if (cells.length > 1 || cells[0]?.length !== 0) rows.push({ line, cells })
      line += 1 + lineEnds(cells)
      return null
    },
  })
  // Each failure is taken from the call that met it; without a listener the same one would end the process.
  parser.on('error', ignore)
  let failure: Error | undefined
  for await (const chunk of withoutByteOrderMark(source)) {
    failure = await feed(parser, chunk)
    yield* rows
    rows = []
    if (failure !== undefined) break
  }
  failure ??= await finish(parser)
  yield* rows
  if (failure !== undefined) yield stopped(failure, line)
}

/** Of a row's values. The parser's own count takes CRLF inside quotes for two when both line ends are allowed. */
function lineEnds(cells: readonly Buffer[]): number {
  let count = 0
  for (const cell of cells) {
    for (let at = cell.indexOf(NEWLINE); at !== -1; at = cell.indexOf(NEWLINE, at + 1)) count += 1
  }
  return count
}

function feed(parser: Parser, chunk: Buffer): Promise<Error | undefined> {
  return new Promise((resolve) => {
    parser.write(chunk, (error) => resolve(error ?? undefined))
  })
}

function finish(parser: Parser): Promise<Error | undefined> {
  return new Promise((resolve) => {
    parser.once('error', resolve)
    parser.once('end', () => resolve(undefined))
    parser.resume()
    parser.end()
  })
}

function ignore(): void {
  // See where it is used.
}

const CSV_REASONS: Partial<Record<string, string>> = {
  CSV_INVALID_CLOSING_QUOTE:
    'text follows a closing quote; a quote inside a quoted value is written twice ("")',
  INVALID_OPENING_QUOTE:
    'a quote stands inside an unquoted value; quote the whole value and write it twice ("")',
  CSV_QUOTE_NOT_CLOSED: 'a quote that opens in the row beginning here is never closed',
  CSV_MAX_RECORD_SIZE: 'the row is too long, or a quote in it is never closed',
}

function stopped(error: Error, line: number): ManifestEntry & { reason: string } {
  if (!(error instanceof CsvError)) throw error
  const why = CSV_REASONS[error.code] ?? error.code
  return { line, reason: `${why}; nothing from here on was read`, stops: true }
}

interface Header {
  readonly names: readonly string[]
  readonly id: number
  readonly priority: number | undefined
}

function readHeader(row: Row, options: ManifestOptions): Header | Extract<ManifestEntry, { reason: string }> {
  const stop = (reason: string, field?: string) =>
    ({ line: row.line, reason, ...(field === undefined ? {} : { field }), stops: true }) as const
  if (!row.cells.every((cell) => isUtf8(cell))) return stop('the header is not valid UTF-8')
  const names = row.cells.map((cell) => cell.toString('utf8'))
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) return stop('the header has this column twice', twice)
  const wanted = options.idField ?? 'id'
  const id = names.indexOf(wanted)
  const has = `the header has no such column; it has ${names.map((name) => JSON.stringify(name)).join(', ')}`
  if (id === -1) return stop(`${has}; name the column of the ids with --id-column`, wanted)
  const { priorityField } = options
  if (priorityField === undefined) return { names, id, priority: undefined }
  const priority = names.indexOf(priorityField)
  return priority === -1 ? stop(has, priorityField) : { names, id, priority }
}

function readRow(row: Row, header: Header, options: ManifestOptions): ManifestEntry {
  const { line, cells } = row
  const { names } = header
  if (cells.length < names.length) {
    const field = names[cells.length] ?? ''
    return {
      line,
      field,
      reason: `the column is missing: the row has ${plural(cells.length, 'value')}, the header ${names.length}`,
    }
  }
  if (cells.length > names.length) {
    return { line, reason: `the row has ${plural(cells.length, 'value')}, the header ${names.length}` }
  }
  const bad = cells.findIndex((cell) => !isUtf8(cell))
  if (bad !== -1) return { line, field: names[bad] ?? '', reason: 'the value is not valid UTF-8' }
  const values = cells.map((cell) => cell.toString('utf8'))
  const priority = header.priority === undefined ? '' : (values[header.priority] ?? '')
  if (priority !== '' && !/^[+-]?\d+$/u.test(priority)) {
    return { line, field: options.priorityField ?? 'priority', reason: 'the priority must be a whole number' }
  }
  return judgeItem(rowItem(values, header, { priority, typed: options.typed ?? false }), {
    line,
    maxBodyBytes: options.maxBodyBytes,
  })
}

function rowItem(
  values: readonly string[],
  header: Header,
  how: { priority: string; typed: boolean },
): NewItem {
  const fields: [string, JsonValue][] = []
  for (const [index, value] of values.entries()) {
    if (index === header.id || index === header.priority) continue
    fields.push([header.names[index] ?? '', how.typed ? typedValue(value) : value])
  }
  return {
    id: values[header.id] ?? '',
    // Not by assignment: a column may be called `__proto__`.
    body: Object.fromEntries(fields),
    ...(how.priority === '' ? {} : { priority: Number(how.priority) }),
  }
}

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/u

/** `007` and whole numbers that a double can't hold exactly are more likely ids than numbers: they stay strings. */
function typedValue(value: string): JsonValue {
  if (value === 'true') return true
  if (value === 'false') return false
  if (value === 'null') return null
  if (!JSON_NUMBER.test(value)) return value
  const number = Number(value)
  return Number.isFinite(number) && Math.abs(number) <= Number.MAX_SAFE_INTEGER ? number : value
}
