import { Readable } from 'node:stream'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { stringify } from 'csv-stringify'
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
  else await pipeline(Readable.from(csvRows(counted(), options.columns)), csvStream(options), out, end)
  return rows
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
): AsyncGenerator<string[]> {
  for await (const item of items) yield columns.map((column) => cell(column.value(item)))
}

/** A string as it is, anything else as JSON: `12`, `true`, `{"a":1}`; nothing for what isn't there. */
function cell(value: JsonValue | undefined): string {
  if (value === undefined) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function csvStream(options: WriteReportOptions) {
  return stringify({
    header: true,
    columns: options.columns.map((column) => column.name),
    escape_formulas: options.escapeFormulas ?? false,
    // Text that a line-by-line reader would break at is quoted whichever line end it has.
    quoted_match: /[\r\n]/u,
  })
}
