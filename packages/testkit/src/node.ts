import { describe, test } from 'node:test'
import { runQueueCase, runWorkerCase } from './case-run.js'
import { queueContract } from './queue/queue-contract.js'
import type { QueueHarness } from './queue/queue-harness.js'
import type { RunnerOptions } from './runner-options.js'
import { workerContract } from './worker/worker-contract.js'
import type { WorkerHarness } from './worker/worker-harness.js'

export type { RunnerOptions } from './runner-options.js'

/**
 * Registers every case of the queue contract as a test, each on a harness of its own. Skips come from `needs`
 * alone.
 */
export function testQueue(
  name: string,
  makeHarness: () => Promise<QueueHarness>,
  { timeoutMs = 60_000, concurrent = false, only = all }: RunnerOptions = {},
): void {
  // node:test collects what is registered here and runs it: its promise is the runner's affair.
  void describe(`the queue contract: ${name}`, { concurrency: concurrent }, () => {
    for (const one of queueContract.filter(({ id }) => only(id))) {
      void test(`${one.id} ${one.title}`, { timeout: timeoutMs }, async (context) => {
        const reason = await runQueueCase(one, makeHarness)
        if (reason !== undefined) context.skip(reason)
      })
    }
  })
}

/**
 * Registers every case of the worker contract as a test, each on a harness of its own. Skips come from
 * `needs` alone.
 */
export function testWorker(
  name: string,
  makeHarness: () => Promise<WorkerHarness>,
  { timeoutMs = 60_000, concurrent = false, only = all }: RunnerOptions = {},
): void {
  // As above.
  void describe(`the worker contract: ${name}`, { concurrency: concurrent }, () => {
    for (const one of workerContract.filter(({ id }) => only(id))) {
      void test(`${one.id} ${one.title}`, { timeout: timeoutMs }, async (context) => {
        const reason = await runWorkerCase(one, makeHarness)
        if (reason !== undefined) context.skip(reason)
      })
    }
  })
}

function all(): boolean {
  return true
}
