import { isSluiceError, type Runtime } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { runQueueCase, runWorkerCase, type CaseResult } from './case-run.js'
import { queueContract } from './queue/queue-contract.js'
import type { QueueCase, QueueHarness } from './queue/queue-harness.js'
import { workerContract } from './worker/worker-contract.js'
import type { WorkerCase, WorkerHarness } from './worker/worker-harness.js'

export interface VerifyOptions<Case> {
  /** Called with each result as its case ends. */
  readonly onResult?: (result: CaseResult) => void
  /** Which cases; default the whole contract. */
  readonly cases?: readonly Case[]
  /**
   * A case that takes longer is slow; one that has not ended after three times as long has failed. Default
   * 60,000.
   */
  readonly timeoutMs?: number
  /** Default that of the machine. */
  readonly runtime?: Runtime
}

/**
 * Runs the queue contract with no test runner, one case after the other, and returns the results as data. It
 * does not reject.
 */
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
  { onResult, timeoutMs = 60_000, runtime = systemRuntime }: VerifyOptions<Case>,
): Promise<CaseResult[]> {
  const results: CaseResult[] = []
  for (const one of cases) {
    const startedAtMonotonic = runtime.monotonicMs()
    const end = await endInTime(endOf(run(one)), timeoutMs, runtime)
    const ms = Math.round(runtime.monotonicMs() - startedAtMonotonic)
    const result = { id: one.id, title: one.title, ...end, ms }
    results.push(result)
    onResult?.(result)
  }
  return results
}

type End = Pick<CaseResult, 'outcome' | 'reason' | 'error'>

async function endOf(run: Promise<string | undefined>): Promise<End> {
  try {
    const reason = await run
    return reason === undefined ? { outcome: 'passed' } : { outcome: 'skipped', reason }
  } catch (error) {
    const { cause, message } = error instanceof Error ? error : new Error(String(error))
    if (isOutage(cause)) return { outcome: 'slow', reason: cause.message }
    return { outcome: 'failed', error: error instanceof Error ? error : new Error(message) }
  }
}

/** An outage that the case did not make: the storage or the worker did not answer in the time of a call. */
function isOutage(error: unknown): error is Error {
  return isSluiceError(error, 'SLUICE_QUEUE_UNAVAILABLE') || isSluiceError(error, 'SLUICE_WORKER_UNAVAILABLE')
}

/** A late case may still pass, or fail; one that never ends has failed. */
async function endInTime(end: Promise<End>, timeoutMs: number, runtime: Runtime): Promise<End> {
  const inTime = await orLate(end, timeoutMs, runtime)
  if (inTime !== undefined) return inTime
  const late = await orLate(end, (MAX_TIMES_LATE - 1) * timeoutMs, runtime)
  if (late === undefined) {
    const error = `the case did not end within ${MAX_TIMES_LATE * timeoutMs} ms: it hangs, or is far too slow`
    return { outcome: 'failed', error: new Error(error) }
  }
  return late.outcome === 'passed'
    ? { outcome: 'slow', reason: `it passed after more than ${timeoutMs} ms` }
    : late
}

/** A case may take this many times its time before it has failed. */
const MAX_TIMES_LATE = 3

async function orLate(end: Promise<End>, ms: number, runtime: Runtime): Promise<End | undefined> {
  const over = new AbortController()
  try {
    return await Promise.race([end, runtime.sleep(ms, over.signal).then(() => undefined)])
  } finally {
    over.abort()
  }
}
