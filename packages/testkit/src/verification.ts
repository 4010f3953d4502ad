import { runQueueCase, runWorkerCase, type CaseResult } from './case-run.js'
import { queueContract } from './queue-contract.js'
import type { QueueCase, QueueHarness } from './queue-harness.js'
import { workerContract } from './worker-contract.js'
import type { WorkerCase, WorkerHarness } from './worker-harness.js'

export interface VerifyOptions<Case> {
  /** Told of each case as it ends. */
  readonly onResult?: (result: CaseResult) => void
  /** Which cases; default the whole contract. */
  readonly cases?: readonly Case[]
  /** A case that takes longer has failed. Default 60,000 ms. */
  readonly timeoutMs?: number
}

/** Runs the queue contract with no test runner, one case after the other, and gives the results as data. It does not throw. */
export async function verifyQueue(
  makeHarness: () => Promise<QueueHarness>,
  options: VerifyOptions<QueueCase> = {},
): Promise<CaseResult[]> {
  return verify(options.cases ?? queueContract, (one) => runQueueCase(one, makeHarness), options)
}

/** The same for the worker contract. */
export async function verifyWorker(
  makeHarness: () => Promise<WorkerHarness>,
  options: VerifyOptions<WorkerCase> = {},
): Promise<CaseResult[]> {
  return verify(options.cases ?? workerContract, (one) => runWorkerCase(one, makeHarness), options)
}

async function verify<Case extends { id: string; title: string }>(
  cases: readonly Case[],
  run: (one: Case) => Promise<string | undefined>,
  { onResult, timeoutMs = 60_000 }: VerifyOptions<Case>,
): Promise<CaseResult[]> {
  const results: CaseResult[] = []
  for (const one of cases) {
    const startMs = performance.now()
    const end = await outcomeOf(() => inTime(run(one), timeoutMs))
    const result = { id: one.id, title: one.title, ...end, ms: Math.round(performance.now() - startMs) }
    results.push(result)
    onResult?.(result)
  }
  return results
}

async function outcomeOf(
  run: () => Promise<string | undefined>,
): Promise<Pick<CaseResult, 'outcome' | 'reason' | 'error'>> {
  try {
    const reason = await run()
    return reason === undefined ? { outcome: 'passed' } : { outcome: 'skipped', reason }
  } catch (error) {
    return { outcome: 'failed', error: error instanceof Error ? error : new Error(String(error)) }
  }
}

async function inTime<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`the case did not end within ${timeoutMs} ms`)), timeoutMs)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}
