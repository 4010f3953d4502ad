import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { parse } from 'csv-parse/sync'
import { openQueue } from '@sluice/queue-memory'
import { systemRuntime } from '@sluice/core/backend'
import type { Queue } from '@sluice/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FailureGroups } from '../../src/report/failure-groups.js'
import { chooseColumns } from '../../src/report/report-columns.js'
import { writeFileWhole } from '../../src/output/whole-file.js'
import { reportRows } from '../../src/report/report-rows.js'
import { summarize } from '../../src/report/report-rows.js'
import { writeReport, type WriteReportOptions } from '../../src/report/report-writer.js'

const ODD_ID = 'a,"b"\r\nc\rd;é😀'

async function filled(): Promise<Queue> {
  const queue = await openQueue({ name: 'report' })
  await queue.putMany([
    { id: ODD_ID, body: { n: 1 } },
    { id: '=cmd()', body: 2 },
    { id: 'bad', body: 3 },
    { id: 'waits', body: 4 },
  ])
  await queue.get(3)
  await queue.success(ODD_ID, { result: { sha256: 'ff', deep: { size: 12 }, list: [1] }, details: ['x'] })
  await queue.success('=cmd()', { result: 'plain' })
  await queue.fail('bad', { reason: 'exit 3\nsecond line', details: { log: 'l' } })
  return queue
}

async function text(
  queue: Queue,
  options: Partial<WriteReportOptions> & { names?: string[] } = {},
): Promise<string> {
  let written = ''
  const out = new Writable({
    write(chunk, _encoding, done) {
      written += String(chunk)
      done()
    },
  })
  await writeReport(reportRows(queue, { runtime: systemRuntime }), out, {
    format: 'csv',
    columns: chooseColumns(options.names),
    ...options,
  })
  return written
}

describe('a report', () => {
  test('as CSV comes back through a CSV reader', async () => {
    const rows = parse<Record<string, string>>(await text(await filled()), { columns: true })
    expect(
      rows.map((row) => [
        row['id'],
        row['stage'],
        row['attempt'],
        row['result'],
        row['details'],
        row['reason'],
      ]),
    ).toEqual([
      [ODD_ID, 'SUCCESS', '1', '{"sha256":"ff","deep":{"size":12},"list":[1]}', '["x"]', ''],
      ['=cmd()', 'SUCCESS', '1', 'plain', '', ''],
      ['bad', 'FAIL', '1', '', '{"log":"l"}', 'exit 3\nsecond line'],
    ])
    const first = rows[0]!
    for (const at of ['putAt', 'claimedAt', 'finishedAt']) {
      expect(new Date(first[at]!).toISOString()).toBe(first[at])
    }
    expect(Number(first['durationMs'])).toBe(
      Date.parse(first['finishedAt']!) - Date.parse(first['claimedAt']!),
    )
  })

  test('as JSON lines keeps values as they are', async () => {
    const lines = (await text(await filled(), { format: 'jsonl' })).trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { id: ODD_ID, attempt: 1, result: { deep: { size: 12 } }, details: ['x'] },
      { id: '=cmd()', result: 'plain' },
      { id: 'bad', stage: 'FAIL', reason: 'exit 3\nsecond line' },
    ])
  })

  test('of chosen columns, fields of results among them', async () => {
    const names = ['stage', 'result.sha256', 'result.deep.size', 'result.list.0', 'result.toString', 'body.n']
    expect((await text(await filled(), { names })).split('\n').slice(-4)).toEqual([
      expect.stringMatching(/","SUCCESS","ff",12,1,,1$/u),
      '"=cmd()","SUCCESS",,,,,',
      '"bad","FAIL",,,,,',
      '',
    ])
    expect(() => chooseColumns(['resultt'])).toThrow(
      /Unknown column "resultt".*or a field of result, details or body, such as result\.sha256 or body\["file\.path"\]$/u,
    )
    for (const name of [
      '',
      'id.x',
      'result.',
      'result..a',
      'results.a',
      'body[',
      'body["a"',
      'body["\\x"]',
      'stage ',
    ])
      expect(() => chooseColumns([name])).toThrow(`Unknown column ${JSON.stringify(name)}`)
    expect(chooseColumns(['stage', 'id']).map((column) => column.name)).toEqual(['id', 'stage'])
  })

  test('with formulas escaped when asked', async () => {
    expect(await text(await filled(), { names: [], escapeFormulas: true })).toContain('\n"\'=cmd()"\n')
  })

  test('of an empty queue is a header in CSV and nothing in JSON lines', async () => {
    const queue = await openQueue({ name: 'empty' })
    expect(await text(queue)).toBe(
      'id,stage,attempt,putAt,claimedAt,finishedAt,durationMs,reason,failureClass,exitCode,result,details\n',
    )
    expect(await text(queue, { format: 'jsonl' })).toBe('')
  })

  test('of more items than a page has each of them once', async () => {
    const queue = await openQueue({ name: 'many' })
    await queue.putMany(Array.from({ length: 1_234 }, (_, index) => ({ id: `i${index}`, body: index })))
    const items = await queue.get(1_234)
    await queue.settle(items.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' as const })))
    const lines = (await text(queue, { names: ['body'] })).trimEnd().split('\n').slice(1)
    expect(new Set(lines).size).toBe(1_234)
    expect(lines).toHaveLength(1_234)
  })
})

describe('a file', () => {
  let dir = ''
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sluice-report-'))
  })
  afterEach(() => rm(dir, { recursive: true }))

  test('is complete', async () => {
    const path = join(dir, 'report.csv')
    const queue = await filled()
    const rows = await writeFileWhole(path, (out) =>
      writeReport(reportRows(queue, { runtime: systemRuntime }), out, {
        format: 'csv',
        columns: chooseColumns(),
      }),
    )
    expect(rows).toBe(3)
    expect(await readFile(path, 'utf8')).toBe(await text(queue))
    expect(await readdir(dir)).toEqual(['report.csv'])
  })

  test('is unchanged when the report fails', async () => {
    const path = join(dir, 'report.csv')
    await writeFile(path, 'old')
    const failing = writeFileWhole(path, async (out) => {
      out.write('half')
      throw new Error('stop')
    })
    await expect(failing).rejects.toThrow('stop')
    expect(await readFile(path, 'utf8')).toBe('old')
    expect(await readdir(dir)).toEqual(['report.csv'])
  })

  test('that can’t be written is a usage error', async () => {
    for (const path of [dir, join(dir, 'no', 'report.csv')]) {
      await expect(writeFileWhole(path, () => Promise.resolve())).rejects.toMatchObject({
        code: 'SLUICE_INPUT_INVALID',
      })
    }
  })
})

function inLetters(index: number): string {
  return String(index).replaceAll(/\d/gu, (digit) => 'abcdefghij'.charAt(Number(digit)))
}

describe('failures by their groups', () => {
  test('the largest group first, with when its failures were seen, and three of them', () => {
    const groups = new FailureGroups()
    for (const index of [7, 3, 9, 5]) {
      groups.add({ id: `i${index}`, reason: `bad tile ${index}`, failureClass: 'failed', finishedAt: index })
    }
    groups.add({ id: 'odd', reason: 'disk full' })
    expect(groups.top(20)).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f]{16}$/u),
        template: 'bad tile <n>',
        failureClass: 'failed',
        count: 4,
        firstAt: 3,
        lastAt: 9,
        samples: ['i7', 'i3', 'i9'],
      },
      { id: expect.any(String), template: 'disk full', count: 1, samples: ['odd'] },
    ])
    expect([groups.size, groups.failures, groups.other]).toEqual([2, 5, { groups: 0, count: 0 }])
  })

  test('different exit codes and classes are never in one group', () => {
    const groups = new FailureGroups()
    groups.add({ id: 'a', reason: 'exit code 3' })
    groups.add({ id: 'b', reason: 'exit code 127' })
    groups.add({ id: 'c', reason: 'boom', exitCode: 3 })
    groups.add({ id: 'd', reason: 'boom', exitCode: 127 })
    groups.add({ id: 'e', reason: 'boom', exitCode: 127, failureClass: 'error' })
    expect(groups.size).toBe(5)
  })

  test('bounds the number of groups; keeps a large one however late it comes, and counts the rest', () => {
    const groups = new FailureGroups()
    for (let index = 0; index < 10_001; index++) groups.add({ id: 'x', reason: `gone ${inLetters(index)}` })
    expect([groups.size, groups.other]).toEqual([5_000, { groups: 5_001, count: 5_001 }])
    for (let index = 0; index < 6_000; index++) groups.add({ id: `i${index}`, reason: 'disk full' })
    for (let index = 0; index < 10_001; index++) groups.add({ id: 'x', reason: `lost ${inLetters(index)}` })
    expect(groups.size).toBeLessThanOrEqual(10_000)
    expect(groups.top(1)).toMatchObject([{ template: 'disk full', count: 6_000 }])
    const counted = groups.top(20_000).reduce((sum, { count }) => sum + count, 0)
    expect(counted + groups.other.count).toBe(26_002)
    expect(groups.failures).toBe(26_002)
  })

  test('a summary has the counts too', async () => {
    expect(await summarize(await filled(), { limit: 20, runtime: systemRuntime })).toMatchObject({
      sizes: { WAITING: 1, PROCESSING: 0, SUCCESS: 2, FAIL: 1 },
      groups: [{ template: 'second line', count: 1, samples: ['bad'] }],
      groupCount: 1,
      failures: 1,
      otherFailures: 0,
    })
  })
})
