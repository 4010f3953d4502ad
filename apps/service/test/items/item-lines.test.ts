import { PassThrough } from 'node:stream'
import type { ItemRecord } from '@sluice/core'
import pico from 'picocolors'
import { expect, test } from 'vitest'
import { ItemLines } from '../../src/items/item-lines.js'

const NOW = 10_000_000

function item(id: string, more: Partial<ItemRecord> = {}): ItemRecord {
  const base = {
    id,
    uid: 'u',
    body: 1,
    stage: 'WAITING',
    attempt: 0,
    uncounted: 0,
    priority: 0,
    putAt: NOW - 60_000,
  } as const
  return { ...base, history: [], ...more }
}

function linesOf(items: readonly ItemRecord[], columns?: number): string[] {
  const stdout = Object.assign(new PassThrough(), columns === undefined ? {} : { columns })
  const lines = new ItemLines({ output: { stdout, colors: pico.createColors(false) }, now: NOW })
  return lines.of(items, new Map())
}

const FAILED = {
  stage: 'FAIL',
  attempt: 2,
  claimedAt: NOW - 3_700_000,
  finishedAt: NOW - 3_600_000,
  reason: `${'the disk is full '.repeat(30)}end`,
} as const

test('the reason is truncated to the screen’s width, the id never', () => {
  const wide = linesOf([item('a'), item('b', FAILED)], 100)
  expect(wide.map((line) => line.length)).toEqual([expect.any(Number), expect.any(Number), 100])
  expect(wide[2]).toMatch(/^FAIL +2 +b +1h +1m 40s +the disk is full .*…$/)
  const long = `tiles/${'x'.repeat(80)}`
  const narrow = linesOf([item(long, FAILED)], 60)
  expect(narrow[1]).toContain(long)
})

test('ids of the first page set the width of their column; in a file the reason is complete', () => {
  const [head = '', short = '', longer = ''] = linesOf([item('a'), item('a-longer-id', FAILED)])
  const at = head.indexOf(' age') + 1
  expect([short.slice(at, at + 2), longer.slice(at, at + 2)]).toEqual(['1m', '1h'])
  expect(linesOf([item('b', { ...FAILED, reason: 'x'.repeat(250) })])[1]).toContain('x'.repeat(250))
})

test('a running item’s age and duration count from its claim', () => {
  const running = item('a', { stage: 'PROCESSING', attempt: 1, claimedAt: NOW - 5_000 })
  expect(linesOf([running])[1]).toMatch(/^PROCESSING +1 +a +5s +5s$/)
})
