import type { WorkEvent } from '@sluice/engine'
import { afterEach, expect, test } from 'vitest'
import { ArgoBench, eventually, fastClock } from './argo-bench.js'
import { serviceOn, workflowsPerJob } from './service-bench.js'

let bench: ArgoBench
afterEach(() => bench.close())

const ITEMS = 400

test('an overloaded Argo Server lowers the limit by its 429s and 503s, and fails no item', async () => {
  bench = await ArgoBench.start({ runtime: fastClock, overload: { above: 60, refusesAbove: 70 } })
  const { server } = bench
  const worker = await bench.open({ runtime: fastClock })
  const events: WorkEvent[] = []
  const { engine, queue } = await serviceOn(worker, {
    items: ITEMS,
    cap: 200,
    body: { seconds: 20 },
    runtime: fastClock,
    // On a clock that goes fifty times as fast, this machine's own pauses are slow sends.
    backpressure: { slowSendMs: 0 },
    onEvent: (event) => events.push(event),
  })
  const stop = new AbortController()
  const running = engine.run({ intervalMs: 1_000, signal: stop.signal })
  await eventually('half of them are done', async () => (await queue.size('SUCCESS')) >= ITEMS / 2)
  expect(events.find(({ kind }) => kind === 'backpressure')).toMatchObject({
    atMost: 200,
    cause: 'refused',
    reason: expect.stringMatching(/429|503|currently unable/u),
  })
  // Above 120 it refuses all.
  expect(server.workflows.maxUnfinished).toBeLessThanOrEqual(121)
  server.overload = undefined
  await eventually('the limit is the cap again', () =>
    events.some(({ kind }) => kind === 'backpressure-over'),
  )
  await eventually('all are done', async () => (await queue.size('SUCCESS')) === ITEMS)
  stop.abort()
  await running
  expect(await queue.size('FAIL')).toBe(0)
  expect(new Set(workflowsPerJob(bench))).toEqual(new Set([1]))
})
