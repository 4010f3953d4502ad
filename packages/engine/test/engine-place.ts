import type { EngineHarness, EngineSettings, TestedEngine } from '@sluice/testkit'
import { processingLimit } from '../src/index.js'
import { World } from './world.js'

/**
 * The contract's way into the engine: on the memory queue, the dummy worker and a clock that stands still.
 */
export async function enginePlace(): Promise<EngineHarness> {
  const world = new World('contract')
  world.defaults = {}
  return {
    runtime: world.runtime,
    openQueue: () => world.openQueue(),
    openWorker: () => world.openWorker(),
    openEngine: (settings) => opened(world, settings),
    starts: ({ uid, attempt }) =>
      world.started.filter((job) => job.uid === uid && job.attempt === attempt).length,
    close: async () => undefined,
  }
}

function opened(world: World, settings: EngineSettings): TestedEngine {
  const { queue, worker, limit, maxAttempts = 1, lost = 'fail', graceMs = 60_000 } = settings
  const { leaseTtlMs = 15_000, sendConcurrency = 16, maxTries = 5, stallMs = 120_000 } = settings
  const { maxRetryAfterMs = 300_000, retryRules, canary, breaker } = settings
  const backoff = { baseMs: 1_000, maxMs: 10_000 }
  const workQueue = world.engine({
    queue,
    worker,
    policy: processingLimit(limit),
    retry: retryRules === undefined ? { maxAttempts, backoff } : { rules: retryRules, backoff },
    lost: { policy: lost, graceMs },
    sends: { maxTries, maxRetryAfterMs },
    leaseTtlMs,
    sendConcurrency,
    stallMs,
    ...(canary === undefined ? {} : { canary }),
    ...(breaker === undefined ? {} : { breaker }),
  })
  return {
    tick: () => workQueue.tick(),
    stop: () => workQueue.close(),
    run: (signal) => workQueue.run({ intervalMs: 100, signal }),
  }
}
