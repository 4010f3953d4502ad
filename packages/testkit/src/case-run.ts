import { AssertionError } from 'node:assert'
import type { EngineCase, EngineHarness } from './engine/engine-harness.js'
import { promiseOf } from './promises.js'
import type { QueueCase, QueueHarness } from './queue/queue-harness.js'
import type { WorkerCase, WorkerHarness } from './worker/worker-harness.js'

/** The outcome of one case. */
export interface CaseResult {
  readonly id: string
  readonly title: string
  /** `slow`: it passed after more than its time, or the storage or worker did not answer in time. */
  readonly outcome: 'passed' | 'failed' | 'skipped' | 'slow'
  /** Why it was skipped, or what was slow. */
  readonly reason?: string
  /** What was wrong. */
  readonly error?: Error
  readonly ms: number
}

/**
 * Runs one queue case on a harness of its own, and closes the harness in any case.
 *
 * @returns why the case was skipped, or `undefined` when it passed
 * @throws AssertionError whose message says which promise is broken, what was expected and what came
 */
export async function runQueueCase(
  one: QueueCase,
  makeHarness: () => Promise<QueueHarness>,
): Promise<string | undefined> {
  return onHarness(one, makeHarness, async (harness) => {
    if (one.needs === undefined) return undefined
    return one.needs((await harness.open()).supports, harness)
  })
}

/** The same for a worker case. */
export async function runWorkerCase(
  one: WorkerCase,
  makeHarness: () => Promise<WorkerHarness>,
): Promise<string | undefined> {
  return onHarness(one, makeHarness, async (harness) => {
    if (one.needs === undefined) return undefined
    return one.needs((await harness.open()).supports, harness)
  })
}

/** The same for a case of the engine: none is ever skipped. */
export async function runEngineCase(
  one: EngineCase,
  makeHarness: () => Promise<EngineHarness>,
): Promise<string | undefined> {
  return onHarness(one, makeHarness, async () => undefined)
}

interface AnyCase<H> {
  readonly id: string
  readonly title: string
  run(harness: H): Promise<void>
}

async function onHarness<H extends { close(): Promise<void> }>(
  one: AnyCase<H>,
  makeHarness: () => Promise<H>,
  reasonToSkip: (harness: H) => Promise<string | undefined>,
): Promise<string | undefined> {
  const harness = await makeHarness()
  const end = await attempt(async () => {
    const reason = await reasonToSkip(harness)
    if (reason === undefined) await one.run(harness)
    return reason
  })
  const closing = await attempt(() => harness.close())
  // The case's own failure says more than that of the clean-up, which it may have caused.
  if ('error' in end) throw explained(one, end.error)
  if ('error' in closing) throw explained(one, closing.error)
  return end.value
}

async function attempt<T>(action: () => Promise<T>): Promise<{ value: T } | { error: unknown }> {
  try {
    return { value: await action() }
  } catch (error) {
    return { error }
  }
}

/** The error with the promise before it, so that the message alone explains the failure. */
function explained(one: { id: string; title: string }, error: unknown): Error {
  const promise = promiseOf(one.id)
  const what = error instanceof Error ? error.message : String(error)
  const head = `${one.id} is broken: ${one.title}\n  promise:  ${promise?.text ?? 'unknown'}`
  const kind = error instanceof AssertionError ? '' : 'an unexpected error: '
  const wrapped = new Error(`${head}\n  what:     ${kind}${what}`, { cause: error })
  wrapped.name = 'ContractError'
  return wrapped
}
