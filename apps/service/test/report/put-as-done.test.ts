import { Writable } from 'node:stream'
import type { Queue } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { openQueue } from '@sluice/queue-memory'
import { beforeEach, expect, test } from 'vitest'
import { ItemLines } from '../../src/items/item-lines.js'
import { Output } from '../../src/output/output.js'
import { REPORT_COLUMNS, chooseColumns } from '../../src/report/report-columns.js'
import { reportRows } from '../../src/report/report-rows.js'
import { summarize } from '../../src/report/report-rows.js'
import { writeReport, type ReportFormat } from '../../src/report/report-writer.js'
import { RateMeter } from '../../src/output/rate-meter.js'
import { readStatus } from '../../src/status/read-status.js'
import { statusText } from '../../src/status/status-text.js'

/** Items of a list that was begun elsewhere: in SUCCESS without an attempt [Q-PUT-5]. */
let queue: Queue
beforeEach(async () => {
  queue = await openQueue({ name: 'tiles' })
  await queue.putMany([{ id: 'done', body: { n: 1 } }], { stage: 'SUCCESS' })
})

class Collector extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: BufferEncoding, end: () => void): void {
    this.text += chunk.toString()
    end()
  }
}

const WRONG = /undefined|NaN|null|1970|Invalid/u

async function reported(format: ReportFormat, names?: readonly string[]): Promise<string> {
  const out = new Collector()
  const options = { format, columns: chooseColumns(names), escapeFormulas: false, keepOpen: true }
  await writeReport(reportRows(queue, { runtime: systemRuntime }), out, {
    ...options,
    signal: new AbortController().signal,
  })
  return out.text
}

test('a report has empty columns for missing values', async () => {
  const csv = await reported('csv', REPORT_COLUMNS)
  expect(csv).not.toMatch(WRONG)
  const [head = '', row = ''] = csv.split(/\r?\n/u)
  const cells = row.split(',')
  const cell = (name: string) => cells[head.split(',').findIndex((each) => each.replaceAll('"', '') === name)]
  expect(['claimedAt', 'durationMs', 'exitCode', 'result', 'reason'].map(cell)).toEqual(['', '', '', '', ''])
  expect([cell('id'), cell('stage'), cell('attempt')]).toEqual(['"done"', '"SUCCESS"', '0'])
  const json: unknown = JSON.parse(await reported('jsonl'))
  expect(json).toMatchObject({ id: 'done', stage: 'SUCCESS', attempt: 0, putAt: expect.any(String) })
  expect(json).not.toHaveProperty('claimedAt')
  expect(json).not.toHaveProperty('durationMs')
})

test('the summary counts them, and no failures', async () => {
  expect(await summarize(queue, { limit: 20, runtime: systemRuntime })).toMatchObject({
    sizes: { WAITING: 0, PROCESSING: 0, SUCCESS: 1, FAIL: 0 },
    failures: 0,
  })
})

test('ls shows their age, and no duration', async () => {
  const stdout = new Collector()
  const output = new Output({ stdout, stderr: stdout, env: {}, json: false })
  const { items } = await queue.list('SUCCESS', { limit: 10 })
  const [, line = ''] = new ItemLines({ output, now: await queue.now() }).of(items, new Map())
  expect(line).toMatch(/^SUCCESS +0 +done +<1s$/u)
})

test('status shows them as finished, with no rate and no ETA', async () => {
  const meter = new RateMeter()
  const output = new Output({ stdout: new Collector(), stderr: new Collector(), env: {}, json: false })
  const status = await readStatus(queue, { configuredLimit: 1, meter, runtime: systemRuntime })
  expect(status).toMatchObject({ total: 1, sizes: { SUCCESS: 1 } })
  expect(statusText(status, output)).not.toMatch(WRONG)
})
