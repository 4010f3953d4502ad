import { MAX_PROCESSING_LIMIT, STAGES, type Queue, type Stage } from '@sluice/core'
import { readDispatcher, type DispatcherState } from '@sluice/engine'
import prettyMilliseconds from 'pretty-ms'
import { printable, type Output } from './output.js'
import { countText, itemsText, plural } from './progress/progress-text.js'
import type { RateMeter } from './rate-meter.js'

/** What `sluice status` shows, and prints with `--json`. */
export interface QueueStatus {
  readonly queue: string
  readonly sizes: Readonly<Record<Stage, number>>
  readonly total: number
  readonly paused: boolean
  readonly reason?: string
  readonly pausedAt?: number
  readonly limit: StatusLimit
  /** What the service that dispatches, or did last, says of itself; absent when none ever did. */
  readonly dispatcher?: DispatcherState
  /** Items finished a minute; absent when it wasn't measured. */
  readonly ratePerMinute?: number
  /** For how many ms it was measured. */
  readonly measuredMs?: number
  /** Ms until all is finished; absent when nothing moves. */
  readonly etaMs?: number
}

/** Most unfinished jobs, as far as somebody who only reads can know: each service has a configuration of its own. */
export interface StatusLimit {
  /** Set by `sluice limit`; it holds for every service of the queue. */
  readonly live?: number
  /** In the configuration of this reader. */
  readonly configured: number
}

/** Reads a status once and gives the meter its reading. */
export async function readStatus(
  queue: Queue,
  { configuredLimit, meter }: { configuredLimit: number; meter: RateMeter },
): Promise<QueueStatus> {
  const [sizes, control, dispatcher] = await Promise.all([
    queue.sizes(),
    queue.control.read(),
    readDispatcher(queue),
  ])
  meter.add(performance.now(), sizes.SUCCESS + sizes.FAIL)
  const rate = meter.perMinute()
  const eta = meter.etaMs(sizes.WAITING + sizes.PROCESSING)
  return {
    queue: queue.name,
    sizes,
    total: STAGES.reduce((sum, stage) => sum + sizes[stage], 0),
    paused: control.paused,
    ...(control.reason === undefined ? {} : { reason: control.reason }),
    ...(control.pausedAt === undefined ? {} : { pausedAt: control.pausedAt }),
    limit: statusLimit(control.limits[MAX_PROCESSING_LIMIT], configuredLimit),
    ...(dispatcher === undefined ? {} : { dispatcher }),
    ...(rate === undefined
      ? {}
      : { ratePerMinute: Math.round(rate * 10) / 10, measuredMs: Math.round(meter.spanMs()) }),
    ...(eta === undefined ? {} : { etaMs: Math.round(eta) }),
  }
}

/** The limit as `sluice status` and `sluice limit` print it with `--json`. */
export function statusLimit(live: number | undefined, configured: number): StatusLimit {
  return { ...(live === undefined ? {} : { live }), configured }
}

/** `at most 8 jobs at once, set live`, or what little is known. */
export function limitText({ live, configured }: StatusLimit): string {
  return live === undefined
    ? `limit: ${countText(configured)} in this configuration, none set live`
    : `at most ${plural(live, 'job')} at once, set live`
}

/**
 * The status as a block of lines: four stages with bars, then what is known of speed and control.
 *
 * @param limit of whoever knows it better: the service itself
 */
export function statusText(status: QueueStatus, output: Output, limit = limitText(status.limit)): string {
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

/** The status in one line, for where nothing can be redrawn. */
export function statusLine(status: QueueStatus): string {
  const counts = STAGES.map((stage) => `${stage} ${countText(status.sizes[stage])}`).join(' · ')
  const paused = status.paused ? ' · paused' : ''
  return `${counts}${speed(status) === '' ? '' : ` · ${speed(status)}`}${paused}`
}

function notes(status: QueueStatus, { colors }: Output, limit: string): string[] {
  const lines = [[speed(status), limit].filter((part) => part !== '').join(' · ')]
  if (status.paused) {
    const since = status.pausedAt === undefined ? '' : ` since ${new Date(status.pausedAt).toISOString()}`
    const why = status.reason === undefined ? '' : `: ${printable(status.reason, 300)}`
    lines.push(colors.yellow(`paused${since}${why}`))
  }
  return [...lines, ...dispatcherLines(status).map((line) => colors.yellow(line))]
}

/** What holds the queue back, a line each. The pause has a line of its own. */
function dispatcherLines({ dispatcher, sizes }: QueueStatus): string[] {
  if (dispatcher === undefined) return []
  const isOver = sizes.WAITING + sizes.PROCESSING === 0
  if (dispatcher.is !== 'working') {
    if (isOver) return []
    const why = dispatcher.is === 'stalled' ? 'a call of it never ended' : 'it was stopped'
    return [
      `no service is at work as far as is known: the last one, ${printable(dispatcher.holder, 100)}, gave up: ${why}`,
    ]
  }
  const holdups = dispatcher.holdups.filter(({ kind }) => kind !== 'paused')
  return holdups.map(({ message, items }) => {
    const which = items === undefined ? '' : ` (${itemsText(items)})`
    return `held up: ${printable(message, 300)}${which}`
  })
}

function speed(status: QueueStatus): string {
  if (status.ratePerMinute === undefined) return ''
  const rate = `${status.ratePerMinute.toLocaleString('en')} a minute`
  const unfinished = status.sizes.WAITING + status.sizes.PROCESSING
  // After a second's look, "0 a minute" would say more than was seen.
  if (status.ratePerMinute === 0 && unfinished > 0)
    return `none finished within ${spanText(status.measuredMs ?? 0)}`
  if (unfinished === 0) return status.total === 0 ? rate : `${rate} · all finished`
  return status.etaMs === undefined ? rate : `${rate} · done in about ${spanText(status.etaMs)}`
}

/** A span for people: `2d 3h`, `4m 5s`. */
export function spanText(ms: number): string {
  return prettyMilliseconds(Math.max(0, Math.round(ms / 1000) * 1000), { unitCount: 2 })
}

const BAR_CELLS = 30

function bar(count: number, total: number): string {
  // Something is never shown as nothing.
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
