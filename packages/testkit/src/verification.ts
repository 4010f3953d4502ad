import { isSluiceError } from '@sluice/core'
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
  /** A case that takes longer is slow; one that has not ended after three times as long has failed. Default 60,000 ms. */
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
    const end = await endInTime(endOf(run(one)), timeoutMs)
    const result = { id: one.id, title: one.title, ...end, ms: Math.round(performance.now() - startMs) }
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

/** No case takes an outage for granted that it has not made itself: the storage or the worker gave no answer in the time of a call. */
function isOutage(error: unknown): error is Error {
  return isSluiceError(error, 'SLUICE_QUEUE_UNAVAILABLE') || isSluiceError(error, 'SLUICE_WORKER_UNAVAILABLE')
}

/** What is late is waited for: it may hold after all, or be broken. What never ends is broken. */
async function endInTime(end: Promise<End>, timeoutMs: number): Promise<End> {
  const inTime = await orLate(end, timeoutMs)
  if (inTime !== undefined) return inTime
  const late = await orLate(end, (LATE - 1) * timeoutMs)
  if (late === undefined) {
    const error = `the case did not end within ${LATE * timeoutMs} ms: it hangs, or is far slower than it may be`
    return { outcome: 'failed', error: new Error(error) }
  }
  return late.outcome === 'passed'
    ? { outcome: 'slow', reason: `it holds, and took over ${timeoutMs} ms` }
    : late
}

/** How many times the time of a case are waited for. */
const LATE = 3

async function orLate(end: Promise<End>, ms: number): Promise<End | undefined> {
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(late.resolve, ms, undefined)
  try {
    return await Promise.race([end, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
