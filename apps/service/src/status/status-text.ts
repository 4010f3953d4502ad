import { STAGES, type Stage } from '@sluice/core'
import { oneLine, printable, withoutFullStop, type Output } from '../output/output.js'
import { countText, elapsedText, itemsText, plural } from '../output/amounts.js'
import { isShown } from './queue-holdups.js'
import type { QueueStatus, StatusHoldup, StatusLimit } from './read-status.js'
import { spanText } from '../output/amounts.js'

/** `at most 8 jobs at once, set by …`, as far as it is known. */
export function limitText(limit: StatusLimit, atMost?: number): string {
  const { effective, reason = '' } = limit
  const text = allowedText(limit, atMost)
  if (effective === undefined) return text
  return `${text}; lowered to ${countText(effective)} for now: ${withoutFullStop(oneLine(reason, 300))}`
}

function allowedText({ live, configured }: StatusLimit, atMost?: number): string {
  if (live !== undefined) return `at most ${plural(live, 'job')} at once, set by \`sluice limit\``
  if (atMost !== undefined) return `at most ${plural(atMost, 'job')} at once, as the service is configured`
  return `limit: ${countText(configured)} in this configuration, none set live`
}

/**
 * The status as a block of lines: the four stages with bars, then speed and control.
 *
 * @param limit the limit where the caller knows it better, as the service itself does
 */
export function statusText(
  status: QueueStatus,
  output: Output,
  limit = limitText(status.limit, status.service.atMost),
): string {
  const { colors } = output
  const rows = STAGES.map((stage) => [
    paint(stage, colors)(stage),
    countText(status.sizes[stage]),
    share(status.sizes[stage], status.total),
    paint(stage, colors)(bar(status.sizes[stage], status.total)),
  ])
  const head = colors.bold(`${printable(status.queue)}: ${itemsText(status.total)}`)
  return [head, output.table(['stage', 'items', '', ''], rows), ...notes(status, output, limit)].join('\n')
}

/** The status as one line, for a log. */
export function statusLine(status: QueueStatus): string {
  const counts = STAGES.map((stage) => `${stage} ${countText(status.sizes[stage])}`).join(' · ')
  const held = shown(status).map(({ code }) => code)
  const parts = [counts, speed(status), held.length === 0 ? '' : `held up: ${held.join(', ')}`]
  return parts.filter((part) => part !== '').join(' · ')
}

function notes(status: QueueStatus, { colors }: Output, limit: string): string[] {
  const first = [speed(status), serviceText(status), limit].filter((part) => part !== '').join(' · ')
  return [
    first,
    ...stragglerLines(status),
    ...shown(status).map((holdup) => colors.yellow(holdupText(holdup))),
  ]
}

function stragglerLines({ stragglers = 0 }: QueueStatus): string[] {
  if (stragglers === 0) return []
  return [`${plural(stragglers, 'job')} running far longer than others: \`sluice show\` marks such an item`]
}

function shown(status: QueueStatus): StatusHoldup[] {
  const isLive = status.limit.live !== undefined
  return status.holdups.filter((holdup) => isShown(holdup, { isLive }))
}

/** `held up: the queue is paused: maintenance, for 4m (…): sluice resume goes on`. */
function holdupText({ message, items, sinceAt, untilAt, forMs, advice, code }: StatusHoldup): string {
  const which = items === undefined || code === 'nothing-due' ? '' : ` (${itemsText(items)})`
  const when = sinceAt === undefined ? '' : `, since ${new Date(sinceAt).toISOString()}`
  const until = untilAt === undefined ? '' : `, until ${new Date(untilAt).toISOString()}`
  const left = forMs === undefined || code === 'nothing-due' ? '' : `, for ${spanText(forMs)} more`
  const what = advice === undefined ? '' : `: ${advice}`
  return `held up: ${withoutFullStop(oneLine(message, 300))}${which}${when}${until}${left}${what}`
}

/** Where no service dispatches while there is work, a holdup says so. */
function serviceText({ service, sizes }: QueueStatus): string {
  if (service.state === 'unknown') return ''
  if (service.state !== 'dispatching')
    return sizes.WAITING + sizes.PROCESSING === 0 ? 'no service is running' : ''
  const { holder, heardOfMs = 0 } = service
  return `${printable(holder ?? 'a service', 100)} dispatches, last seen ${heardOfMs < 1_000 ? 'just now' : `${spanText(heardOfMs)} ago`}`
}

function speed(status: QueueStatus): string {
  if (status.ratePerMinute === undefined) return ''
  const rate = `${countText(status.ratePerMinute)} a minute${briefly(status.measuredMs ?? 0)}`
  const unfinished = status.sizes.WAITING + status.sizes.PROCESSING
  // After one second, "0 a minute" would claim more than was measured.
  if (status.ratePerMinute === 0 && unfinished > 0)
    return `none finished within ${shortSpan(status.measuredMs ?? 0)}`
  if (unfinished === 0) return status.total === 0 ? rate : `${rate} · all finished`
  return status.etaMs === undefined ? rate : `${rate} · done in about ${spanText(status.etaMs)}`
}

function shortSpan(ms: number): string {
  return ms < 1_000 ? elapsedText(ms) : spanText(ms)
}

/** A rate over a second or two varies widely. */
const BRIEF_MS = 10_000

function briefly(measuredMs: number): string {
  return measuredMs < BRIEF_MS ? ` (over ${shortSpan(measuredMs)})` : ''
}

const BAR_CELLS = 30

function bar(count: number, total: number): string {
  // A count above 0 has at least one cell.
  const cells = total === 0 ? 0 : Math.ceil((count / total) * BAR_CELLS)
  return '█'.repeat(cells) + '░'.repeat(BAR_CELLS - cells)
}

function share(count: number, total: number): string {
  if (total === 0) return ''
  const percent = (count / total) * 100
  if (percent > 0 && percent < 1) return '<1 %'
  return percent > 99 && percent < 100 ? '>99 %' : `${Math.round(percent)} %`
}

function paint(stage: Stage, colors: Output['colors']): (text: string) => string {
  return { WAITING: colors.dim, PROCESSING: colors.cyan, SUCCESS: colors.green, FAIL: colors.red }[stage]
}
