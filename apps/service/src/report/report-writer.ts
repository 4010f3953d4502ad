import { Readable } from 'node:stream'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { stringify } from 'csv-stringify'
import { stringify as stringifyNow } from 'csv-stringify/sync'
import type { ItemRecord, JsonValue } from '@sluice/core'
import type { ReportColumn } from './report-columns.js'

/** The formats of a report. */
export const REPORT_FORMATS = ['csv', 'jsonl'] as const

export type ReportFormat = (typeof REPORT_FORMATS)[number]

export interface WriteReportOptions {
  readonly format: ReportFormat
  readonly columns: readonly ReportColumn[]
  /** CSV: prefix values that a spreadsheet would evaluate as a formula with a quote, which changes them. */
  readonly escapeFormulas?: boolean
  /** Do not end the stream after the report, for standard output. */
  readonly keepOpen?: boolean
  readonly signal?: AbortSignal
}

/**
 * Streams rows in bounded memory.
 *
 * @returns the number of rows
 */
export async function writeReport(
  items: AsyncIterable<ItemRecord>,
  out: Writable,
  options: WriteReportOptions,
): Promise<number> {
  let rows = 0
  async function* counted(): AsyncGenerator<ItemRecord> {
    for await (const item of items) {
      rows += 1
      yield item
    }
  }
  const end = { end: options.keepOpen !== true, ...(options.signal ? { signal: options.signal } : {}) }
  if (options.format === 'jsonl')
    await pipeline(Readable.from(jsonLines(counted(), options.columns)), out, end)
  else {
    const lines = Readable.from(csvRows(counted(), options.columns))
    await pipeline(lines, csvStream(options), (text) => withHeader(options, text), out, end)
  }
  return rows
}

/** The header quotes names only where necessary; below it every text is quoted. */
async function* withHeader(
  { columns }: Pick<WriteReportOptions, 'columns'>,
  lines: AsyncIterable<string | Buffer>,
): AsyncGenerator<string | Buffer> {
  yield stringifyNow([columns.map(({ name }) => name)], { quoted_match: LINE_ENDS })
  yield* lines
}

async function* jsonLines(
  items: AsyncIterable<ItemRecord>,
  columns: readonly ReportColumn[],
): AsyncGenerator<string> {
  for await (const item of items) {
    const fields: [string, JsonValue | undefined][] = columns.map((column) => [
      column.name,
      column.value(item),
    ])
    yield `${JSON.stringify(Object.fromEntries(fields))}\n`
  }
}

async function* csvRows(
  items: AsyncIterable<ItemRecord>,
  columns: readonly ReportColumn[],
): AsyncGenerator<(string | number | undefined)[]> {
  for await (const item of items) yield columns.map((column) => cell(column.value(item)))
}

/** Strings and numbers unchanged, other values as JSON: `true`, `{"a":1}`; empty for a missing value. */
function cell(value: JsonValue | undefined): string | number | undefined {
  if (value === undefined || typeof value === 'string' || typeof value === 'number') return value
  return JSON.stringify(value)
}

/** Names with any line break are quoted, for line-based readers. */
const LINE_ENDS = /[\r\n]/u

/**
 * Quotes every text, even an empty one: no reader can take it for a comment, find another delimiter in it, or
 * skip its row. Numbers and missing values are not quoted, which distinguishes columns of numbers.
 */
function csvStream(options: WriteReportOptions) {
  return stringify({
    quoted_string: true,
    escape_formulas: options.escapeFormulas ?? false,
  })
}
