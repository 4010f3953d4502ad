import type { SluiceError } from '@sluice/core'
import { sideOf } from '../engine-errors.js'
import type { Holdup } from '../tick-result.js'

/** Longest message of a holdup, in characters. */
const MAX_MESSAGE_CHARS = 500

/** What an outage holds up, but for what is said already. */
export function outageHoldups(
  error: SluiceError | undefined,
  { said, maxRetryAfterMs }: { said: readonly Holdup[]; maxRetryAfterMs: number },
): Holdup[] {
  // Sends that are left alone are said to be so by those who leave them alone.
  if (error === undefined || said.some(({ kind }) => kind === 'retry-after')) return []
  const message = oneLine(error.message)
  const all: Holdup[] = [{ kind: sideOf(error), message }]
  if (error.retryAfterMs !== undefined) {
    const forMs = Math.min(error.retryAfterMs, maxRetryAfterMs)
    all.push({ kind: 'retry-after', message: `the ${sideOf(error)} asked to be left alone`, forMs })
  }
  return all.filter(({ kind }) => !said.some((one) => one.kind === kind))
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/gu, ' ').trim().slice(0, MAX_MESSAGE_CHARS)
}
