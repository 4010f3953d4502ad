import type { CommandContext } from '../../cli/command.js'
import { idsText } from '../../items/moved-items.js'
import { endsWhenText } from '../job-text.js'
import { elapsedText, itemsText, plural } from '../../output/amounts.js'
import type { Cancelling } from './cancelling.js'
import { endedWellText, endsText } from './ends-text.js'
import { leftIds, noteLeft, type LeftIds } from './left-ids.js'

interface Reporting {
  readonly context: CommandContext
  /** Ids were given; otherwise unchanged items are not reported. */
  readonly isById: boolean
  readonly waitedMs: number
}

/** Reports what was done, and what was not and why. Sets the exit code. */
export function reportCancelled(cancelling: Cancelling, { context, isById, waitedMs }: Reporting): void {
  const left = leftIds(cancelling)
  context.output.print(reportText(cancelling, left, context), reportJson(cancelling, left))
  if (isById) noteLeft(context, cancelling, left)
  noteWaitingAgain(cancelling, context)
  warnOfOpen(cancelling, context, waitedMs)
  warnOfLate(cancelling, context, waitedMs)
  warnOfUnreached(cancelling, context)
}

function reportJson(cancelling: Cancelling, left: LeftIds): object {
  const { cancelled, told, unreached, ends, mayStart } = cancelling
  const [waiting, finished, unknown, running] = [left.waiting, left.finished, left.unknown, left.running].map(
    (targets) => targets.map(({ id }) => id),
  )
  return {
    cancelled: cancelled.size,
    again: left.again.length,
    told: [...told].filter((id) => !cancelled.has(id)),
    waiting,
    finished,
    unknown,
    running,
    unreached: [...unreached],
    jobs: ends.ends.map(({ job: { id, attempt }, ...end }) => ({ id, attempt, ...end })),
    unfinished: ends.open.map(({ id }) => id),
    mayStart,
  }
}

function reportText(cancelling: Cancelling, left: LeftIds, { output }: CommandContext): string {
  const { cancelled, others, ends } = cancelling
  const again = new Set(left.again.map(({ id }) => id))
  const isCancelled = (id: string): boolean => cancelled.has(id) || again.has(id)
  const shown = ends.ends
    .filter(({ job, told }) => told || again.has(job.id))
    .map((end) => {
      const last = cancelled.get(end.job.id) ?? others.get(end.job.id)?.item?.attempt
      return { ...end, isEarlier: end.job.attempt !== last }
    })
  const well = shown.filter(
    ({ job, end, isEarlier }) => end === 'SUCCESS' && !isEarlier && isCancelled(job.id),
  )
  return [
    headText(cancelling, left),
    ...(shown.length === 0 ? [] : [endsText(shown, output)]),
    ...(well.length === 0 ? [] : [endedWellText(well.map(({ job }) => job.id))]),
  ].join('\n')
}

function headText({ cancelled, told, ends }: Cancelling, { again }: LeftIds): string {
  const before = again.length === 0 ? [] : [`${itemsText(again.length)} already cancelled`]
  const beside = [...told].filter((id) => !cancelled.has(id))
  const jobs = [...ends.open, ...ends.ends.filter((end) => end.told).map(({ job }) => job)].filter(({ id }) =>
    beside.includes(id),
  ).length
  const ended = jobs === 0 ? [] : [`${plural(jobs, 'job')} without an item in PROCESSING cancelled`]
  return [`Cancelled ${itemsText(cancelled.size)}`, ...before, ...ended].join('; ')
}

/** Cancelling a job of an earlier attempt does not keep its item from being started again. */
function noteWaitingAgain({ told, others }: Cancelling, { output }: CommandContext): void {
  const waiting = [...told].filter((id) => others.get(id)?.item?.stage === 'WAITING')
  if (waiting.length === 0) return
  const what = waiting.length === 1 ? 'It is in WAITING and starts' : 'They are in WAITING and start'
  output.note(
    `${what} again, unless \`sluice rm\` removes ${waiting.length === 1 ? 'it' : 'them'}: ${idsText(waiting)}`,
  )
}

/** Some jobs have not ended. */
function warnOfOpen({ ends, cancelled }: Cancelling, context: CommandContext, waitedMs: number): void {
  const { open, unreachedWhy } = ends
  if (open.length === 0) return
  const heldUp = open.map((job) => ends.heldUp(job)).find((message) => message !== undefined)
  const why = heldUp === undefined ? unreachedWhy : endsWhenText(heldUp)
  const ids = open.map(({ id }) => id)
  const next = ids.every((id) => cancelled.has(id))
    ? `${inFailText(ids.length)} \`sluice show ID\` shows how a job ended; --json lists all.`
    : 'Cancel the same ids again to see how they ended; --json lists all.'
  context.output.warn(
    `${plural(open.length, 'job')} had not ended after ${elapsedText(waitedMs)}${why === undefined ? '' : ` (${why})`}: ` +
      `${idsText(ids)}\n${next}`,
  )
  context.exitWith('UNAVAILABLE')
}

/** A service had a send under way, and has not confirmed its end. */
function warnOfLate({ mayStart }: Cancelling, context: CommandContext, waitedMs: number): void {
  if (mayStart.length === 0) return
  const isOne = mayStart.length === 1
  context.output.warn(
    `${plural(mayStart.length, 'job')} may still start: a service may be sending ${isOne ? 'it' : 'them'}, and did not ` +
      `confirm the end within ${elapsedText(waitedMs)}: ${idsText(mayStart)}\nThe service cancels each job that starts. ` +
      `${isOne ? 'Its item is' : 'Their items are'} in FAIL; cancel the same ids again to check.`,
  )
  context.exitWith('UNAVAILABLE')
}

function warnOfUnreached(cancelling: Cancelling, context: CommandContext): void {
  if (cancelling.unreachedWhy === undefined) return
  context.output.warn(unreachedText(cancelling, cancelling.unreachedWhy))
  context.exitWith('UNAVAILABLE')
}

function unreachedText({ unreached, cancelled }: Cancelling, why: string): string {
  const ids = [...unreached]
  if (ids.length === 0)
    return `Jobs without an item in PROCESSING, such as those of earlier attempts, may still run: ${why}\nRun the same command again to cancel them.`
  const next = `To cancel the jobs, cancel the same ids again (--json lists all): ${idsText(ids)}`
  const stage = ids.every((id) => cancelled.has(id)) ? `${inFailText(ids.length)} ` : ''
  return `The jobs of ${itemsText(ids.length)} may still run: ${why}\n${stage}${next}`
}

function inFailText(count: number): string {
  return count === 1 ? 'Its item is in FAIL.' : 'Their items are in FAIL.'
}
