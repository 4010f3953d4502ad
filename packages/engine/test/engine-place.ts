import type { EngineHarness, EngineSettings, TestedEngine } from '@sluice/testkit'
import {
  all,
  limitPer,
  machineLimit,
  processingLimit,
  rateLimit,
  resourceLimit,
  timeWindow,
  type DispatchPolicy,
} from '../src/index.js'
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
  const { queue, worker, maxAttempts = 1, lost = 'fail', graceMs = 60_000 } = settings
  const { leaseTtlMs = 15_000, sendConcurrency = 16, maxTries = 5, stallMs = 120_000 } = settings
  const { maxRetryAfterMs = 300_000, retryRules, backpressure = {} } = settings
  const { deadlines = {}, stragglers, canary, breaker } = settings
  const backoff = { baseMs: 1_000, maxMs: 10_000 }
  const workQueue = world.engine({
    queue,
    worker,
    policy: policyOf(settings),
    retry: retryRules === undefined ? { maxAttempts, backoff } : { rules: retryRules, backoff },
    lost: { policy: lost, graceMs },
    deadlines,
    ...(stragglers === undefined ? {} : { stragglers }),
    sends: { maxTries, maxRetryAfterMs },
    backpressure,
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

function policyOf({ limit, rate, windows, machine, resources, perKey }: EngineSettings): DispatchPolicy {
  const places = processingLimit(limit)
  return all(
    windows === undefined ? places : timeWindow(windows, places),
    ...(rate === undefined ? [] : [rateLimit(rate)]),
    ...(resources === undefined ? [] : [resourceLimit(resources.limits, resources)]),
    ...(perKey === undefined ? [] : [limitPer({ max: perKey })]),
    ...(machine === undefined
      ? []
      : [machineLimit({ load: machine.load, freeMemory: machine.freeMemory }, machine)]),
  )
}
