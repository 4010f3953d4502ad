import type { Logger, Queue, Worker } from '@sluice/core'
import type { LoadedConfig } from '../config/load-config.js'
import { StopDeadline } from '../stop-deadline.js'
import { wholeNumber } from './arguments.js'
import { helpNotes, type CommandContext, type Program } from './command.js'

/** `sluice run`: the persistent service. */
export function registerRun(program: Program, context: CommandContext): void {
  program
    .command('run')
    .description('Run the items through the worker until stopped (SIGTERM, SIGINT, SIGHUP)')
    .option('--until-empty', 'end with 0 when nothing is in WAITING or PROCESSING')
    .option('--drain', 'the same')
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
    .action(async ({ untilEmpty, drain, newWorker, limit, intervalMs, logLevel, logFormat }) => {
      if (limit !== undefined) context.override('processing.limit', limit, '--limit')
      if (intervalMs !== undefined) context.override('service.intervalMs', intervalMs, '--interval-ms')
      if (logLevel !== undefined) context.override('log.level', logLevel, '--log-level')
      if (logFormat !== undefined) context.override('log.format', logFormat, '--log-format')
      await run(context, {
        untilEmpty: untilEmpty === true || drain === true,
        acceptNewWorker: newWorker === true,
      })
    })
}

const EXAMPLES = [
  'sluice run',
  'sluice run --until-empty --limit 50',
  'SLUICE_QUEUE_URL=postgres://… sluice run',
]
const EXITS = ['OK', 'INVALID', 'UNAVAILABLE', 'DENIED', 'INTERRUPTED'] as const
const NOTES = `
The first SIGTERM, SIGINT or SIGHUP starts no more jobs, gives the lease back and leaves jobs running, within
service.stopDeadlineMs; the next \`run\` finds them again. The second one ends at once, by which nothing is lost. Several
services on one queue are safe: one dispatches. With --until-empty a signal before the end gives 130. When a call of the
storage or the worker never ends, another service takes over, and this one ends with 4.

Which worker the queue is run with is noted in it. With another one (another worker.dir, namespace or template) that knows
none of the jobs, \`run\` ends with 2 while items are in PROCESSING: their jobs may still run at the first, and would be
started once more. --new-worker accepts it: each job is looked up, and lost.policy says what becomes of those not known.`

/** So much the closing has in any case, be the deadline over. */
const LEAST_CLOSE_MS = 100

interface RunFlags {
  readonly untilEmpty: boolean
  readonly acceptNewWorker: boolean
}

async function run(context: CommandContext, { untilEmpty, acceptNewWorker }: RunFlags): Promise<void> {
  const loaded = await context.config()
  const { config, file } = loaded
  // Heavy, and of no use to any other command.
  const [{ makeLogger }, { runService }] = await Promise.all([
    import('../service-log.js'),
    import('../service.js'),
  ])
  const { output } = context
  const signal = context.interrupted()
  const logger = makeLogger({
    log: output.json && config.log.format === 'auto' ? { ...config.log, format: 'json' } : config.log,
    stream: output.stderr,
    colors: output.errorColors.isColorSupported,
  })
  await assertPackages(loaded)
  const deadline = new StopDeadline(signal, config.service.stopDeadlineMs)
  const opening = open(context, { config, logger })
  // A storage that hangs when it is opened must not keep the process from ending.
  if (!(await deadline.hold(opening))) {
    logger.warn({}, 'stopped before the queue and the worker were open')
    return leave(context, { deadline, isStopped: true, untilEmpty })
  }
  const { queue, worker } = await opening
  const { limit } = config.processing
  logger.info(
    { queue: queue.name, backend: config.queue.package, worker: config.worker?.package, limit, config: file },
    'service starts',
  )
  // Not waited for: to count what is in WAITING may take a storage long, and is no reason to start later.
  void warnOfRoom(queue, context, logger)
  const end = await runService({ queue, worker, config, logger, signal, untilEmpty, acceptNewWorker })
  if (output.json) output.print('', end)
  leave(context, { deadline, isStopped: end.why === 'stopped', untilEmpty })
}

interface Leaving {
  readonly deadline: StopDeadline
  readonly isStopped: boolean
  readonly untilEmpty: boolean
}

function leave(context: CommandContext, { deadline, isStopped, untilEmpty }: Leaving): void {
  context.closeWithin(Math.max(deadline.leftMs(), LEAST_CLOSE_MS))
  if (untilEmpty && isStopped) context.exitWith('INTERRUPTED')
}

async function open(
  context: CommandContext,
  { config, logger }: Pick<LoadedConfig, 'config'> & { readonly logger: Logger },
): Promise<{ queue: Queue; worker: Worker }> {
  const queue = await context.openQueue({ make: true, brief: false, logger })
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
  const { assertInstalled } = await import('../package-loading.js')
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
