import { SluiceError, type Queue, type Runtime } from '@sluice/core'
import { queueContract, storeHarness, verifyQueue, type CaseResult } from '@sluice/testkit'
import { CommandError } from '../cli/command-error.js'
import type { CommandContext } from '../cli/command.js'
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
  const results = await verifyQueue(async () => storeHarness({ open, runtime }), {
    cases,
    timeoutMs,
    onResult: (result) => printResult(result, context),
  })
  summarize(results, context)
}

/** A queue in process memory is empty in every further queue object of a case. */
async function assertShared(open: OpenQueue, runtime: Runtime): Promise<void> {
  const queue = await open(`sluice-verify-${runtime.newId()}`)
  const { sharedBy } = queue.supports
  await queue.close()
  if (sharedBy !== 'process') return
  throw new SluiceError(
    'SLUICE_CONFIG_INVALID',
    'This queue is in the memory of one process: there is no storage to verify. Configure a shared queue.',
  )
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
