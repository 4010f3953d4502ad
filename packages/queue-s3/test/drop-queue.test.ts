import type { Queue } from '@sluice/core'
import { dropCases, type DropHarness } from '@sluice/testkit'
import { answerWith, startS3Server, type S3Endpoint, type S3Server } from '@sluice/fake-s3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { dropQueue, listQueues, openQueue } from '../src/index.js'
import { optionsOn } from './s3-harness.js'
import { SkippingRuntime } from './leaping-runtime.js'

let runtime: SkippingRuntime
let server: S3Server
const opened: Queue[] = []

beforeEach(async () => {
  runtime = new SkippingRuntime()
  server = await startS3Server({ runtime })
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close()))
  await server.close()
})

function settingsOf(name: string, endpoint?: S3Endpoint) {
  return { ...optionsOn(server, endpoint, name), runtime }
}

async function open(name: string): Promise<Queue> {
  const queue = await openQueue({ ...optionsOn(server, server.main, name), runtime })
  opened.push(queue)
  return queue
}

const drop: DropHarness['drop'] = (name, use = {}) => dropQueue(settingsOf(name), use)

function harness(): DropHarness {
  return {
    open,
    list: () => listQueues(optionsOn(server, server.main, 'any')),
    drop,
    passTime: (ms) => runtime.advance(ms),
    dropCrashing: async (name, point) => {
      const endpoint = await server.addEndpoint()
      endpoint.onRequest = ({ index }) => (index < point ? undefined : { do: 'crash' })
      // A dead process tries each request again for so long. Of one that is answered, turns of the event loop
      // count, and not what a busy machine takes for them.
      await dropQueue({ ...settingsOf(name, endpoint), timeoutMs: 100 }).catch(() => undefined)
      return endpoint.crashed()
    },
  }
}

test.each(dropCases)(
  '$title',
  async ({ run }) => {
    await expect(run(harness())).resolves.toBeUndefined()
  },
  300_000,
)

describe('a drop', () => {
  test('leaves no object under the root, but those of others, and says so', async () => {
    const queue = await open('tiles')
    await queue.putMany(Array.from({ length: 30 }, (_, index) => ({ id: `item-${index}`, body: index })))
    await queue.settle((await queue.get(10)).map(({ id }) => ({ id, attempt: 1, stage: 'FAIL' as const })))
    server.seed([
      ['queues/tiles/mine/notes.txt', 'x'],
      ['queues/tiles/inner/QUEUE', '{}'],
      ['queues/tiles-2/ITEMS/a', 'x'],
    ])
    const progress: number[] = []
    const outcome = await drop('tiles', { onProgress: ({ removed }) => void progress.push(removed) })
    expect(outcome).toEqual({
      is: 'dropped',
      removed: progress.at(-1),
      unit: 'objects',
      notes: [expect.stringMatching(/belong to no queue were left under .*queues\/tiles\//)],
    })
    expect(server.keys()).toEqual([
      'queues/tiles-2/ITEMS/a',
      'queues/tiles/inner/QUEUE',
      'queues/tiles/mine/notes.txt',
    ])
  })

  test('holds two pages of each folder in memory, and deletes a thousand keys at once', async () => {
    await open('tiles')
    server.seed(
      (function* () {
        for (let index = 0; index < 25_000; index++) yield [`queues/tiles/ITEMS/i-${index}`, 'x'] as const
      })(),
    )
    server.resetCounts()
    expect(await drop('tiles')).toMatchObject({ is: 'dropped' })
    expect(server.keys()).toEqual([])
    expect(server.counts().DeleteObjects).toBeLessThanOrEqual(30)
  })

  test('puts that run all the while are refused once it has begun, and none comes back', async () => {
    const queue = await open('tiles')
    let stored = 0
    const refusals: unknown[] = []
    const putter = async (shard: number) => {
      for (let index = 0; refusals.length <= shard && index < 5_000; index++) {
        try {
          await queue.put(`${shard}-${index}`, 1)
          stored += 1
        } catch (error) {
          refusals.push(error)
          return
        }
      }
    }
    const putters = Array.from({ length: 4 }, (_, shard) => putter(shard))
    await expect.poll(() => stored).toBeGreaterThan(20)
    const outcome = await drop('tiles')
    await Promise.all(putters)
    expect(outcome).toMatchObject({ is: 'dropped' })
    expect(refusals.map((error) => (error instanceof Error ? error.message : ''))).toEqual(
      Array.from({ length: 4 }, () => expect.stringMatching(/it is being dropped|the queue was dropped/)),
    )
    expect(server.keys()).toEqual([])
  })

  test('a service that takes the lease while QUEUE is replaced goes on: the queue is as it was', async () => {
    const queue = await open('tiles')
    await queue.put('a', 1)
    const before = server.textOf('queues/tiles/QUEUE')
    // By a process that had read QUEUE before.
    server.seed([['queues/tiles/LEASES/dispatcher/999999999998', leaseText('late', true)]])
    runtime.onSkip = () => server.seed([['queues/tiles/LEASES/dispatcher/999999999997', leaseText('late')]])
    const outcome = await drop('tiles')
    expect(outcome).toMatchObject({ is: 'held', leases: [{ name: 'dispatcher', holder: 'late' }] })
    expect(server.textOf('queues/tiles/QUEUE')).toBe(before)
    expect(await (await open('tiles')).size('WAITING')).toBe(1)
  })

  test('one that is stopped cannot be opened, and is listed as being dropped', async () => {
    await (await open('tiles')).put('a', 1)
    expect(await drop('tiles', { signal: AbortSignal.abort() })).toMatchObject({ is: 'stopped' })
    await expect(open('tiles')).rejects.toMatchObject({
      code: 'SLUICE_QUEUE_CORRUPT',
      message: expect.stringMatching(/it is being dropped/),
    })
    expect(await harness().list()).toMatchObject([{ name: 'tiles', state: 'dropping' }])
  })

  test('an outage ends it by an error, and the same call goes on', async () => {
    await (await open('tiles')).put('a', 1)
    const endpoint = await server.addEndpoint()
    endpoint.onRequest = ({ operation }) =>
      operation === 'DeleteObjects' ? answerWith('InternalError') : undefined
    await expect(dropQueue({ ...settingsOf('tiles', endpoint), timeoutMs: 300 })).rejects.toMatchObject({
      code: 'SLUICE_QUEUE_UNAVAILABLE',
    })
    expect(await drop('tiles')).toMatchObject({ is: 'dropped' })
    expect(server.keys()).toEqual([])
  })

  test('a queue of a format that this version does not know can be dropped, too', async () => {
    server.seed([
      ['queues/old/QUEUE', JSON.stringify({ sluice: 1, format: 1, shards: 1 })],
      ['queues/old/PROCESSING/a', 'x'],
    ])
    expect(await harness().list()).toMatchObject([{ name: 'old', state: 'unreadable', format: 'format 1' }])
    expect(await drop('old')).toEqual({ is: 'running', processing: 1 })
    expect(await drop('old', { withRunning: true })).toMatchObject({ is: 'dropped' })
    expect(server.keys()).toEqual([])
  })

  test('what a late request left behind is listed, and dropped', async () => {
    server.seed([['queues/tiles/ITEMS/late', 'x']])
    expect(await harness().list()).toMatchObject([{ name: 'tiles', state: 'leftovers' }])
    expect(await drop('tiles')).toMatchObject({ is: 'dropped' })
    expect(server.keys()).toEqual([])
  })

  test('a versioned bucket is said to keep what was deleted', async () => {
    await open('tiles')
    server.setVersioning('Enabled')
    expect(await drop('tiles')).toMatchObject({
      notes: [expect.stringMatching(/Versioning .* enabled.*lifecycle rule/s)],
    })
  })

  test('the exported function waits by itself', async () => {
    await open('tiles')
    const begun = performance.now()
    expect(await dropQueue(optionsOn(server, server.main, 'tiles'))).toMatchObject({ is: 'dropped' })
    expect(performance.now() - begun).toBeGreaterThanOrEqual(3_900)
  })
})

describe('the list', () => {
  test('has names of every kind, sizes when they are asked for, and passes over what is no queue', async () => {
    const names = ['Tiles', 'tiles of ü', 'ITEMS', 'x'.repeat(250).slice(0, 200)]
    for (const name of names) await (await open(name)).put('a', 1)
    server.seed(
      (function* () {
        for (let index = 0; index < 2_500; index++) yield [`queues/data/file-${index}`, 'x'] as const
        yield ['queues/readme.txt', 'x'] as const
      })(),
    )
    const options = optionsOn(server, server.main, 'any')
    const listed = await listQueues(options)
    expect(listed.map(({ name }) => name)).toEqual(names.toSorted())
    expect(listed.every((one) => one.sizes === undefined && one.format === 'format 2, draft-5')).toBe(true)
    const sized = await listQueues(options, { sizes: true })
    expect(sized.map(({ sizes }) => sizes?.WAITING)).toEqual(names.map(() => 1))
  })

  test('asks for few pages, however many objects a queue has', async () => {
    await open('tiles')
    server.seed(
      (function* () {
        for (let index = 0; index < 20_000; index++) yield [`queues/tiles/ITEMS/i-${index}`, 'x'] as const
      })(),
    )
    server.resetCounts()
    expect(await harness().list()).toHaveLength(1)
    expect(server.counts().ListObjectsV2).toBeLessThanOrEqual(4)
  })

  test('a bucket that is not there is no empty list', async () => {
    await expect(
      listQueues({ ...optionsOn(server, server.main, 'any'), bucket: 'none' }),
    ).rejects.toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
    })
  })
})

function leaseText(holder: string, released = false): string {
  return JSON.stringify({ sluice: 1, holder, fencingToken: 1, ttlMs: 60_000, released })
}
