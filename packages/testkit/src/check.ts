import { AssertionError } from 'node:assert'
import { inspect, isDeepStrictEqual } from 'node:util'
import { isSluiceError, type ErrorCode } from '@sluice/core'

/** Throws unless the two are deep-equal. `what` says in a sentence what was expected. */
export function same(actual: unknown, expected: unknown, what: string): void {
  if (isDeepStrictEqual(actual, expected)) return
  throw broken(what, actual, expected)
}

/** As `same`, in any order. */
export function sameMembers(actual: readonly string[], expected: readonly string[], what: string): void {
  same(actual.toSorted(), expected.toSorted(), what)
}

/** Throws unless `holds`; `came` is shown. */
export function check(holds: boolean, what: string, came?: unknown): void {
  if (holds) return
  throw new AssertionError({ message: came === undefined ? what : `${what}\n  came:     ${shown(came)}` })
}

/** Throws unless the promise rejects with a SluiceError of this code. */
export async function rejects(call: Promise<unknown>, code: ErrorCode, what: string): Promise<void> {
  const end = await endOf(call)
  if (end.rejected && isSluiceError(end.error, code)) return
  throw new AssertionError({
    message: `${what}\n  expected: it rejects with a SluiceError of code ${code}\n  came:     ${cameOf(end)}`,
  })
}

/**
 * Throws unless the promise rejects with a TypeError, by rejection rather than by a throw before there is a
 * promise.
 */
export async function refuses(call: () => Promise<unknown>, what: string): Promise<Error> {
  const end = await endOf(promised(call, what))
  if (end.rejected && end.error instanceof TypeError) return end.error
  throw new AssertionError({
    message: `${what}\n  expected: it rejects with a TypeError\n  came:     ${cameOf(end)}`,
  })
}

/** Throws if the promise rejects; else returns its value. */
export async function resolves<T>(call: Promise<T>, what: string): Promise<T> {
  try {
    return await call
  } catch (error) {
    throw new AssertionError({
      message: `${what}\n  expected: it resolves\n  came:     ${cameOf({ rejected: true, error })}`,
    })
  }
}

/** The item at an index that must be there. */
export function at<T>(items: readonly T[], index: number, what: string): T {
  const item = items[index]
  if (item === undefined) throw new AssertionError({ message: `${what}\n  came:     ${shown(items)}` })
  return item
}

type End =
  | { readonly rejected: false; readonly value: unknown }
  | { readonly rejected: true; readonly error: unknown }

async function endOf(call: Promise<unknown>): Promise<End> {
  try {
    return { rejected: false, value: await call }
  } catch (error) {
    return { rejected: true, error }
  }
}

function promised(call: () => Promise<unknown>, what: string): Promise<unknown> {
  try {
    return call()
  } catch (error) {
    throw new AssertionError({
      message: `${what}\n  expected: it returns a promise that rejects\n  came:     it threw at once, ${shown(error)}`,
    })
  }
}

function cameOf(end: End): string {
  return end.rejected ? `it rejected with ${shownError(end.error)}` : `it resolved with ${shown(end.value)}`
}

function shownError(error: unknown): string {
  if (isSluiceError(error)) return `SluiceError ${error.code}: ${error.message}`
  return error instanceof Error ? `${error.name}: ${error.message}` : shown(error)
}

function broken(what: string, actual: unknown, expected: unknown): AssertionError {
  return new AssertionError({
    message: `${what}\n  expected: ${shown(expected)}\n  came:     ${shown(actual)}`,
    actual,
    expected,
  })
}

function shown(value: unknown): string {
  const text = inspect(value, { depth: 6, breakLength: 110, maxArrayLength: 40, maxStringLength: 300 })
  return text.replaceAll('\n', '\n            ')
}
