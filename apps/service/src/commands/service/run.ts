import type { Logger, Queue, Worker } from '@sluice/core'
import { CommandError } from '../../cli/command-error.js'
import type { ServiceEnd } from '../../run/service.js'
import { assertSet } from '../../config/env-reference.js'
import type { LoadedConfig } from '../../config/load-config.js'
import { openReachable } from '../../run/open-reachable.js'
import { retryWarnings } from '../../run/retry-options.js'
import { StopDeadline } from '../../run/stop-deadline.js'
import { wholeNumber } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice run`: the persistent service. */
export function registerRun(program: Program, context: CommandContext): void {
  program
    .command('run')
    .description('Run the items through the worker until stopped (SIGTERM, SIGINT, SIGHUP)')
    .option('--until-empty', 'end with 0 when nothing is in WAITING or PROCESSING')
    .option('--drain', 'start nothing, and end with 0 when nothing is in PROCESSING')
    .option('--fail-if-failed', 'with --until-empty: end with 8 when items are in FAIL at the end')
    .option(
      '--new-worker',
      'accept another worker than the queue was run with, while items are in PROCESSING',
    )
    .option('-l, --limit <n>', 'most unfinished jobs (processing.limit)', wholeNumber(0))
    .option('--interval-ms <ms>', 'time between two ticks (service.intervalMs)', wholeNumber(10))
    .option('--log-level <level>', 'debug, info, warn, error or silent (log.level)')
    .option('--log-format <format>', 'auto, pretty or json (log.format)')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, EXITS))
    .action(
      async ({ untilEmpty, drain, failIfFailed, newWorker, limit, intervalMs, logLevel, logFormat }) => {
        if (limit !== undefined) context.override('processing.limit', limit, '--limit')
        if (intervalMs !== undefined) context.override('service.intervalMs', intervalMs, '--interval-ms')
        if (logLevel !== undefined) context.override('log.level', logLevel, '--log-level')
        if (logFormat !== undefined) context.override('log.format', logFormat, '--log-format')
        if (untilEmpty === true && drain === true)
          throw new CommandError(
            'INVALID',
            'Give --until-empty or --drain, not both: a drain leaves what waits.',
          )
        if (failIfFailed === true && untilEmpty !== true)
          throw new CommandError(
            'INVALID',
            '--fail-if-failed is for --until-empty: it is about how a run ends.',
          )
        await run(context, {
          untilEmpty: untilEmpty === true,
          drain: drain === true,
          failIfFailed: failIfFailed === true,
          acceptNewWorker: newWorker === true,
        })
      },
    )
}

const EXAMPLES = [
  'sluice run',
  'sluice run --until-empty --limit 50',
  'sluice run --until-empty --fail-if-failed && sluice report --out outcomes.csv',
  'SLUICE_QUEUE_URL=postgres://… sluice run',
]
const EXITS = [
  'OK',
  'INVALID',
  'CONFLICT',
  'UNAVAILABLE',
  'DENIED',
  'FAILED',
  'PAUSED',
  'INTERRUPTED',
] as const
const NOTES = `
The first SIGTERM, SIGINT or SIGHUP starts no more jobs, gives the lease back and leaves jobs running, within
service.stopDeadlineMs; the next \`run\` finds them again. The second one ends at once, by which nothing is lost. Several
services on one queue are safe: one dispatches. With --until-empty and --drain a signal before the end gives 130. When a call
of the storage or the worker never ends, another service takes over, and this one ends with 4. A storage that can't be reached
at the start is tried again until it can; so is a worker.

When the worker rejects 20 items in a row for the same reason, or 20 jobs in a row break as they are started, in the same words, Sluice pauses
the queue itself: \`sluice status\` and the log say why, and \`sluice resume\` goes on. With --until-empty and --drain what runs is followed to its
end, and then this ends with 9; without them it stays. A pause by \`sluice pause\` ends nothing. --fail-if-failed ends with 8 when any item is in
FAIL at the end, those of earlier runs too; without it the exit code says nothing of failed items.

--drain empties PROCESSING, as before an upgrade of the worker: it takes the lease, starts nothing, gives back what was claimed and
never sent, and follows the jobs that run to their ends. What waits goes on waiting. While another service dispatches it ends with 3:
\`sluice pause\` is what stops that one from starting jobs.

Which worker the queue is run with is noted in it. With another one (another worker.dir, namespace or template) that knows
none of the jobs, \`run\` ends with 2 while items are in PROCESSING: their jobs may still run at the first, and would be
started once more. --new-worker accepts it: each job is looked up, and lost.policy says what becomes of those not known.`

/** So much the closing has in any case, be the deadline over. */
const LEAST_CLOSE_MS = 100

interface RunFlags {
  readonly untilEmpty: boolean
  readonly drain: boolean
  readonly failIfFailed: boolean
  readonly acceptNewWorker: boolean
}

async function run(context: CommandContext, flags: RunFlags): Promise<void> {
  const loaded = await context.config()
  // All at once: whoever sets up a machine is not to be told of one after the other.
  assertSet(loaded.unset)
  const { makeLogger } = await import('../../run/service-log.js')
  const { output } = context
  const { log } = loaded.config
  const options = {
    log: output.json && log.format === 'auto' ? ({ ...log, format: 'json' } as const) : log,
    stream: output.stderr,
    colors: output.errorColors.isColorSupported,
    secrets: context.secrets,
  }
  const logger = makeLogger(options)
  await serve(context, { loaded, logger, flags })
}

interface Serving {
  readonly loaded: LoadedConfig
  readonly logger: Logger
  readonly flags: RunFlags
}

async function serve(context: CommandContext, { loaded, logger, flags }: Serving): Promise<void> {
  const { config, file } = loaded
  // Heavy, and of no use to any other command.
  const { runService } = await import('../../run/service.js')
  const signal = context.interrupted()
  await assertPackages(loaded)
  const deadline = new StopDeadline(signal, config.service.stopDeadlineMs)
  const isEnding = flags.untilEmpty || flags.drain
  // One that is to end with the last item is about a queue that is there: to make one would call a mistyped place finished.
  const opening = open(context, { config, logger, signal, make: !isEnding })
  // A storage that hangs when it is opened must not keep the process from ending.
  const opened = (await deadline.hold(opening)) ? await opening : undefined
  if (opened === undefined) {
    logger.warn({}, 'stopped before the queue and the worker were open')
    return leave(context, { deadline, isStopped: true, isEnding })
  }
  const { queue, worker } = opened
  const pointless = retryWarnings({ ...loaded, supports: worker.supports })
  if (pointless.length > 0) logger.warn({}, `retries: ${pointless.join('; ')}`)
  const { limit } = config.processing
  logger.info(
    { queue: queue.name, backend: config.queue.package, worker: config.worker?.package, limit, config: file },
    flags.drain ? 'service starts: it drains the queue and starts no jobs' : 'service starts',
  )
  // Not waited for: to count what is in WAITING may take a storage long, and is no reason to start later.
  if (!flags.drain) void warnOfRoom(queue, context, logger)
  const end = await runService({ queue, worker, config, logger, signal, ...flags })
  if (context.output.json) context.output.print('', end)
  if (end.why === 'paused') context.exitWith('PAUSED')
  else if (flags.failIfFailed && end.why === 'empty') await assertNoneFailed(context, { queue, logger, end })
  leave(context, { deadline, isStopped: end.why === 'stopped', isEnding })
}

/** Those in FAIL when it ends, be they from an earlier run. */
async function assertNoneFailed(
  context: CommandContext,
  { queue, logger, end }: { queue: Queue; logger: Logger; end: ServiceEnd },
): Promise<void> {
  // Without the counts, which a large storage may take long for, one item says it too.
  if (end.sizes === undefined ? !(await hasFailed(queue)) : end.sizes.FAIL === 0) return
  logger.error({ failed: end.sizes?.FAIL }, 'items have failed: see `sluice report --summary`')
  context.exitWith('FAILED')
}

/** @throws SluiceError of the queue: then nobody knows */
async function hasFailed(queue: Queue): Promise<boolean> {
  let cursor: string | undefined
  do {
    const page = await queue.listSummaries('FAIL', { limit: 1, ...(cursor === undefined ? {} : { cursor }) })
    if (page.items.length > 0) return true
    cursor = page.cursor
  } while (cursor !== undefined)
  return false
}

interface Leaving {
  readonly deadline: StopDeadline
  readonly isStopped: boolean
  /** It was to end of itself. */
  readonly isEnding: boolean
}

function leave(context: CommandContext, { deadline, isStopped, isEnding }: Leaving): void {
  context.closeWithin(Math.max(deadline.leftMs(), LEAST_CLOSE_MS))
  if (isEnding && isStopped) context.exitWith('INTERRUPTED')
}

interface Opening {
  readonly config: LoadedConfig['config']
  readonly logger: Logger
  readonly signal: AbortSignal
  readonly make: boolean
}

/** @returns `undefined`: stopped before the storage could be reached */
async function open(
  context: CommandContext,
  { config, logger, signal, make }: Opening,
): Promise<{ queue: Queue; worker: Worker } | undefined> {
  const queue = await openReachable(() => context.openQueue({ make, brief: false, logger }), {
    logger,
    signal,
  })
  if (queue === undefined) return undefined
  const worker = await context.openWorker({ logger })
  if (config.sweep.retentionMs !== undefined) warnOfRetention(queue, context)
  if (config.jobs.pendingTimeoutMs !== undefined) warnOfPending(worker, context)
  return { queue, worker }
}

/** Those in PROCESSING have their place already. It never rejects. */
async function warnOfRoom(queue: Queue, context: CommandContext, logger: Logger): Promise<void> {
  try {
    const lacking = await context.checkRoom(() => queue.size('WAITING'))
    if (lacking !== undefined) logger.warn({}, `too little room for what is in WAITING: ${lacking}`)
  } catch (error) {
    logger.debug({ err: error }, 'whether there is room for what is in WAITING is not known')
  }
}

/** Both at once: whoever begins would otherwise be told of the second one when the first is installed. */
async function assertPackages(loaded: LoadedConfig): Promise<void> {
  const { queue, worker } = loaded.config
  if (worker === undefined) return
  const { assertInstalled } = await import('../../packages/package-loading.js')
  const wanted = [
    { kind: 'queue', given: queue.package },
    { kind: 'worker', given: worker.package },
  ] as const
  assertInstalled(wanted, loaded)
}

function warnOfPending({ supports }: Worker, { output }: CommandContext): void {
  if (supports.cancelJob && supports.pending !== true)
    output.warn('jobs.pendingTimeoutMs has no effect: this worker does not say which jobs have not begun')
}

function warnOfRetention({ supports }: Queue, { output }: CommandContext): void {
  if (supports.sweep !== true) output.warn('sweep.retentionMs has no effect: this queue has no sweep')
}
