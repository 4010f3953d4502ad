import { expect, test } from 'vitest'
import { MAX_PAGE_ITEMS, MAX_RETRY_STATE_BYTES, type Settlement } from '../../src/index.js'
import {
  assertDocumentName,
  assertDocumentPrefix,
  assertDocumentVersion,
  assertIds,
  assertLease,
  assertPageLimit,
  checkMove,
  checkRemovable,
  checkRequeue,
  checkSettlements,
  requestTimeMs,
} from '../../src/backend/index.js'

test('a requeue has its delay, and its reason as it will be stored', () => {
  expect(checkRequeue({})).toEqual({ delayMs: 0 })
  expect(checkRequeue({ priority: 3, reason: 'a\0', delayMs: 5 })).toEqual({
    delayMs: 5,
    priority: 3,
    reason: 'a\u{FFFD}',
  })
  expect(() => checkRequeue({ priority: 0.5 })).toThrow(/priority must be an integer/)
  expect(() => checkRequeue({ delayMs: -1 })).toThrow(/delayMs/)
})

test('items in PROCESSING are never removed', () => {
  expect(checkRemovable({})).toEqual(['WAITING', 'SUCCESS', 'FAIL'])
  expect(checkRemovable({ stages: ['FAIL'] })).toEqual(['FAIL'])
  const wrong: unknown[] = ['PROCESSING', 'DONE']
  for (const stage of wrong)
    expect(() => checkRemovable(JSON.parse(JSON.stringify({ stages: [stage] })))).toThrow(TypeError)
})

test('ids, limits of pages and leases', () => {
  expect(() => {
    assertIds(['a', ''])
  }).toThrow(/empty/)
  for (const limit of [0, MAX_PAGE_ITEMS + 1, 1.5, '1', undefined]) {
    expect(() => {
      assertPageLimit(limit)
    }).toThrow(/limit must be a whole number from 1 to 10000/)
  }
  for (const [name, holder, ttlMs] of [
    ['', 'h', 100],
    ['n', '', 100],
    ['n', 'h', 99],
    ['n', 'h', 100.5],
  ] as const) {
    expect(() => {
      assertLease(name, holder, ttlMs)
    }).toThrow(TypeError)
  }
  expect(() => {
    assertLease('n', 'h', 100)
    assertPageLimit(MAX_PAGE_ITEMS)
    assertIds([])
  }).not.toThrow()
})

test('a move is checked whole and what it brings is JSON text', () => {
  expect(checkMove({ id: 'a', stage: 'SUCCESS', attempt: 2, result: { n: 1 } }, 100)).toEqual({
    id: 'a',
    to: 'SUCCESS',
    attempt: 2,
    resultText: '{"n":1}',
    detailsText: undefined,
    reason: undefined,
    delayMs: 0,
    uncounted: false,
    unsent: false,
    keepPlace: false,
  })
  const wrong = { id: 'a', stage: 'PROCESSING' }
  expect(() => checkMove(JSON.parse(JSON.stringify(wrong)), 100)).toThrow(/SUCCESS, FAIL or WAITING/)
  expect(() => checkMove({ id: 'a', stage: 'FAIL', attempt: -1 }, 100)).toThrow(/attempt/)
  expect(() => checkMove({ id: 'a', stage: 'SUCCESS', result: 'x'.repeat(100) }, 100)).toThrow(
    /result is 102 bytes/,
  )
})

test('what a move says of the job, and of how the item comes back, is checked', () => {
  const asked = { id: 'a', attempt: 1, stage: 'WAITING' } as const
  const state = { tries: 2 }
  expect(
    checkMove(
      {
        ...asked,
        unsent: true,
        keepPlace: true,
        retryState: state,
        failureClass: 'oom',
        exitCode: 137,
        jobUid: 'u',
      },
      100,
    ),
  ).toMatchObject({
    uncounted: true,
    unsent: true,
    keepPlace: true,
    retryStateText: '{"tries":2}',
    failureClass: 'oom',
    exitCode: 137,
    jobUid: 'u',
  })
  expect(() => checkMove({ ...asked, keepPlace: true, delayMs: 1 }, 100)).toThrow(/keepPlace or delayMs/)
  expect(() => checkMove({ ...asked, retryState: 'x'.repeat(MAX_RETRY_STATE_BYTES) }, 10_000)).toThrow(
    /retryState is/,
  )
  expect(() => checkMove({ ...asked, exitCode: 1.5 }, 100)).toThrow(/exitCode/)
  expect(() => checkMove({ ...asked, failureClass: '' }, 100)).toThrow(/failureClass/)
  expect(() => checkMove({ ...asked, jobUid: '\0' }, 100)).toThrow(/jobUid/)
})

test('documents have names of 1 to 128 bytes, and versions from 1', () => {
  for (const name of ['', 'a\0', '\uD800', 'é'.repeat(65), 5])
    expect(() => assertDocumentName(name)).toThrow(TypeError)
  expect(() => assertDocumentPrefix('')).not.toThrow()
  expect(() => assertDocumentName('é'.repeat(64))).not.toThrow()
  for (const version of [0, 1.5, '1', null]) expect(() => assertDocumentVersion(version)).toThrow(/ifVersion/)
  expect(() => assertDocumentVersion(undefined)).not.toThrow()
})

test('a request may take its timeout and a second for each 64 KiB', () => {
  expect(requestTimeMs(30_000, 0)).toBe(30_000)
  expect(requestTimeMs(30_000, 65_537)).toBe(31_001)
})

test('a bad one of many outcomes is named by its index, and needs its attempt', () => {
  const good: Settlement = { id: 'a', attempt: 1, stage: 'SUCCESS' }
  expect(checkSettlements([good], 100)).toMatchObject([{ id: 'a', attempt: 1, to: 'SUCCESS' }])
  expect(() => checkSettlements([good, { ...good, attempt: 0.5 }], 100)).toThrow(/outcomes\[1\]: attempt/)
})
