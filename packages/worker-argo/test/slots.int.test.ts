import { setImmediate as turn } from 'node:timers/promises'
import type { Runtime, Worker } from '@sluice/core'
import { MemoryStore } from '@sluice/queue-memory'
import { ManualRuntime, wrapWorker } from '@sluice/testkit'
import { afterEach, expect, test } from 'vitest'
import type { ArgoWorker } from '../src/index.js'
import { ArgoBench, eventually } from './argo-bench.js'
import { serviceOn } from './service-bench.js'

const CAP = 50
const STEP_MS = 5

let bench: ArgoBench
afterEach(() => bench.close())

/** Deaf: it has no watch. */
function deaf(worker: ArgoWorker): Worker {
  return wrapWorker(worker, { supports: { ...worker.supports, watch: false } })
}

/** Counts the short waits of the worker: it reads ends that are close together at once. */
function paced(runtime: ManualRuntime): { runtime: Runtime; isWaiting: () => boolean } {
  let waits = 0
  const sleep: Runtime['sleep'] = async (ms, signal) => {
    const isShort = ms <= 40
    if (isShort) waits += 1
    await runtime.sleep(ms, signal)
    if (isShort) waits -= 1
  }
  const seen: Runtime = {
    now: () => runtime.now(),
    monotonicMs: () => runtime.monotonicMs(),
    sleep,
    yield: () => runtime.yield(),
    random: () => runtime.random(),
    newId: () => runtime.newId(),
  }
  return { runtime: seen, isWaiting: () => waits > 0 }
}

/**
 * How full the slots are, from the third second on, with jobs of half a second and a tick every ten seconds.
 * Time stands still while anybody is at work, so that it is the protocol which is measured, and not this
 * machine.
 */
async function measure({ watched, seconds }: { watched: boolean; seconds: number }): Promise<number> {
  const runtime = new ManualRuntime()
  bench = await ArgoBench.start({ runtime, controller: { reconcileDelayMs: 0 } })
  const { server } = bench
  const pace = paced(runtime)
  const worker = await bench.open({ runtime: pace.runtime })
  const queue = new MemoryStore({ runtime }).queue(worker.name)
  const activity = observed(watched ? worker : deaf(worker))
  const { engine } = await serviceOn(activity.seen, { items: 2_000, cap: CAP, body, queue, runtime })
  const stop = new AbortController()
  const loop = engine.run({ intervalMs: 10_000, signal: stop.signal, onTick: activity.onTick })
  await eventually('the first jobs run', () => server.workflows.unfinished === CAP && activity.idle())
  if (watched) await eventually('the watch is up', () => activity.wakes() > 0)
  let filled = 0
  let steps = 0
  for (let ms = 0; ms < seconds * 1_000; ms += STEP_MS) {
    const wakes = activity.wakes()
    const before = server.workflows.unfinished
    await runtime.advance(STEP_MS)
    await turn()
    // Before anybody has done anything about what ended in this step: that is the least that was filled in
    // it.
    if (ms >= 3_000) {
      filled += server.workflows.unfinished
      steps += CAP
    }
    if (watched && server.workflows.unfinished < before)
      await eventually('it is heard', () => activity.wakes() > wakes || pace.isWaiting())
    await eventually('nothing is under way', () => activity.idle())
  }
  stop.abort()
  await runtime.advance(10_000)
  await loop
  expect(server.workflows.maxUnfinished).toBeLessThanOrEqual(CAP)
  expect(await queue.size('FAIL')).toBe(0)
  return filled / steps
}

/** Whether a tick is under way, and how often the watch of the worker has notified. */
function observed(worker: Worker) {
  let isTicking = false
  let wakes = 0
  const seen = wrapWorker(worker, {
    pollAllStatus: (...args) => {
      isTicking = true
      return worker.pollAllStatus(...args)
    },
    watch: async function* (options) {
      for await (const value of worker.watch?.(options) ?? []) {
        wakes += 1
        yield value
      }
    },
  })
  const onTick = (): void => {
    isTicking = false
  }
  return { seen, onTick, idle: () => !isTicking, wakes: () => wakes }
}

test('with the watch, a freed slot is filled again soon: 95 % and more of the slots are full', async () => {
  expect(await measure({ watched: true, seconds: 8 })).toBeGreaterThanOrEqual(0.95)
})

test('without it slots wait for the next tick: one in ten is full (the loop ticks each third of its lease)', async () => {
  const filled = await measure({ watched: false, seconds: 43 })
  expect(filled).toBeGreaterThan(0.04)
  expect(filled).toBeLessThan(0.12)
})

/** Half a second on average, and never all of them at once. */
function body(index: number): { seconds: string } {
  return { seconds: String(0.4 + 0.2 * ((index * 0.618) % 1)) }
}
