import { Writable } from 'node:stream'
import type { ItemRecord } from '@sluice/core'
import { describe, expect, test } from 'vitest'
import { itemText } from '../../src/items/item-text.js'
import { Output } from '../../src/output/output.js'

const AT = Date.UTC(2026, 10, 30, 9)
const REASON = 'exit code 3: line ü\r\n\u001B[31mred\u001B[0m\tb\nTraceback:\n  File "x"\nValueError: 🙂'

const FAILED: ItemRecord = {
  id: 'tile\n1',
  uid: 'u',
  stage: 'FAIL',
  attempt: 3,
  uncounted: 0,
  priority: 0,
  retryState: { ended: true },
  body: { p: 'a\nb' },
  putAt: AT,
  notBeforeAt: AT + 10,
  claimedAt: AT + 20,
  finishedAt: AT + 1_020,
  reason: REASON,
  failureClass: 'failed',
  exitCode: 3,
  details: {
    startedAt: AT + 30,
    bytes: 1_700,
    notes: ['one', 'two\nlines'],
    log: 'x\ny',
    leftOut: ['the result'],
  },
  history: [1, 2, 3].map((attempt) => ({
    attempt,
    claimedAt: AT + attempt,
    endedAt: AT + attempt + 1_000,
    outcome: attempt === 3 ? ('FAIL' as const) : ('WAITING' as const),
    reason: REASON,
    failureClass: 'failed',
    exitCode: 3,
  })),
}

function lines(item: ItemRecord, { isTTY = false, maxChars = 600 } = {}): readonly string[] {
  const stdout = Object.assign(new Writable(), { isTTY, columns: 80 })
  const env = { TERM: 'xterm' }
  const output = new Output({ stdout, stderr: stdout, env, json: false })
  return itemText({ item, job: undefined }, output, maxChars).split('\n')
}

describe('an item that failed after several tries', () => {
  test('prints line breaks, one line for each field and note, and dates', () => {
    expect(lines(FAILED)).toEqual([
      'id           tile\\u000a1',
      'stage        FAIL',
      'attempt      3',
      'put          2026-11-30T09:00:00.000Z',
      'claimed      2026-11-30T09:00:00.020Z',
      'finished     2026-11-30T09:00:01.020Z, 1s after the claim',
      'reason       exit code 3: line ü',
      '             \\u001b[31mred\\u001b[0m    b',
      '             Traceback:',
      '               File "x"',
      '             ValueError: 🙂',
      'class        failed',
      'exit code    3',
      'body         {"p":"a\\nb"}',
      'not stored   the result',
      'details      startedAt  2026-11-30T09:00:00.030Z',
      '             bytes      1700',
      '             notes      one',
      '                        two␊lines',
      '             log        x',
      '                        y',
      'uid          u',
      '',
      expect.stringMatching(/^attempt {2}claimed/u),
      ...[1, 2, 3].map(() =>
        expect.stringMatching(/ {2}exit code 3: line ü␊\\u001b\[31mred.* b␊Traceback:␊ {2}File/u),
      ),
    ])
  })

  test('shows no escape sequence of its own but those that make names bold on a terminal', () => {
    const text = lines(FAILED, { isTTY: true }).join('\n')
    // oxlint-disable-next-line no-control-regex -- it is what it is about
    expect(text.replaceAll(/\u001B\[(?:1|22)m/gu, '')).toBe(lines(FAILED).join('\n'))
    expect(text).toContain('\u001B[1m')
  })

  test('is truncated if it is long', () => {
    const long = lines({ ...FAILED, reason: `${'x'.repeat(700)}\nend`, history: [] }, { maxChars: 20 })
    expect(long).toContain(`reason       ${'x'.repeat(19)}…`)
    expect(long).toContain('             end')
  })
})

test.each<[ItemRecord['retryState'], readonly string[]]>([
  [{ ended: true }, []],
  [{ tries: 2, ended: true }, ['send tries   2 refused by the worker']],
  [{ tries: 1, other: 'x' }, ['send tries   1 refused by the worker', 'retry state  {"other":"x"}']],
  ['of a program', ['retry state  "of a program"']],
  [undefined, []],
])('what is handed on to the next attempt: %j', (retryState, expected) => {
  const { retryState: _, ...item } = FAILED
  const all = lines({ ...item, stage: 'WAITING', ...(retryState === undefined ? {} : { retryState }) })
  expect(all.filter((line) => /tries|retry state/u.test(line))).toEqual(expected)
  expect(all).toContain('not before   2026-11-30T09:00:00.010Z')
})

test('an item that was stored as done has no attempts', () => {
  const done: ItemRecord = {
    id: 'a',
    uid: 'u',
    stage: 'SUCCESS',
    attempt: 0,
    uncounted: 0,
    priority: 0,
    body: {},
    putAt: AT,
    finishedAt: AT,
    history: [],
  }
  expect(lines(done)).toEqual([
    'id           a',
    'stage        SUCCESS',
    'attempt      0 (put as done)',
    'put          2026-11-30T09:00:00.000Z',
    'finished     2026-11-30T09:00:00.000Z',
    'body         {}',
    'uid          u',
  ])
})
