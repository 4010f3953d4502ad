import { SluiceError } from '@sluice/core'
import { openQueue } from '@sluice/queue-memory'
import { ManualRuntime } from '@sluice/testkit'
import { openWorker } from '@sluice/worker-dummy'
import { expect, test } from 'vitest'
import { configSchema } from '../../src/config/config-schema.js'
import { runService } from '../../src/run/service.js'
import { checkAgain } from '../../src/run/worker-check.js'

const AWAY = new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'unreachable')
const DENIED = new SluiceError('SLUICE_WORKER_DENIED', 'no permission to create workflows')
const config = configSchema.parse({ queue: { package: 'memory', name: 'q' }, service: { intervalMs: 10 } })
const silent = () => undefined
const logger = { debug: silent, info: silent, warn: silent, error: silent }

/** A worker whose checks end one after the other as given, the last one for ever. */
async function checked(...answers: (SluiceError | undefined)[]) {
  const worker = await openWorker({ name: 'q' })
  const last = answers.at(-1)
  const seen = { checks: 0 }
  worker.check = async () => {
    seen.checks += 1
    const answer = answers.length > 0 ? answers.shift() : last
    if (answer !== undefined) throw answer
  }
  return { worker, seen }
}

test('retries during an outage until the worker answers', async () => {
  const { worker, seen } = await checked(AWAY, AWAY, undefined)
  const runtime = new ManualRuntime()
  const asking = checkAgain(worker, { signal: new AbortController().signal, runtime })
  await runtime.advance(6_000)
  await asking
  expect(seen.checks).toBe(3)
})

test('a permanent error is thrown, and an abort ends the wait', async () => {
  const denied = await checked(AWAY, DENIED)
  const runtime = new ManualRuntime()
  const failing = checkAgain(denied.worker, { signal: new AbortController().signal, runtime })
  const error = failing.catch((thrown: unknown) => thrown)
  await runtime.advance(4_000)
  expect(await error).toBe(DENIED)
  const away = await checked(AWAY)
  const stop = new AbortController()
  const asking = checkAgain(away.worker, { signal: stop.signal, runtime })
  stop.abort()
  await asking
  expect(away.seen.checks).toBe(0)
})

test('a service that started in an outage ends with the worker’s error after it, and releases the lease', async () => {
  const queue = await openQueue({ name: 'q' })
  const { worker } = await checked(AWAY, DENIED)
  const run = runService({ queue, worker, config, logger, signal: new AbortController().signal })
  await expect(run).rejects.toBe(DENIED)
  expect(await queue.lease('dispatcher', 'another', 1000)).toBeDefined()
}, 10_000)
