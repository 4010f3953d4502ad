import { once } from 'node:events'
import { Option } from '@commander-js/extra-typings'
import type { Queue, Runtime } from '@sluice/core'
import { HOLDUP_CODES } from '@sluice/engine'
import { itemsText } from '../../output/amounts.js'
import { RateMeter } from '../../output/rate-meter.js'
import { LastStatus, watchedLine, watchedText } from '../../status/last-status.js'
import { readStatus, type QueueStatus } from '../../status/read-status.js'
import { statusText } from '../../status/status-text.js'
import { spanMs } from '../../cli/arguments.js'
import type { Config } from '../../config/config.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice status`: counts, rate and ETA, once or repeatedly. */
export function registerStatus(program: Program, context: CommandContext): void {
  program
    .command('status')
    .description('Show the items in each stage, whether a service is running, and what holds it up')
    .option('-w, --watch', 'repeat until Ctrl-C; with --json one line per reading')
    .addOption(
      new Option('--interval <span>', 'with --watch: time between two readings')
        .argParser(spanMs)
        .default(2000, '2s'),
    )
    .addOption(
      new Option('--sample <span>', 'without --watch: how long to measure the rate while jobs run; 0 to skip')
        .argParser(spanMs)
        .default(1000, '1s'),
    )
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'DENIED']))
    .action(async ({ watch, interval, sample }) => {
      const queue = await context.openQueue({ reading: true })
      const { config } = await context.config()
      const read = makeReader(queue, config, context.runtime)
      if (watch) await watchStatus(read, context, Math.max(interval, 100))
      else await showStatus(read, context, sample)
    })
}

const NOTES = `
A service is running while it renews its lease, every third of service.leaseTtlMs; a killed service shows as gone once that time
has passed. Each cause that holds the queue up is a line, with --json an entry of \`holdups\` with a \`code\`:
${HOLDUP_CODES.join(', ')}.
Where a cause makes it meaningless, no ETA is shown. --watch continues through an outage of the storage.`

const EXAMPLES = ['sluice status', 'sluice status --watch', 'sluice status --json | jq -r .holdups[].code']

type Reader = () => Promise<QueueStatus>

function makeReader(
  queue: Queue,
  { processing, stragglers }: Pick<Config, 'processing' | 'stragglers'>,
  runtime: Runtime,
): Reader {
  const meter = new RateMeter()
  const countsStragglers = stragglers !== undefined
  return () => readStatus(queue, { configuredLimit: processing.limit, countsStragglers, meter, runtime })
}

async function showStatus(
  read: Reader,
  { output, runtime }: CommandContext,
  sampleMs: number,
): Promise<void> {
  let status = await read()
  if (sampleMs > 0 && status.sizes.PROCESSING > 0) {
    await runtime.sleep(sampleMs)
    status = await read()
  }
  output.print(() => [statusText(status, output), ...failureHint(status)].join('\n'), status)
}

function failureHint({ sizes }: QueueStatus): string[] {
  if (sizes.FAIL === 0) return []
  return [`${itemsText(sizes.FAIL)} failed: for why, see \`sluice report --summary\``]
}

/** Until Ctrl-C. An outage of the storage is part of the status: an operator wants to see it end. */
async function watchStatus(read: Reader, context: CommandContext, intervalMs: number): Promise<void> {
  const { output, runtime } = context
  const signal = context.interrupted()
  const show = await makeView(context)
  const aborted = once(signal, 'abort')
  const last = new LastStatus(runtime)
  try {
    while (!signal.aborted) {
      // A reading that hangs must not block Ctrl-C.
      const status = await Promise.race([last.next(read), aborted])
      if (Array.isArray(status)) return
      if (output.live) show.draw(watchedText(status, output))
      else output.print(watchedLine(status), status)
      await runtime.sleep(intervalMs, signal)
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
