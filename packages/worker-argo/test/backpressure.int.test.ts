import type { WorkEvent } from '@sluice/engine'
import { afterEach, expect, test } from 'vitest'
import { ArgoBench, eventually, fastClock } from './argo-bench.js'
import { serviceOn, workflowsPerJob } from './service-bench.js'

let bench: ArgoBench
afterEach(() => bench.close())

const ITEMS = 150

test('an overloaded Argo Server lowers the limit by its 429s and 503s, and fails no item', async () => {
  bench = await ArgoBench.start({ runtime: fastClock, overload: { above: 60, refusesAbove: 70 } })
  const { server } = bench
  const worker = await bench.open({ runtime: fastClock })
  const events: WorkEvent[] = []
  const { engine, queue } = await serviceOn(worker, {
    items: ITEMS,
    cap: 140,
    body: { mode: 'hang' },
    runtime: fastClock,
    // On a clock that goes fifty times as fast, this machine's own pauses are slow sends.
    backpressure: { slowSendMs: 0 },
    onEvent: (event) => events.push(event),
  })
  const stop = new AbortController()
  const running = engine.run({ intervalMs: 1_000, signal: stop.signal })
  const first = () => events.find(({ kind }) => kind === 'backpressure')
  await eventually('the limit is lowered', () => first() !== undefined)
  expect(first()).toMatchObject({
    atMost: 140,
    cause: 'refused',
    reason: expect.stringMatching(/429|503|currently unable/u),
  })
  // Above 120 it refuses all.
  expect(server.workflows.maxUnfinished).toBeLessThanOrEqual(121)
  server.overload = undefined
  server.controller.settings.outcome = () => ({ afterMs: 1_000 })
  for (const { metadata } of server.workflows.all()) server.workflows.finish(metadata.name, {})
  await eventually('all are done', async () => (await queue.size('SUCCESS')) === ITEMS)
  await eventually('the limit is the cap again', () =>
    events.some(({ kind }) => kind === 'backpressure-over'),
  )
  stop.abort()
  await running
  expect(await queue.size('FAIL')).toBe(0)
  expect(new Set(workflowsPerJob(bench))).toEqual(new Set([1]))
})
