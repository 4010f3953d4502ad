import { ManualRuntime } from '@sluice/testkit'
import { answerWith, type ArgoServerOptions, type WatchEnd } from '@sluice/fake-argo'
import { afterEach, describe, expect, test } from 'vitest'
import { readFrame } from '../../src/api/event-frames.js'
import type { ArgoWorker } from '../../src/index.js'
import { ArgoBench, eventually, jobOf, send } from '../argo-bench.js'

let bench: ArgoBench
const stop = { listening: new AbortController() }
afterEach(async () => {
  stop.listening.abort()
  await bench.close()
})

/** Counts the wake signals of a worker. */
class Ear {
  wakes = 0
  readonly #ended: Promise<void>

  constructor(worker: ArgoWorker) {
    stop.listening = new AbortController()
    this.#ended = this.#listen(worker, stop.listening.signal)
  }

  async #listen(worker: ArgoWorker, signal: AbortSignal): Promise<void> {
    for await (const _ of worker.watch({ signal })) this.wakes += 1
  }

  async ends(): Promise<void> {
    await this.#ended
  }
}

/** A worker that watches, with one job under way; the stream is open and has woken for that. */
async function watching(options: ArgoServerOptions = {}) {
  const runtime = new ManualRuntime()
  bench = await ArgoBench.start({ runtime, controller: { reconcileDelayMs: 0 }, ...options })
  const worker = await bench.open({ runtime })
  const job = jobOf('ä💥')
  await send(worker, job, { mode: 'hang' })
  await worker.pollAllStatus([job])
  const ear = new Ear(worker)
  const { server } = bench
  await eventually('the stream is up', () => ear.wakes === 1)
  return { worker, job, name: bench.nameOf(job), runtime, ear, server }
}

test('it wakes when a job ends, and not for what else happens', async () => {
  const { worker, job, name, ear, server } = await watching()
  await send(worker, jobOf('another'), { mode: 'hang' })
  server.workflows.progress(name, '1/2')
  await worker.pollAllStatus([job])
  expect(ear.wakes).toBe(1)
  server.workflows.finish(name)
  await eventually('it wakes', () => ear.wakes === 2)
})

test('after a wake signal a poll asks for what has ended, without a list', async () => {
  const { worker, job, name, ear, server } = await watching()
  server.resetCounts()
  server.workflows.finish(name)
  await eventually('it wakes', () => ear.wakes === 2)
  expect((await worker.pollAllStatus([job])).get(job.id)).toMatchObject({ stage: 'SUCCESS' })
  expect(server.traffic()).toMatchObject({ ListWorkflows: { requests: 0 }, GetWorkflow: { requests: 1 } })
})

test('after a second by the clock a poll lists again, stream or no stream', async () => {
  const { worker, job, runtime, server } = await watching()
  server.resetCounts()
  await worker.pollAllStatus([job])
  await runtime.advance(1_000)
  await worker.pollAllStatus([job])
  expect(server.traffic()).toMatchObject({ ListWorkflows: { requests: 1 }, GetWorkflow: { requests: 0 } })
})

test('an end that the lists don’t show yet is found at once', async () => {
  const { worker, job, name, ear, server } = await watching()
  server.main.replica.listLagMs = 3_600_000
  server.workflows.finish(name)
  await eventually('it wakes', () => ear.wakes === 2)
  expect((await worker.pollAllStatus([job])).get(job.id)).toMatchObject({ stage: 'SUCCESS' })
})

test('it wakes when an operator deletes a workflow', async () => {
  const { worker, job, name, ear, server } = await watching()
  server.operator.delete(name)
  await eventually('it wakes', () => ear.wakes === 2)
  expect((await worker.pollAllStatus([job])).has(job.id)).toBe(false)
})

describe.each<WatchEnd>(['eof', 'too-old', 'too-large', 'hydrate', 'close', 'reset', 'cut-frame'])(
  'a stream that ends so: %s',
  (end) => {
    test('is opened again, wakes for what may have ended meanwhile, and goes on', async () => {
      const { name, runtime, ear, server } = await watching()
      const [first] = server.main.watches
      first?.end(end)
      await eventually('the next one is up', async () => {
        await runtime.advance(50)
        return server.main.watches.length === 1 && server.main.watches[0] !== first && ear.wakes >= 2
      })
      const before = ear.wakes
      server.workflows.finish(name)
      await eventually('it wakes', () => ear.wakes > before)
      expect(first?.ended).toBe(true)
    })
  },
)

test('a stream that falls silent is given up after 45 seconds, and not before', async () => {
  const { name, runtime, ear, server } = await watching()
  const [first] = server.main.watches
  first?.stall()
  server.workflows.finish(name)
  await runtime.advance(44_000)
  expect(ear.wakes).toBe(1)
  await eventually('the next one is up', async () => {
    await runtime.advance(500)
    return server.main.watches.some((watch) => watch !== first) && ear.wakes >= 2
  })
})

test('a stream with nothing to say but comments stays up', async () => {
  const { runtime, server } = await watching()
  const [first] = server.main.watches
  for (let step = 0; step < 20; step++) {
    const before = first?.bytes ?? 0
    await runtime.advance(15_000)
    await eventually('a comment is sent', () => (first?.bytes ?? 0) > before)
    // And read: the next one must not come before its silence is over.
    await bench.server.settled().catch(() => undefined)
  }
  expect(server.main.watches).toEqual([first])
})

test.each([1, 3, 7])('frames that come in pieces of %i bytes are put together', async (chunkBytes) => {
  const { name, ear, server } = await watching({ watching: { chunkBytes } })
  server.workflows.finish(name)
  await eventually('it wakes', () => ear.wakes === 2)
  expect(server.main.watches).toHaveLength(1)
})

test('without the permission it stays quiet and goes on trying; with it, it wakes', async () => {
  const runtime = new ManualRuntime()
  bench = await ArgoBench.start({ runtime, denied: ['watch workflows'], controller: { reconcileDelayMs: 0 } })
  const worker = await bench.open({ runtime })
  await send(worker, jobOf('a'), { mode: 'hang' })
  const ear = new Ear(worker)
  await eventually('it was refused several times', async () => {
    await runtime.advance(1_000)
    return bench.server.traffic().WatchWorkflows.requests >= 4
  })
  expect(ear.wakes).toBe(0)
  bench.server.access.denied.clear()
  await eventually('it wakes', async () => {
    await runtime.advance(1_000)
    return ear.wakes > 0
  })
})

test('refusals are spaced out: no more than 26 in five minutes', async () => {
  const runtime = new ManualRuntime()
  bench = await ArgoBench.start({ runtime })
  bench.server.main.onRequest = () => answerWith('unavailable')
  const worker = await bench.open({ runtime })
  const ear = new Ear(worker)
  for (let step = 0; step < 300; step++) {
    await runtime.advance(1_000)
    await bench.server.settled()
  }
  expect(bench.server.traffic().WatchWorkflows.requests).toBeLessThanOrEqual(26)
  expect(bench.server.traffic().WatchWorkflows.requests).toBeGreaterThan(5)
  expect(ear.wakes).toBe(0)
})

test('it ends with its signal, and with the worker, and leaves no stream behind', async () => {
  const { worker, ear, server } = await watching()
  stop.listening.abort()
  await ear.ends()
  await eventually('the stream is gone', () => server.main.watches.length === 0)
  const again = new Ear(worker)
  await eventually('the stream is up', () => again.wakes === 1)
  await worker.close()
  await again.ends()
  await eventually('the stream is gone', () => server.main.watches.length === 0)
  expect([ear.wakes, again.wakes]).toEqual([1, 1])
})

test('what it asks for is small: a frame of a workflow is under 300 bytes', async () => {
  const { ear, name, server } = await watching()
  const before = server.main.watches[0]?.bytes ?? 0
  server.workflows.finish(name)
  await eventually('it wakes', () => ear.wakes === 2)
  expect((server.main.watches[0]?.bytes ?? 0) - before).toBeLessThan(300)
})

describe('a frame', () => {
  test.each<[string, unknown]>([
    [
      '{"result":{"type":"DELETED","object":{"metadata":{"name":"w"},"status":{"phase":"Running"}}}}',
      { kind: 'change', type: 'DELETED', workflow: 'w', phase: 'Running' },
    ],
    [
      '{"result":{"type":"ADDED","object":{"metadata":{"name":"w"},"status":{"startedAt":null}}}}',
      { kind: 'change', type: 'ADDED', workflow: 'w', phase: undefined },
    ],
    [
      '{"error":{"grpc_code":8,"http_code":429,"message":"EOF","http_status":"Too Many Requests"}}',
      { kind: 'error', error: { code: 8, message: 'EOF' } },
    ],
    ['{"result":{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"5"}}}}', undefined],
    ['{}', undefined],
    ['{"result":{"type":"ADDED","ob', undefined],
  ])('%s', (data, frame) => {
    expect(readFrame(data)).toEqual(frame)
  })
})
