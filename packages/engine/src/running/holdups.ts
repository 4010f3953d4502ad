import type { ControlState, SluiceError } from '@sluice/core'
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

/** The holdups of a tick, brought up to what the control says now. */
export function withPause(holdups: readonly Holdup[], { paused, reason }: ControlState): Holdup[] {
  const others = holdups.filter(({ kind }) => kind !== 'paused')
  if (!paused) return others
  const message = reason === undefined ? 'paused' : `paused: ${oneLine(reason)}`
  return [{ kind: 'paused', message }, ...others]
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/gu, ' ').trim().slice(0, MAX_MESSAGE_CHARS)
}
