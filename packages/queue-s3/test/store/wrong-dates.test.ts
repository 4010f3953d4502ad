import type { Queue } from '@sluice/core'
import { startS3Server, type S3Request, type S3Server } from '@sluice/fake-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { optionsOn, sweep } from '../s3-harness.js'
import { LeapingRuntime } from '../leaping-runtime.js'

const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function world() {
  const runtime = new LeapingRuntime()
  const server = await startS3Server({ runtime })
  opened.push(server)
  return { runtime, server, queue: await open(server, runtime) }
}

async function open(server: S3Server, runtime: LeapingRuntime): Promise<Queue> {
  const queue = await openQueue({ ...optionsOn(server), runtime })
  opened.push(queue)
  return queue
}

type Off = number | 'missing' | 'garbage'

/** What the `Date` of one answer is in place of its own. */
function dateOf(off: Off, runtime: LeapingRuntime): string | undefined {
  if (off === 'missing') return undefined
  return off === 'garbage' ? 'tomorrow, 12' : new Date(runtime.now() + off).toUTCString()
}

/** One answer has such a `Date`: the first of those that fit. */
function foreign(
  server: S3Server,
  date: string | undefined,
  fits: (request: S3Request) => boolean = () => true,
) {
  let done = false
  server.main.onRequest = (request) => {
    if (done || !fits(request)) return undefined
    done = true
    return { do: 'alter', headers: { date } }
  }
}

const OFF: readonly Off[] = [60_000, 3_600_000_000, -60_000, 'missing', 'garbage']

describe.each(OFF)('one `Date` that is off by %s', (off) => {
  test('makes no second holder of a lease', async () => {
    const { server, runtime, queue } = await world()
    const lease = await queue.lease('dispatcher', 'one', 15_000)
    const other = await open(server, runtime)
    for (const operation of ['ListObjectsV2', 'GetObject', 'HeadObject']) {
      foreign(server, dateOf(off, runtime), (request) => request.operation === operation)
      expect(await other.lease('dispatcher', 'two', 15_000)).toBeUndefined()
    }
    expect(await lease?.renew()).toBe(true)
  })

  test('makes none either when it is the first that a process sees', async () => {
    const { server, runtime, queue } = await world()
    await queue.lease('dispatcher', 'one', 15_000)
    foreign(server, dateOf(off, runtime))
    const other = await open(server, runtime)
    expect(await other.lease('dispatcher', 'two', 15_000)).toBeUndefined()
    await runtime.advance(17_000)
    expect(await other.lease('dispatcher', 'two', 15_000)).toBeDefined()
  })

  test('gives no delayed item out early, and holds none', async () => {
    const { server, runtime, queue } = await world()
    await queue.put('later', 1, { delayMs: 30_000 })
    foreign(server, dateOf(off, runtime))
    expect(await queue.get(1)).toEqual([])
    expect(await queue.get(1)).toEqual([])
    await runtime.advance(31_000)
    expect(await queue.get(1)).toHaveLength(1)
  })

  test('puts no item later than asked', async () => {
    const { server, runtime, queue } = await world()
    foreign(server, dateOf(off, runtime))
    const first = await open(server, runtime)
    await first.put('later', 1, { delayMs: 1_000 })
    await runtime.advance(3_000)
    expect(await queue.get(1)).toHaveLength(1)
  })

  test('lets retention delete nothing early', async () => {
    const { server, runtime, queue } = await world()
    await queue.put('a', 1)
    await queue.get(1)
    await queue.success('a')
    foreign(server, dateOf(off, runtime), ({ operation, query }) => {
      return operation === 'ListObjectsV2' && query.get('prefix')?.endsWith('SUCCESS/') === true
    })
    expect(await sweep(queue, { retentionMs: 30_000 })).toMatchObject({ removed: 0 })
    await runtime.advance(35_000)
    expect(await sweep(queue, { retentionMs: 30_000 })).toMatchObject({ removed: 1 })
  })
})

test('a store whose clock jumps ahead gives the lease of a holder that renews it to no other', async () => {
  const { server, runtime, queue } = await world()
  const lease = await queue.lease('dispatcher', 'one', 15_000)
  const other = await open(server, runtime)
  expect(await other.lease('dispatcher', 'two', 15_000)).toBeUndefined()
  // From here on all its answers are an hour ahead.
  server.main.onRequest = () => ({
    do: 'alter',
    headers: { date: new Date(runtime.now() + 3_600_000).toUTCString() },
  })
  for (let round = 0; round < 30; round++) {
    await runtime.advance(1_000)
    const isKept = round % 5 === 4 ? await lease?.renew() : true
    expect(isKept).toBe(true)
    expect(await other.lease('dispatcher', 'two', 15_000)).toBeUndefined()
  }
})

test('a store whose answers have no `Date` is refused when the queue is opened', async () => {
  const { server, runtime } = await world()
  server.main.onRequest = () => ({ do: 'alter', headers: { date: undefined } })
  await expect(openQueue({ ...optionsOn(server), runtime })).rejects.toMatchObject({
    code: 'SLUICE_CONFIG_INVALID',
  })
})
