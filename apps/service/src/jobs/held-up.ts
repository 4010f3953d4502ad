import type { JobReport } from '@sluice/core'
import { printable } from '../output.js'

/** What holds a job up that was accepted and of which nothing runs yet; `undefined` for any other. */
export function heldUpBy({ stage, pending, message }: JobReport): string | undefined {
  if (stage !== 'PROCESSING' || pending !== true) return undefined
  return message ?? 'the worker does not say by what'
}

/** When a job ends that was told to end and is held up: a worker may have to wait for the same. */
export function endsWhenText(heldUp: string): string {
  const free = /\block\b/iu.test(heldUp) ? 'it ends when the lock is free' : 'it ends when that is over'
  return `${printable(heldUp, 300)}: ${free}`
}
