import { silentLogger, type Lease, type Logger, type Queue } from '@sluice/core'
import { startS3Server, type S3Server } from '@sluice/fake-s3'
import { afterEach, expect, test, vi } from 'vitest'
import { openQueue, type S3QueueOptions } from '../../src/index.js'
import { optionsOn } from '../s3-harness.js'
import { LeapingRuntime } from '../leaping-runtime.js'

const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function open(options: Partial<S3QueueOptions> = {}) {
  // Where requests time out, time must pass.
  const runtime = new LeapingRuntime(options.timeoutMs === undefined)
  const server = await startS3Server({ runtime })
  opened.push(server)
  const queue = await openQueue({ ...optionsOn(server), runtime, ...options })
  opened.push(queue)
  return { server, queue, runtime }
}

async function leaseOf(queue: Queue, ttlMs = 60_000): Promise<Lease> {
  const lease = await queue.lease('dispatcher', 'me', ttlMs)
  if (lease === undefined) throw new Error('no other holder has it')
  return lease
}

async function requests(server: S3Server, work: () => Promise<unknown>) {
  server.resetCounts()
  await work()
  return Object.fromEntries(Object.entries(server.counts()).filter(([, count]) => count > 0))
}

/** Something that happens when the first claim is on its way. */
function atFirstClaim(server: S3Server, then: () => Promise<unknown>): void {
  let isFirst = true
  server.main.onRequest = async ({ operation, key }) => {
    if (!isFirst || operation !== 'PutObject' || !(key ?? '').includes('/PROCESSING/')) return undefined
    isFirst = false
    await then()
    return undefined
  }
}

test('a get under a lease costs two HEADs more than one without; an empty one costs one', async () => {
  const { server, queue } = await open()
  await queue.putMany(Array.from({ length: 20 }, (_, index) => ({ id: `i${index}`, body: index })))
  const lease = await leaseOf(queue)
  const without = await requests(server, () => queue.get(10))
  const under = await requests(server, () => queue.get(10, { lease }))
  expect(without).toEqual({
    PutObject: 10,
    GetObject: 10,
    HeadObject: 10,
    ListObjectsV2: 1,
    DeleteObjects: 1,
  })
  expect(under).toEqual({ ...without, HeadObject: 12 })
  await lease.renew()
  expect(await requests(server, () => queue.get(10, { lease }))).toEqual({ ListObjectsV2: 1, HeadObject: 1 })
})

test('a renewal costs a PUT, two LISTs, and a GET for the version of the queue', async () => {
  const { server, queue } = await open()
  const lease = await leaseOf(queue)
  await lease.renew()
  expect(await requests(server, () => lease.renew())).toEqual({
    PutObject: 1,
    GetObject: 1,
    ListObjectsV2: 2,
  })
})

test('a lease that is lost while a get claims: the get rejects, and each item is back in its place with all it had', async () => {
  const { server, queue, runtime } = await open()
  const endpoint = await server.addEndpoint()
  const other = await openQueue({ ...optionsOn(server, endpoint), runtime })
  opened.push(other)
  await queue.putMany(['a', 'b', 'c'].map((id) => ({ id, body: id })))
  const [first] = await queue.get(1)
  await queue.release('a', {
    keepPlace: true,
    countAttempt: false,
    reason: 'refused',
    retryState: { tries: 1 },
  })
  expect(first?.id).toBe('a')
  const lease = await leaseOf(queue, 10_000)
  atFirstClaim(server, async () => {
    await runtime.advance(20_000)
    expect(await other.lease('dispatcher', 'other', 10_000)).toBeDefined()
  })
  await expect(queue.get(2, { lease })).rejects.toMatchObject({ code: 'SLUICE_LEASE_LOST', retryable: false })
  server.main.onRequest = undefined
  expect(await other.sizes()).toEqual({ WAITING: 3, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
  expect(await other.lookup('a')).toMatchObject({
    attempt: 2,
    uncounted: 2,
    reason: 'refused',
    retryState: { tries: 1 },
  })
  const { history = [] } = (await other.lookup('b')) ?? {}
  expect(history).toMatchObject([{ attempt: 1, outcome: 'WAITING', unsent: true }])
  expect((await other.get(3)).map(({ id }) => id)).toEqual(['a', 'b', 'c'])
})

test('a lease that can no longer be read counts as lost: what was claimed under it is released, and the error is thrown', async () => {
  const { server, queue } = await open({ timeoutMs: 300 })
  await queue.putMany(['a', 'b'].map((id) => ({ id, body: id })))
  const lease = await leaseOf(queue)
  let claimed = false
  server.main.onRequest = ({ operation, key }) => {
    claimed ||= (key ?? '').includes('/PROCESSING/')
    return claimed && operation === 'HeadObject' && (key ?? '').includes('/LEASES/')
      ? { do: 'drop-request' }
      : undefined
  }
  await expect(queue.get(2, { lease })).rejects.toMatchObject({
    code: 'SLUICE_QUEUE_UNAVAILABLE',
    message: expect.stringContaining('LEASES/dispatcher/'),
  })
  server.main.onRequest = undefined
  expect(await queue.sizes()).toEqual({ WAITING: 2, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
})

test('what can’t be released stays in PROCESSING and is logged, and the call reports the lease', async () => {
  const warn = vi.fn<Logger['warn']>()
  const logger: Logger = { ...silentLogger, warn }
  const { server, queue, runtime } = await open({ timeoutMs: 300, logger })
  await queue.put('a', 1)
  const lease = await leaseOf(queue, 10_000)
  atFirstClaim(server, async () => {
    await runtime.advance(20_000)
    server.main.onRequest = ({ operation, key }) =>
      operation === 'PutObject' && (key ?? '').includes('/SUCCESS/') ? { do: 'drop-request' } : undefined
  })
  await expect(queue.get(1, { lease })).rejects.toMatchObject({ code: 'SLUICE_LEASE_LOST' })
  server.main.onRequest = undefined
  expect(await queue.lookupStatus('a')).toBe('PROCESSING')
  expect(warn).toHaveBeenCalledWith(expect.objectContaining({ items: 1 }), expect.any(String))
})

test('a request for a lease that hangs costs a third of its ttl, not the lease', async () => {
  const { server, queue } = await open({ timeoutMs: 60_000 })
  const lease = await leaseOf(queue, 3_000)
  let isFirst = true
  server.main.onRequest = ({ operation }) => {
    if (operation !== 'ListObjectsV2' || !isFirst) return undefined
    isFirst = false
    return { do: 'hold', until: new Promise(() => {}) }
  }
  expect(await lease.renew()).toBe(true)
})
