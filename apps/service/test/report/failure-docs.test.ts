import { readFile } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { failureGroupOf } from '@sluice/core/backend'
import { expect, test } from 'vitest'
import { Output } from '../../src/output/output.js'
import { FailureGroups } from '../../src/report/failure-groups.js'
import { failureLines, summaryOf } from '../../src/report/failure-table.js'

const DOCS = await readFile(new URL('../../../../docs/failures.md', import.meta.url), 'utf8')

/** What follows a mark of the page: up to the next heading or the end of a block. */
function marked(name: string): string {
  const [, rest = ''] = DOCS.split(`<!-- checked: ${name} -->\n`)
  return rest
}

/** An instant of the example. */
function at(minute: number): number {
  return Date.UTC(2026, 10, 30, 3, minute)
}

test('the summary in docs/failures.md is what the command prints of such failures', () => {
  const groups = new FailureGroups()
  for (let n = 0; n < 1_200; n++) {
    groups.add({
      id: `tile-${n}`,
      reason: `exit code 1: Traceback (most recent call last):\n  File "/app/digest.py", line 41, in <module>\nOSError: [Errno 28] No space left on device: '/scratch/tile-${n}.tif'`,
      failureClass: 'failed',
      exitCode: 1,
      finishedAt: at(n % 40),
    })
  }
  for (let n = 0; n < 640; n++) {
    groups.add({
      id: `tile-${2_000 + n}`,
      reason: 'OOMKilled (exit code 137): 12 of 40 blocks',
      failureClass: 'oom',
      exitCode: 137,
      finishedAt: at(10 + (n % 30)),
    })
  }
  groups.add({
    id: 'tile-77',
    reason: 'exit code 127: sh: 1: gdalinfo: not found',
    failureClass: 'error',
    exitCode: 127,
    finishedAt: at(2),
  })
  const output = new Output({ stdout: new Writable(), stderr: new Writable(), env: {}, json: false })
  const printed = failureLines(summaryOf(groups, 20), output).join('\n').trim()
  expect(/^\n```text\n([^]*?)\n```/u.exec(marked('summary'))?.[1]).toBe(printed)
})

/** The cells of a table, without the ticks around them. */
function rowsOf(name: string): string[][] {
  const [table = ''] = marked(name).trim().split('\n\n')
  const rows = table.split('\n').slice(2)
  return rows.map((row) => [...row.matchAll(/`([^`]+)`/gu)].map(([, cell = '']) => cell))
}

test.each(['replaced', 'kept'])('the table of what is %s in docs/failures.md is true', (name) => {
  const rows = rowsOf(name)
  expect(rows.length).toBeGreaterThan(5)
  for (const [reason = '', template = ''] of rows)
    expect(failureGroupOf({ id: 'in/tile-7.tif', reason }).template).toBe(template)
})
