import { STAGES, SluiceError, eachSummary, type Queue, type Runtime, type Stage } from '@sluice/core'
import { queueContract, verifyQueue, type CaseResult, type QueueHarness } from '@sluice/testkit'
import { CommandError } from '../cli/command-error.js'
import type { CommandContext } from '../cli/command.js'
import { inPages } from '../items/pages.js'
import { openQueuePackage } from '../packages/open-package.js'
import { warningsOf } from '../output/output.js'
import { plural } from '../output/amounts.js'

export interface VerifyChoice {
  /** The id prefix of the cases; empty for all. */
  readonly only: string
  /** The time for a case. */
  readonly timeoutMs: number
}

type OpenQueue = (name: string) => Promise<Queue>

/**
 * Runs the queue contract on the configured storage; each case has its own queue, which is emptied
 * afterwards.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID for a queue in process memory; CommandError BROKEN where a case
 * fails, UNAVAILABLE where none fails and one is slow
 */
export async function verifyConfigured(
  context: CommandContext,
  { only, timeoutMs }: VerifyChoice,
): Promise<void> {
  const cases = queueContract.filter((one) => one.id.startsWith(only))
  if (cases.length === 0) throw new CommandError('INVALID', `No case of the contract starts with ${only}.`)
  const loaded = await context.config()
  const use = { ...loaded, logger: warningsOf(context.output) }
  const open: OpenQueue = (name) => openQueuePackage({ ...loaded.config.queue, name }, use)
  const { runtime } = context
  await assertShared(open, runtime)
  const results = await verifyQueue(async () => makeHarness(open, runtime), {
    cases,
    timeoutMs,
    onResult: (result) => printResult(result, context),
  })
  summarize(results, context)
}

/** A queue in process memory is empty in every further queue object of a case. */
async function assertShared(open: OpenQueue, runtime: Runtime): Promise<void> {
  const queue = await open(temporaryName(runtime))
  const { sharedBy } = queue.supports
  await queue.close()
  if (sharedBy !== 'process') return
  throw new SluiceError(
    'SLUICE_CONFIG_INVALID',
    'This queue is in the memory of one process: there is no storage to verify. Configure a shared queue.',
  )
}

function temporaryName(runtime: Runtime): string {
  return `sluice-verify-${runtime.newId()}`
}

function makeHarness(open: OpenQueue, runtime: Runtime): QueueHarness {
  const prefix = temporaryName(runtime)
  const opened: { readonly name: string; readonly queue: Queue }[] = []
  const openOne = async (name: string): Promise<Queue> => {
    const queue = await open(name)
    opened.push({ name, queue })
    return queue
  }
  return {
    open: async (name = 'contract') => named(await openOne(`${prefix}-${name}`), name),
    passTime: (ms) => {
      const queues = opened.map(({ queue }) => queue)
      return queues.length === 0 ? runtime.sleep(ms) : waitFor(queues, ms, runtime)
    },
    close: async () => {
      await Promise.all(opened.map(({ queue }) => queue.close()))
      for (const name of new Set(opened.map((one) => one.name))) await emptyQueue(await open(name), runtime)
    },
  }
}

/** The contract expects the name that it opened the queue by; the storage has a longer one. */
function named(queue: Queue, name: string): Queue {
  return new Proxy(queue, {
    get(target, key): unknown {
      if (key === 'name') return name
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/**
 * The storage's clock decides; it may be ahead of ours, or run at another rate. Two queues may read it
 * differently: the time must have passed on the slowest since the fastest began.
 */
async function waitFor(queues: readonly Queue[], ms: number, runtime: Runtime): Promise<void> {
  const readings = () => Promise.all(queues.map((queue) => queue.now()))
  const untilAt = Math.max(...(await readings())) + ms
  for (let left = ms; left > 0; left = untilAt - Math.min(...(await readings())))
    await runtime.sleep(Math.max(left, 1))
}

async function emptyQueue(queue: Queue, runtime: Runtime): Promise<void> {
  try {
    for (const stage of ['PROCESSING', ...STAGES] as const) await emptyStage(queue, stage, runtime)
    await queue.control.resume()
    const { limits } = await queue.control.read()
    await queue.control.setLimits(Object.fromEntries(Object.keys(limits).map((name) => [name, null])))
  } finally {
    await queue.close()
  }
}

const PAGE_ITEMS = 1_000

async function emptyStage(queue: Queue, stage: Stage, runtime: Runtime): Promise<void> {
  const pages = { pageItems: PAGE_ITEMS, runtime }
  for await (const page of inPages(eachSummary(queue, stage), pages)) {
    if (stage === 'PROCESSING') {
      await queue.settle(page.map(({ id, attempt }) => ({ id, attempt, stage: 'FAIL' as const })))
    } else await queue.remove(page.map((item) => item.id))
  }
}

function printResult(result: CaseResult, { output }: CommandContext): void {
  const { id, title, outcome, ms, reason, error } = result
  const mark = {
    passed: output.colors.green('ok  '),
    skipped: output.colors.yellow('skip'),
    slow: output.colors.yellow('SLOW'),
    failed: output.colors.red('FAIL'),
  }[outcome]
  const tail = reason === undefined ? '' : ` (${reason})`
  output.print(`${mark} ${id} ${title}${tail}`, {
    id,
    title,
    outcome,
    ms,
    ...(reason === undefined ? {} : { reason }),
    ...(error === undefined ? {} : { error: error.message }),
  })
  if (error !== undefined) output.note(error.message)
}

function summarize(results: readonly CaseResult[], { output }: CommandContext): void {
  const count = (outcome: CaseResult['outcome']): number =>
    results.filter((result) => result.outcome === outcome).length
  const [passed, failed, slow, skipped] = [count('passed'), count('failed'), count('slow'), count('skipped')]
  const counts = { passed, failed, slow, skipped }
  const text = `${passed} passed, ${failed} failed, ${slow} slow, ${skipped} skipped`
  output.print(output.colors.bold(text), counts)
  if (failed > 0)
    throw new CommandError('BROKEN', `The queue breaks ${plural(failed, 'case')} of its contract.`)
  if (slow === 0) return
  throw new CommandError(
    'UNAVAILABLE',
    `No case failed, and ${plural(slow, 'case')} did not end in time: the storage is slow, or did not answer. ` +
      'Use a machine nearer to it, or allow more time: a longer --timeout, a longer queue.timeoutMs.',
  )
}
