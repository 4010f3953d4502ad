import { SluiceError, type Logger } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { openQueue } from '@sluice/queue-memory'
import { openWorker } from '@sluice/worker-dummy'
import { expect, test } from 'vitest'
import { configSchema } from '../../src/config/config-schema.js'
import { makeLogger } from '../../src/run/service-log.js'
import { runService } from '../../src/run/service.js'
import { PassThrough } from 'node:stream'

const config = configSchema.parse({
  queue: { package: 'memory', name: 'q' },
  processing: { limit: 3 },
  service: { intervalMs: 10, stopDeadlineMs: 50 },
})

function recorder(): { logger: Logger; lines: string[] } {
  const lines: string[] = []
  const note = (_fields: object, message: string): void => void lines.push(message)
  return { logger: { debug: note, info: note, warn: note, error: note }, lines }
}

test('until empty: ends when all is finished, failures included', async () => {
  const queue = await openQueue({ name: 'q' })
  const worker = await openWorker({ name: 'q', rule: { afterMs: 5, failRate: 0.5, seed: 1 } })
  await queue.putMany(Array.from({ length: 40 }, (_, n) => ({ id: `i${n}`, body: n })))
  const { logger, lines } = recorder()
  const signal = new AbortController().signal
  const end = await runService({ queue, worker, config, logger, signal, untilEmpty: true })
  expect(end.why).toBe('empty')
  expect((end.sizes?.SUCCESS ?? 0) + (end.sizes?.FAIL ?? 0)).toBe(40)
  expect(lines.at(-1)).toBe('all items are finished')
  expect(lines.at(-2)).toBe(`item failed: and ${Number(end.sizes?.FAIL) - 5} more`)
})

test('stopped: logs it, and releases the lease', async () => {
  const queue = await openQueue({ name: 'q' })
  const worker = await openWorker({ name: 'q' })
  await queue.put('a', 1)
  const { logger, lines } = recorder()
  const stop = new AbortController()
  const onEvent = (event: { kind: string }): void => {
    if (event.kind === 'item-sent') stop.abort()
  }
  const end = await runService({ queue, worker, config, logger, signal: stop.signal, onEvent })
  expect(end).toEqual({ why: 'stopped', sizes: { WAITING: 0, PROCESSING: 1, SUCCESS: 0, FAIL: 0 } })
  expect(lines.at(-1)).toBe('stopped; running jobs continue')
  expect(await queue.lease('dispatcher', 'another', 1000)).toBeDefined()
})

test('a queue that can’t be used ends it with the queue’s own error', async () => {
  const queue = await openQueue({ name: 'q' })
  const worker = await openWorker({ name: 'q' })
  await queue.close()
  const { logger } = recorder()
  const run = runService({ queue, worker, config, logger, signal: new AbortController().signal })
  await expect(run).rejects.toMatchObject({ code: 'SLUICE_QUEUE_CLOSED' })
})

test('the log leaves out bodies and secrets', async () => {
  const stream = new PassThrough({ encoding: 'utf8' })
  const logger = await makeLogger({
    log: { level: 'debug', format: 'json' },
    stream,
    colors: false,
    runtime: systemRuntime,
  })
  logger.info(
    { id: 'a', body: { x: 'secret' }, item: { body: 'secret', token: 'secret' }, password: 'secret' },
    'hello',
  )
  logger.error({ err: new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'no answer') }, 'oh')
  const text = String(stream.read())
  expect(text).toContain('"msg":"hello"')
  expect(text).toContain('"id":"a"')
  expect(text).toContain('no answer')
  expect(text).not.toContain('secret')
})

test('the pretty log is one line an entry', async () => {
  const stream = new PassThrough({ encoding: 'utf8' })
  const logger = await makeLogger({
    log: { level: 'info', format: 'pretty' },
    stream,
    colors: false,
    runtime: systemRuntime,
  })
  logger.debug({}, 'unheard')
  logger.info({ id: 'a', attempt: 1 }, 'hello')
  expect(String(stream.read())).toMatch(/^\[[\d:]+\] INFO: hello \{"id":"a","attempt":1\}\n$/)
})

test('pending jobs are logged in one line, after `jobs.pendingWarnMs`', async () => {
  const queue = await openQueue({ name: 'q' })
  const worker = await openWorker({ name: 'q' })
  await queue.putMany(Array.from({ length: 3 }, (_, n) => ({ id: `i${n}`, body: n })))
  const lines: string[] = []
  const stop = new AbortController()
  const note = (fields: object, message: string): void =>
    void lines.push(`${message} ${JSON.stringify(fields)}`)
  const logger: Logger = { debug: () => undefined, info: () => undefined, warn: note, error: note }
  const end = await runService({
    queue,
    worker,
    config: { ...config, jobs: { ...config.jobs, pendingWarnMs: 1, pendingTimeoutMs: 200 } },
    logger,
    signal: stop.signal,
    untilEmpty: true,
    onEvent: (event) => {
      if (event.kind === 'item-sent') worker.holdJob(event.job.id, `pod ${event.job.id}: no room`)
    },
  })
  expect(end).toMatchObject({ why: 'empty', sizes: { FAIL: 3 } })
  const pending = lines.filter((line) => line.startsWith('jobs were accepted and are pending'))
  expect(pending).toEqual([expect.stringMatching(/"message":"pod i\d: no room","jobs":\d,"alike":3/u)])
  expect(lines.filter((line) => line.startsWith('job cancelled'))).toHaveLength(3)
  expect(await queue.lookup('i0')).toMatchObject({ failureClass: 'unschedulable' })
})
