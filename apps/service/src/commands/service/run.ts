import { eachSummary, type Logger, type Queue, type Worker } from '@sluice/core'
import type { FailureThreshold } from '@sluice/engine'
import { CommandError } from '../../cli/command-error.js'
import type { ServiceEnd } from '../../run/service.js'
import { assertSet } from '../../config/env-reference.js'
import type { LoadedConfig } from '../../config/load-config.js'
import { keepYoungHeapSmall } from '../../load/heap-growth.js'
import { openReachable } from '../../run/open-reachable.js'
import { retryWarnings } from '../../run/retry-options.js'
import { StopDeadline } from '../../cli/timing.js'
import { failureThreshold, wholeNumber } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice run`: the persistent service. */
export function registerRun(program: Program, context: CommandContext): void {
  program
    .command('run')
    .description('Run the service: send items to the worker until stopped (SIGTERM, SIGINT, SIGHUP)')
    .option('--until-empty', 'exit with 0 when nothing is in WAITING or PROCESSING')
    .option('--drain', 'start no jobs, and exit with 0 when nothing is in PROCESSING')
    .option('--fail-if-failed', 'with --until-empty: exit with 8 when items are in FAIL at the end')
    .option(
      '--halt <n|n%>',
      'exit with 9 when n items, or n % of them, have failed for good',
      failureThreshold,
    )
    .option('--new-worker', 'accept another worker than before, while items are in PROCESSING')
    .option('-l, --limit <n>', 'the most unfinished jobs (processing.limit)', wholeNumber(0))
    .option('--interval-ms <ms>', 'time between two ticks (service.intervalMs)', wholeNumber(10))
    .option('--log-level <level>', 'debug, info, warn, error or silent (log.level)')
    .option('--log-format <format>', 'auto, pretty or json (log.format)')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, EXITS))
    .action(async ({ limit, intervalMs, logLevel, logFormat, ...flags }) => {
      const { untilEmpty, drain, failIfFailed, newWorker, halt } = flags
      if (limit !== undefined) context.override('processing.limit', limit, '--limit')
      if (intervalMs !== undefined) context.override('service.intervalMs', intervalMs, '--interval-ms')
      if (logLevel !== undefined) context.override('log.level', logLevel, '--log-level')
      if (logFormat !== undefined) context.override('log.format', logFormat, '--log-format')
      assertTogether({ untilEmpty, drain, failIfFailed })
      await run(context, {
        untilEmpty: untilEmpty === true,
        drain: drain === true,
        failIfFailed: failIfFailed === true,
        acceptNewWorker: newWorker === true,
        ...(halt === undefined ? {} : { halt }),
      })
    })
}

/** @throws CommandError INVALID */
function assertTogether({
  untilEmpty,
  drain,
  failIfFailed,
}: {
  [Flag in 'untilEmpty' | 'drain' | 'failIfFailed']: true | undefined
}): void {
  if (untilEmpty === true && drain === true)
    throw new CommandError(
      'INVALID',
      'Use --until-empty or --drain, not both: a drain leaves items in WAITING.',
    )
  if (failIfFailed === true && untilEmpty !== true)
    throw new CommandError('INVALID', '--fail-if-failed needs --until-empty: it applies to the end of a run.')
}

const EXAMPLES = [
  'sluice run',
  'sluice run --until-empty --limit 50',
  'sluice run --until-empty --halt 5%',
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
The first SIGTERM, SIGINT or SIGHUP stops the service within service.stopDeadlineMs: it starts no more jobs and releases the
lease; running jobs continue, and the next \`run\` finds them. A second signal exits at once, without loss. Several services on
one queue are safe: one dispatches. With --until-empty and --drain, a signal before the end gives 130. When a call to the
storage or the worker never ends, another service takes over, and this one exits with 4. A storage or worker that is
unreachable at the start is retried.

When the first 20 items of a run fail for the same reason, when the worker rejects 20 in a row, or when more fail than the setting breaker
allows, Sluice pauses the queue itself: \`sluice status\` and the log say why, and \`sluice resume\` continues. --halt does so when so many
items have failed for good in this run, after their retries, or such a share of those that ended, and at least 3; the service then ends
with 9 in any case. With --until-empty and --drain the service
then follows the running jobs to their end and exits with 9; otherwise it stays. A pause by \`sluice pause\` does not end it.
--fail-if-failed exits with 8 when any item is in FAIL at the end, also from earlier runs; otherwise failed items do not affect the exit
code.

--drain empties PROCESSING, such as before an upgrade of the worker: it takes the lease, starts no jobs, releases items that were claimed
and never sent, and follows the running jobs to their end. Items in WAITING stay. While another service dispatches, it exits with 3: stop
that one from starting jobs with \`sluice pause\`.

The queue records which worker it runs with. With another one (another worker.dir, namespace or template) that knows none of the jobs,
\`run\` exits with 2 while items are in PROCESSING: their jobs may still run at the first worker, and would be started twice.
--new-worker accepts it: each job is looked up, and lost.policy decides about unknown ones.`

/** The least time to close, even past the deadline. */
const LEAST_CLOSE_MS = 100

interface RunFlags {
  readonly untilEmpty: boolean
  readonly drain: boolean
  readonly failIfFailed: boolean
  readonly acceptNewWorker: boolean
  readonly halt?: FailureThreshold
}

async function run(context: CommandContext, flags: RunFlags): Promise<void> {
  keepYoungHeapSmall()
  const loaded = await context.config()
  // All in one message, for the setup of a machine.
  assertSet(loaded.unset)
  const { makeLogger } = await import('../../run/service-log.js')
  const { output } = context
  const { log } = loaded.config
  const options = {
    log: output.json && log.format === 'auto' ? ({ ...log, format: 'json' } as const) : log,
    stream: output.stderr,
    colors: output.errorColors.isColorSupported,
    runtime: context.runtime,
    secrets: context.secrets,
  }
  const logger = await makeLogger(options)
  await serve(context, { loaded, logger, flags })
}

interface Serving {
  readonly loaded: LoadedConfig
  readonly logger: Logger
  readonly flags: RunFlags
}

async function serve(context: CommandContext, { loaded, logger, flags }: Serving): Promise<void> {
  const { config, file } = loaded
  // Heavy, and needed by no other command.
  const { runService } = await import('../../run/service.js')
  const signal = context.interrupted()
  await assertPackages(loaded)
  const deadline = new StopDeadline(signal, config.service.stopDeadlineMs, context.runtime)
  const isEnding = flags.untilEmpty || flags.drain
  // A run that ends with the last item needs an existing queue: a created one would make a mistyped address
  // look finished.
  const opening = open(context, { config, logger, signal, make: !isEnding })
  // Storage that hangs while it is opened must not keep the process from ending.
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
    flags.drain ? 'service starts: draining, without starting jobs' : 'service starts',
  )
  // Not awaited: counting WAITING can take long and must not delay the start.
  if (!flags.drain) void warnOfRoom(queue, context, logger)
  const { runtime } = context
  const end = await runService({
    queue,
    worker,
    config,
    placeOf: loaded.placeOf,
    logger,
    signal,
    runtime,
    ...flags,
  })
  if (context.output.json) context.output.print('', end)
  if (end.why === 'paused') context.exitWith('PAUSED')
  else if (flags.failIfFailed && end.why === 'empty') await assertNoneFailed(context, { queue, logger, end })
  leave(context, { deadline, isStopped: end.why === 'stopped', isEnding })
}

/** Counts items in FAIL at the end, also those from earlier runs. */
async function assertNoneFailed(
  context: CommandContext,
  { queue, logger, end }: { queue: Queue; logger: Logger; end: ServiceEnd },
): Promise<void> {
  // Where the counts are missing, because a large storage took too long, one item decides.
  if (end.sizes === undefined ? !(await hasFailed(queue)) : end.sizes.FAIL === 0) return
  logger.error({ failed: end.sizes?.FAIL }, 'items have failed: see `sluice report --summary`')
  context.exitWith('FAILED')
}

/** @throws SluiceError of the queue */
async function hasFailed(queue: Queue): Promise<boolean> {
  const first = await eachSummary(queue, 'FAIL', { pageItems: 1 }).next()
  return first.done !== true
}

interface Leaving {
  readonly deadline: StopDeadline
  readonly isStopped: boolean
  /** It ends without a signal: with --until-empty or --drain. */
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

/** @returns `undefined` where it was stopped before the storage was reachable */
async function open(
  context: CommandContext,
  { config, logger, signal, make }: Opening,
): Promise<{ queue: Queue; worker: Worker } | undefined> {
  const queue = await openReachable(() => context.openQueue({ make, brief: false, logger }), {
    logger,
    signal,
    runtime: context.runtime,
  })
  if (queue === undefined) return undefined
  const worker = await context.openWorker({ logger })
  if (config.sweep.retentionMs !== undefined) warnOfRetention(queue, context)
  if (config.jobs.pendingTimeoutMs !== undefined) warnOfPending(worker, context)
  return { queue, worker }
}

/** Items in PROCESSING have their room already. It never rejects. */
async function warnOfRoom(queue: Queue, context: CommandContext, logger: Logger): Promise<void> {
  try {
    const lacking = await context.checkRoom(() => queue.size('WAITING'))
    if (lacking !== undefined) logger.warn({}, `too little room for the items in WAITING: ${lacking}`)
  } catch (error) {
    logger.debug({ err: error }, 'could not check the room for the items in WAITING')
  }
}

/**
 * Reports both missing packages at once, and a worker that can't be opened before the queue is: that would be
 * created in vain.
 */
async function assertPackages(loaded: LoadedConfig): Promise<void> {
  const { queue, worker } = loaded.config
  if (worker === undefined) return
  const { assertInstalled } = await import('../../packages/package-loading.js')
  const wanted = [
    { kind: 'queue', given: queue.package },
    { kind: 'worker', given: worker.package },
  ] as const
  assertInstalled(wanted, loaded)
  const { checkWorkerOptions } = await import('../../packages/open-package.js')
  await checkWorkerOptions({ ...worker, name: queue.name }, loaded)
}

function warnOfPending({ supports }: Worker, { output }: CommandContext): void {
  if (supports.cancelJob && supports.pending !== true)
    output.warn('jobs.pendingTimeoutMs has no effect: this worker does not report which jobs are pending')
}

function warnOfRetention({ supports }: Queue, { output }: CommandContext): void {
  if (supports.sweep !== true) output.warn('sweep.retentionMs has no effect: this queue has no sweep')
}
