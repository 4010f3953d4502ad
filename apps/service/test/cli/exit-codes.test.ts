import { ERROR_CODES, SluiceError, type ErrorCode } from '@sluice/core'
import { expect, test } from 'vitest'
import { CommandError } from '../../src/cli/command-error.js'
import { EXIT, EXIT_MEANINGS, exitCodeOf } from '../../src/cli/exit-codes.js'

const EXPECTED: Record<ErrorCode, number> = {
  SLUICE_ITEM_EXISTS: 3,
  SLUICE_ITEM_NOT_FOUND: 3,
  SLUICE_STAGE_CONFLICT: 3,
  SLUICE_LEASE_LOST: 4,
  SLUICE_QUEUE_CLOSED: 1,
  SLUICE_QUEUE_UNAVAILABLE: 4,
  SLUICE_QUEUE_DENIED: 5,
  SLUICE_QUEUE_CORRUPT: 2,
  SLUICE_JOB_REJECTED: 2,
  SLUICE_WORKER_UNAVAILABLE: 4,
  SLUICE_WORKER_DENIED: 5,
  SLUICE_WORKER_CLOSED: 1,
  SLUICE_CONFIG_INVALID: 2,
  SLUICE_INPUT_INVALID: 2,
  SLUICE_PACKAGE_MISSING: 2,
}

test('every error code has its exit code', () => {
  const codes = Object.keys(ERROR_CODES).filter((code): code is ErrorCode => code in EXPECTED)
  expect(codes).toEqual(Object.keys(ERROR_CODES))
  const exits = codes.map((code) => [code, exitCodeOf(new SluiceError(code, 'x'))])
  expect(Object.fromEntries(exits)).toEqual(EXPECTED)
})

test('any other error is unexpected; a command may set its own code', () => {
  expect(exitCodeOf(new Error('x'))).toBe(1)
  expect(exitCodeOf('x')).toBe(1)
  expect(exitCodeOf(new CommandError('REFUSED', 'x'))).toBe(6)
  expect(exitCodeOf({ code: 'ENOENT' })).toBe(1)
})

test('every exit code has a text, and its own number', () => {
  expect(Object.keys(EXIT_MEANINGS)).toEqual(Object.keys(EXIT))
  expect(new Set(Object.values(EXIT)).size).toBe(Object.keys(EXIT).length)
})
