import { HOLDUP_CODES } from '@sluice/engine'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'
import { itemsText, spanText } from '../../output/amounts.js'
import { oneLine, printable, type Output } from '../../output/output.js'
import { RateMeter } from '../../output/rate-meter.js'
import { readPolicy } from '../../status/read-policy.js'
import { readStatus, type QueueStatus, type StatusHoldup } from '../../status/read-status.js'
import { DIFFERENT } from './policy.js'

/** `sluice why`: what holds the queue back, and what to do. */
export function registerWhy(program: Program, context: CommandContext): void {
  program
    .command('why')
    .description('Show what holds the queue back now, since when, and what to do')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'DENIED']))
    .action(async () => {
      const queue = await context.openQueue({ reading: true })
      const { config } = await context.config()
      const { output, runtime } = context
      const [status, { isDifferent }] = await Promise.all([
        readStatus(queue, { configuredLimit: config.processing.limit, meter: new RateMeter(), runtime }),
        readPolicy(queue, config),
      ])
      const nowAt = runtime.now()
      const why: Why = {
        queue: status.queue,
        service: status.service,
        holdups: status.holdups.map((holdup) => withSpan(holdup, nowAt)),
        isPolicyDifferent: isDifferent,
      }
      output.print(() => whyText(why, output), why)
      if (isDifferent) output.warn(DIFFERENT)
    })
}

const NOTES = `
Every cause, those of a healthy queue included, the first one before those that follow from it. The codes are
${HOLDUP_CODES.join(', ')}.
Without a cause the list is empty; the exit code is 0 in either case.`

const EXAMPLES = ['sluice why', 'sluice why --json | jq -r .holdups[].code']

/** What `sluice why` prints with `--json`. */
interface Why extends Pick<QueueStatus, 'queue' | 'service' | 'holdups'> {
  /** The service that dispatches has another dispatch policy than this configuration. */
  readonly isPolicyDifferent: boolean
}

/** How long it lasts, where its end is known. */
function withSpan(holdup: StatusHoldup, nowAt: number): StatusHoldup {
  const { untilAt, forMs } = holdup
  return untilAt === undefined || forMs !== undefined
    ? holdup
    : { ...holdup, forMs: Math.max(0, untilAt - nowAt) }
}

function whyText({ queue, holdups }: Why, { colors }: Output): string {
  if (holdups.length === 0) return `${printable(queue)}: nothing holds the queue back`
  return holdups.map((holdup) => [colors.yellow(headOf(holdup)), ...detailsOf(holdup)].join('\n')).join('\n')
}

function headOf({ code, message, items }: StatusHoldup): string {
  return `${code}: ${oneLine(message, 500)}${items === undefined ? '' : ` (${itemsText(items)})`}`
}

function detailsOf({ sinceAt, untilAt, forMs, advice }: StatusHoldup): string[] {
  const times = [
    ...(sinceAt === undefined ? [] : [`since ${new Date(sinceAt).toISOString()}`]),
    ...(untilAt === undefined ? [] : [`until ${new Date(untilAt).toISOString()}`]),
    ...(forMs === undefined ? [] : [`for ${spanText(forMs)} more`]),
  ]
  return [
    ...(times.length === 0 ? [] : [`  ${times.join(', ')}`]),
    ...(advice === undefined ? [] : [`  what to do: ${advice}`]),
  ]
}
