import { Readable } from 'node:stream'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { stringify } from 'csv-stringify'
import { stringify as stringifyNow } from 'csv-stringify/sync'
import type { ItemRecord, JsonValue } from '@sluice/core'
import type { ReportColumn } from './report-columns.js'

/** How a report is written down. */
export const REPORT_FORMATS = ['csv', 'jsonl'] as const

export type ReportFormat = (typeof REPORT_FORMATS)[number]

export interface WriteReportOptions {
  readonly format: ReportFormat
  readonly columns: readonly ReportColumn[]
  /** CSV: a quote before values that a spreadsheet would take for a formula. The values are then no longer what they were. */
  readonly escapeFormulas?: boolean
  /** The stream goes on after the report, as standard output does. */
  readonly keepOpen?: boolean
  readonly signal?: AbortSignal
}

/**
 * Writes rows as they come, however many, in little memory.
 *
 * @returns how many were written
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

/** Names are quoted only where they must be; of the values below them every text is. */
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

/** A string and a number as they are, anything else as JSON: `true`, `{"a":1}`; nothing for what isn't there. */
function cell(value: JsonValue | undefined): string | number | undefined {
  if (value === undefined || typeof value === 'string' || typeof value === 'number') return value
  return JSON.stringify(value)
}

/** Text that a line-by-line reader would break at is quoted whichever line end it has. */
const LINE_ENDS = /[\r\n]/u

/**
 * Every text is quoted, be it empty: so no reader takes one that begins with `#` for a comment, finds another delimiter in it, or skips the row of a blank
 * one. Numbers are not, by which their columns are known from columns of text; nor is what isn't there.
 */

function csvStream(options: WriteReportOptions) {
  return stringify({
    quoted_string: true,
    escape_formulas: options.escapeFormulas ?? false,
  })
}
