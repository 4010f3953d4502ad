import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Option } from '@commander-js/extra-typings'
import type { Queue } from '@sluice/core'
import { HOLDUP_CODES } from '@sluice/engine'
import { RateMeter } from '../../output/rate-meter.js'
import { LastStatus, watchedLine, watchedText } from '../../status/last-status.js'
import { readStatus, type QueueStatus } from '../../status/read-status.js'
import { statusText } from '../../status/status-text.js'
import { spanMs } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice status`: counts, rate and ETA, once or again and again. */
export function registerStatus(program: Program, context: CommandContext): void {
  program
    .command('status')
    .description('Show how many items are in each stage, whether a service is at work, and what holds it up')
    .option('-w, --watch', 'go on until Ctrl-C; with --json a line a reading')
    .addOption(
      new Option('--interval <span>', 'time between two readings of --watch')
        .argParser(spanMs)
        .default(2000, '2s'),
    )
    .addOption(
      new Option(
        '--sample <span>',
        'without --watch: measure the rate for so long while jobs run; 0 not at all',
      )
        .argParser(spanMs)
        .default(1000, '1s'),
    )
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'DENIED']))
    .action(async ({ watch, interval, sample }) => {
      const queue = await context.openQueue({ reading: true })
      const { config } = await context.config()
      const read = makeReader(queue, config.processing.limit)
      if (watch) await watchStatus(read, context, Math.max(interval, 100))
      else await showStatus(read, context, sample)
    })
}

const NOTES = `
A service is at work while it renews its lease, once in a third of service.leaseTtlMs: one that was killed is known to be gone
when all of that has passed. What holds the queue up is a line each, with --json an entry of \`holdups\` with a \`code\`:
${HOLDUP_CODES.join(', ')}.
With one that makes it untrue there is no time of arrival. --watch goes on when the storage does not answer for a while.`

const EXAMPLES = ['sluice status', 'sluice status --watch', 'sluice status --json | jq -r .holdups[].code']

type Reader = () => Promise<QueueStatus>

function makeReader(queue: Queue, configuredLimit: number): Reader {
  const meter = new RateMeter()
  return () => readStatus(queue, { configuredLimit, meter })
}

async function showStatus(read: Reader, { output }: CommandContext, sampleMs: number): Promise<void> {
  let status = await read()
  if (sampleMs > 0 && status.sizes.PROCESSING > 0) {
    await sleep(sampleMs)
    status = await read()
  }
  output.print(() => statusText(status, output), status)
}

/** Until Ctrl-C. A storage that does not answer is a part of the picture: who watches wants to see it come back. */
async function watchStatus(read: Reader, context: CommandContext, intervalMs: number): Promise<void> {
  const { output } = context
  const signal = context.interrupted()
  const show = await makeView(context)
  const aborted = once(signal, 'abort')
  const last = new LastStatus()
  try {
    while (!signal.aborted) {
      // A reading that hangs must not keep Ctrl-C waiting.
      const status = await Promise.race([last.next(read), aborted])
      if (Array.isArray(status)) return
      if (output.live) show.draw(watchedText(status, output))
      else output.print(watchedLine(status), status)
      // It rejects when it is aborted, which ends the loop.
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined)
    }
  } finally {
    show.end()
  }
}

async function makeView({ output }: CommandContext): Promise<{ draw(text: string): void; end(): void }> {
  if (!output.live) return { draw: () => undefined, end: () => undefined }
  const { createLogUpdate } = await import('log-update')
  const view = createLogUpdate(output.stdout)
  return { draw: view, end: () => view.done() }
}
