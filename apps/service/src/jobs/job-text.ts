import type { JobReport, JsonValue } from '@sluice/core'
import { oneLine, printable } from '../output/output.js'
import type { JobAnswer, StartedNote } from './ask-jobs.js'

/** The state of the job of an item in PROCESSING. */
export function runningText(answer: JobAnswer, maxChars: number): string {
  if (answer.kind === 'unasked') return `unknown: ${printable(answer.why, maxChars)}`
  if (answer.kind === 'none')
    return answer.started === undefined
      ? 'the worker has no job for this attempt yet'
      : missingText(answer.started)
  const { report } = answer
  if (report.stage !== 'PROCESSING') return `${endText(report, maxChars)}; not settled yet`
  const heldUp = heldUpBy(report)
  if (heldUp !== undefined) return `pending: ${printable(heldUp, maxChars)}`
  return report.message === undefined ? 'running' : `running: ${oneLine(report.message, maxChars)}`
}

/** A job that had started, and that the worker no longer knows. */
function missingText({ missingForMs, graceMs }: StartedNote): string {
  if (missingForMs === undefined || graceMs === undefined)
    return 'started, and now unknown to the worker; a running service counts it as lost after the grace period'
  const [forText, graceText] = [missingForMs, graceMs].map((ms) => `${Math.round(ms / 1_000)} s`)
  return `started, and unknown to the worker for ${forText}; lost at ${graceText}`
}

/** The end of a job that was cancelled. */
export function cancelledText(answer: JobAnswer, maxChars: number): string {
  if (answer.kind === 'unasked') return `cancelled; unknown: ${printable(answer.why, maxChars)}`
  if (answer.kind === 'none') return 'cancelled; the worker no longer knows the job'
  const { report } = answer
  if (report.stage === 'SUCCESS') return 'succeeded although it was cancelled; the item stays in FAIL'
  if (report.stage === 'FAIL') return `cancelled; ${endText(report, maxChars)}`
  // The worker's message says when the job was cancelled, and by when it ends.
  if (typeof fieldOf(report.details, 'toldToEndAt') === 'number' && report.message !== undefined)
    return oneLine(report.message, maxChars)
  const heldUp = heldUpBy(report)
  const shutdown = detailOf(report.details, 'shutdown')
  if (heldUp === undefined && shutdown !== undefined)
    return `cancelled (${printable(shutdown, maxChars)}); it has not ended yet`
  return heldUp === undefined
    ? 'cancelled; it has not ended yet. If it continues, the worker did not get the request: cancel the item again'
    : `cancelled; it has not begun: ${endsWhenText(heldUp)}`
}

/** One line of `ls`: the worker's name for the job, its state, and its link. */
export function jobLine(answer: JobAnswer, maxChars: number): string {
  if (answer.kind === 'unasked') return ''
  if (answer.kind === 'none') return answer.started === undefined ? 'no job yet' : missingText(answer.started)
  const { report } = answer
  const names = ['workflow', 'phase'].map((name) => detailOf(report.details, name))
  const parts = [...names, runningText(answer, maxChars), report.url]
  return parts
    .filter((part) => part !== undefined && part !== '')
    .map((part) => printable(part ?? '', 300))
    .join(' · ')
}

/** What a worker without `pending` may say of a job that waits for a lock. */
const WAITS = /\bwaiting for\b.*\block\b/iu

/** What holds up a job that was accepted and has not begun; `undefined` for any other. */
export function heldUpBy({ stage, pending, message }: JobReport): string | undefined {
  if (stage !== 'PROCESSING' || pending === false) return undefined
  if (pending === undefined) return WAITS.test(message ?? '') ? message : undefined
  return message ?? 'the worker does not say by what'
}

/** When a cancelled job that is held up ends: its worker may have to wait for the same cause. */
export function endsWhenText(heldUp: string): string {
  const free = /\block\b/iu.test(heldUp) ? 'it ends when the lock is free' : 'it ends when that is over'
  return `${printable(heldUp, 300)}: ${free}`
}

function endText({ stage, message }: JobReport, maxChars: number): string {
  if (stage === 'SUCCESS') return 'succeeded'
  return message === undefined ? 'ended' : `ended: ${printable(message.split('\n', 1)[0] ?? '', maxChars)}`
}

function detailOf(details: JsonValue | undefined, name: string): string | undefined {
  const value = fieldOf(details, name)
  return typeof value === 'string' ? value : undefined
}

function fieldOf(details: JsonValue | undefined, name: string): JsonValue | undefined {
  if (typeof details !== 'object' || details === null || Array.isArray(details)) return undefined
  return Object.entries(details).find(([key]) => key === name)?.[1]
}
