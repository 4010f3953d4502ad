import type { JobReport } from '@sluice/core'
import { printable } from '../output/output.js'

/** Of a worker that does not say which jobs are pending, the words of one may. */
const WAITS = /\bwaiting for\b.*\block\b/iu

/** What holds a job up that was accepted and of which nothing runs yet; `undefined` for any other. */
export function heldUpBy({ stage, pending, message }: JobReport): string | undefined {
  if (stage !== 'PROCESSING' || pending === false) return undefined
  if (pending === undefined) return WAITS.test(message ?? '') ? message : undefined
  return message ?? 'the worker does not say by what'
}

/** When a job ends that was told to end and is held up: a worker may have to wait for the same. */
export function endsWhenText(heldUp: string): string {
  const free = /\block\b/iu.test(heldUp) ? 'it ends when the lock is free' : 'it ends when that is over'
  return `${printable(heldUp, 300)}: ${free}`
}
