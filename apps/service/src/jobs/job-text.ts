import type { JobReport, JsonValue } from '@sluice/core'
import { oneLine, printable } from '../output/output.js'
import type { JobAnswer, StartedNote } from './ask-jobs.js'
import { endsWhenText, heldUpBy } from './held-up.js'

/** How the job of an item in PROCESSING stands, in a few words. */
export function runningText(answer: JobAnswer, maxChars: number): string {
  if (answer.kind === 'unasked') return `not known: ${printable(answer.why, maxChars)}`
  if (answer.kind === 'none')
    return answer.started === undefined
      ? 'the worker has none yet for this attempt'
      : missingText(answer.started)
  const { report } = answer
  if (report.stage !== 'PROCESSING') return `${endText(report, maxChars)}; not settled yet`
  const heldUp = heldUpBy(report)
  if (heldUp !== undefined) return `pending: ${printable(heldUp, maxChars)}`
  return report.message === undefined ? 'runs' : `runs: ${oneLine(report.message, maxChars)}`
}

/** Of a job that had started, and that the worker does not know any more. */
function missingText({ missingForMs, graceMs }: StartedNote): string {
  if (missingForMs === undefined || graceMs === undefined)
    return 'started, and the worker does not know it now; a service that runs waits for its grace, and then it is lost'
  const [forText, graceText] = [missingForMs, graceMs].map((ms) => `${Math.round(ms / 1_000)} s`)
  return `started, and the worker has not known it for ${forText}; lost at ${graceText}`
}

/** What became of a job that was told to end. */
export function cancelledText(answer: JobAnswer, maxChars: number): string {
  if (answer.kind === 'unasked') return `told to end; not known: ${printable(answer.why, maxChars)}`
  if (answer.kind === 'none') return 'told to end; the worker no longer knows it'
  const { report } = answer
  if (report.stage === 'SUCCESS') return 'ended well although it was told to end; the item stays in FAIL'
  if (report.stage === 'FAIL') return `told to end; ${endText(report, maxChars)}`
  // The worker says when it was told, and by when it ends.
  if (typeof fieldOf(report.details, 'toldToEndAt') === 'number' && report.message !== undefined)
    return oneLine(report.message, maxChars)
  const heldUp = heldUpBy(report)
  const shutdown = detailOf(report.details, 'shutdown')
  if (heldUp === undefined && shutdown !== undefined)
    return `told to end (${printable(shutdown, maxChars)}); it has not ended yet`
  return heldUp === undefined
    ? 'cancelled; it has not ended yet. If it goes on, the worker was not told: cancel the item again'
    : `told to end; it has not begun: ${endsWhenText(heldUp)}`
}

/** One line of `ls`: what runs, by the worker's name for it, how it stands, and where to look. */
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

function endText({ stage, message }: JobReport, maxChars: number): string {
  if (stage === 'SUCCESS') return 'ended well'
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
