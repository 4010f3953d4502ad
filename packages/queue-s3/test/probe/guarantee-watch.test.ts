import { isSluiceError, type Logger, type Queue } from '@sluice/core'
import {
  answerWith,
  s3Stores,
  startS3Server,
  type S3Endpoint,
  type S3Server,
  type S3ServerOptions,
} from '@sluice/fake-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { openQueue, type S3QueueOptions } from '../../src/index.js'
import { dropProbes } from '../../src/probe/probe-memory.js'
import { optionsOn, probedOn } from '../s3-harness.js'
import { LeapingRuntime } from '../leaping-runtime.js'

/** A probe of 25 requests is over before, however busy the machine is. */
const LONG_MS = 60_000
const HOUR_MS = 3_600_000
const CEPH = { rules: s3Stores.radosgw16.rules }
const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

interface Line {
  readonly level: string
  readonly message: string
}

interface Place {
  readonly server: S3Server
  readonly runtime: LeapingRuntime
  /** A queue of a process of its own, which has an address of its own. */
  readonly open: (
    options?: Partial<S3QueueOptions>,
  ) => Promise<{ queue: Queue; endpoint: S3Endpoint; lines: Line[] }>
}

async function placeOf(options: S3ServerOptions = {}, runtime = new LeapingRuntime()): Promise<Place> {
  const server = await startS3Server({ runtime, ...options })
  opened.push(server)
  const open = async (more: Partial<S3QueueOptions> = {}) => {
    const endpoint = await server.addEndpoint()
    const lines: Line[] = []
    const options = {
      ...probedOn(server, endpoint),
      probe: 'quick' as const,
      runtime,
      logger: loggerTo(lines),
    }
    const queue = await openQueue({ ...options, ...more })
    opened.push(queue)
    return { queue, endpoint, lines }
  }
  return { server, runtime, open }
}

function loggerTo(lines: Line[]): Logger {
  const at = (level: string) => (_: object, message: string) => void lines.push({ level, message })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

const itemsOf = (count: number) => Array.from({ length: count }, (_, n) => ({ id: `i${n}`, body: n }))

/** How many probes began at an address. */
function probesAt({ requests }: S3Endpoint): number {
  return (
    requests.filter(({ operation, key }) => operation === 'PutObject' && key.endsWith('-create')).length / 2
  )
}

async function errorOf(
  call: Promise<unknown>,
): Promise<{ code: string; retryable: boolean; message: string }> {
  const [end] = await Promise.allSettled([call])
  if (end.status === 'fulfilled')
    return { code: 'none', retryable: false, message: JSON.stringify(end.value) }
  if (isSluiceError(end.reason)) return end.reason
  throw end.reason
}

/** Claims until nothing is left or moves are stopped. */
async function drain(queue: Queue): Promise<string[]> {
  const given: string[] = []
  for (;;) {
    try {
      const items = await queue.get(5)
      if (items.length === 0) return given
      given.push(...items.map(({ id, attempt }) => `${id} ${attempt}`))
    } catch (error) {
      if (isSluiceError(error, 'SLUICE_QUEUE_UNAVAILABLE')) return given
      throw error
    }
  }
}

const twice = (given: readonly string[]) => given.length - new Set(given).size

describe('versioning is switched on under running processes, and voids the condition (Ceph 16)', () => {
  test.each([0, 1, 7, 20])(
    'at claim %i of four processes that claim the same items: 0 claimed twice, also before it was noticed',
    async (claim) => {
      const { server, open } = await placeOf(CEPH)
      const processes = await Promise.all([open(), open(), open(), open()])
      await processes[0]?.queue.putMany(itemsOf(40))
      let claims = 0
      for (const { endpoint } of processes)
        endpoint.onRequest = ({ operation, key }) => {
          if (operation === 'PutObject' && key.includes('/PROCESSING/') && claims++ === claim)
            server.setVersioning('Enabled')
          return undefined
        }
      const given = (await Promise.all(processes.map(({ queue }) => drain(queue)))).flat()
      expect(claims).toBeGreaterThan(claim)
      expect(twice(given)).toBe(0)
    },
  )

  test('all that relies on the condition is refused with words, and goes on by itself when versioning is suspended', async () => {
    const { server, runtime, open } = await placeOf(CEPH)
    const { queue, endpoint, lines } = await open()
    await queue.putMany(itemsOf(4))
    const [claimed] = await queue.get(1)
    await queue.get(1).then(([item]) => queue.fail(item?.id ?? ''))
    const lease = await queue.lease('dispatch', 'me', 60_000)
    server.setVersioning('Enabled')
    const calls: readonly (() => Promise<unknown>)[] = [
      () => queue.get(1),
      () => queue.put('new', 1),
      () => queue.success(claimed?.id ?? ''),
      () => queue.release(claimed?.id ?? ''),
      () => queue.requeue(['i1']),
      () => queue.remove(['i3']),
      () => queue.document('d').write(1, { ifVersion: undefined }),
      () => queue.control.pause(),
      () => queue.lease('other', 'me', 60_000),
      () => lease?.renew() ?? Promise.resolve(),
    ]
    for (const call of calls) {
      const { code, retryable, message } = await errorOf(call())
      expect([code, retryable]).toEqual(['SLUICE_QUEUE_UNAVAILABLE', true])
      expect(message).toMatch(/bucket "sluice-test".*versioning.*suspend versioning of (?:this|the) bucket/is)
      expect(message).toMatch(/go on by themselves once a probe passes/)
    }
    expect(await queue.lookupStatus('i0')).toBe('PROCESSING')
    const stopped = endpoint.counts()
    expect((await errorOf(queue.put('new', 1))).code).toBe('SLUICE_QUEUE_UNAVAILABLE')
    expect(endpoint.counts()).toEqual(stopped)
    server.setVersioning('Suspended')
    await runtime.advance(5_000)
    await queue.put('other', 1)
    await queue.success(claimed?.id ?? '')
    await queue.control.resume()
    expect(lines.filter(({ message }) => /moves/i.test(message)).map(({ level }) => level)).toEqual([
      'warn',
      'error',
      'info',
    ])
    // And again.
    server.setVersioning('Enabled')
    expect((await errorOf(queue.put('third', 1))).code).toBe('SLUICE_QUEUE_UNAVAILABLE')
  })

  test('an opening is refused from then on, though one had passed in this process', async () => {
    const { server, open } = await placeOf(CEPH)
    const options = probedOn(server)
    const queue = await openQueue(options)
    opened.push(queue)
    server.setVersioning('Enabled')
    await errorOf(queue.put('a', 1))
    expect(await errorOf(openQueue(options))).toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
    expect(await errorOf(open())).toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
  })

  test('a claim whose answer was lost is not returned for being read back', async () => {
    const { server, open } = await placeOf(CEPH)
    const [first, second] = await Promise.all([open(), open()])
    await first.queue.put('a', 1)
    // The second has seen it WAITING; the first claims it; then versioning is enabled.
    second.endpoint.onRequest = async ({ operation, key }) => {
      if (operation !== 'PutObject' || !key.includes('/PROCESSING/')) return undefined
      expect(await first.queue.get(1)).toHaveLength(1)
      server.setVersioning('Enabled')
      return { do: 'drop-reply' }
    }
    expect((await errorOf(second.queue.get(1))).code).toBe('SLUICE_QUEUE_UNAVAILABLE')
  })

  test('for an instant: what was created then is not relied on, and moves go on', async () => {
    const { server, open } = await placeOf(CEPH)
    const [first, second] = await Promise.all([open(), open()])
    await first.queue.putMany(itemsOf(2))
    second.endpoint.onRequest = async ({ operation, key }) => {
      if (operation === 'PutObject' && key.includes('/PROCESSING/')) {
        await first.queue.get(1)
        server.setVersioning('Enabled')
      }
      if (key.endsWith('-create')) server.setVersioning('Suspended')
      return undefined
    }
    const { code, message } = await errorOf(second.queue.get(1))
    expect([code, message]).toEqual(['SLUICE_QUEUE_UNAVAILABLE', expect.stringContaining('Cannot rely on')])
    second.endpoint.onRequest = undefined
    expect((await second.queue.get(2)).map(({ id }) => id)).toEqual(['i1'])
  })

  test('while a probe runs that began before: its verdict does not count', async () => {
    const { server, runtime, open } = await placeOf(CEPH)
    const { queue, endpoint } = await open()
    await queue.putMany(itemsOf(2))
    const deleting = Promise.withResolvers<void>()
    const versioned = Promise.withResolvers<void>()
    endpoint.onRequest = async ({ operation }) => {
      if (operation !== 'DeleteObjects') return undefined
      deleting.resolve()
      await versioned.promise
      return undefined
    }
    await runtime.advance(HOUR_MS)
    await queue.put('a', 1)
    await deleting.promise
    server.setVersioning('Enabled')
    const put = errorOf(queue.put('b', 1))
    await expect
      .poll(() => server.textOf(server.keys().find((key) => key.includes('/ITEMS/b')) ?? ''))
      .toBeDefined()
    versioned.resolve()
    expect((await put).message).toMatch(/Cannot rely on.*versioning is enabled/s)
  })

  test('with `probe: off` the first id leads to a probe all the same', async () => {
    const { server, runtime, open } = await placeOf(CEPH)
    const { queue, endpoint } = await open({ probe: 'off' })
    await queue.put('a', 1)
    await queue.lease('dispatch', 'me', 60_000)
    await runtime.advance(HOUR_MS)
    await queue.put('b', 1)
    expect(probesAt(endpoint)).toBe(0)
    server.setVersioning('Enabled')
    expect((await errorOf(queue.get(1))).message).toMatch(/versioning is enabled/)
    expect(probesAt(endpoint)).toBe(1)
  })

  test('before a process opened with `probe: off`: its first move shows it', async () => {
    const { server, open } = await placeOf(CEPH)
    await (await open()).queue.put('a', 1)
    server.setVersioning('Enabled')
    const { queue } = await open({ probe: 'off' })
    expect((await errorOf(queue.get(1))).code).toBe('SLUICE_QUEUE_UNAVAILABLE')
  })

  test('a probe that cannot be carried out is no verdict: moves are refused for its reason, and the next one decides', async () => {
    const { server, runtime, open } = await placeOf(CEPH)
    const { queue, endpoint } = await open()
    server.setVersioning('Enabled')
    endpoint.onRequest = ({ operation }) =>
      operation === 'ListObjectsV2' ? answerWith('AccessDenied') : undefined
    expect((await errorOf(queue.put('a', 1))).code).toBe('SLUICE_QUEUE_UNAVAILABLE')
    const refusal = async () => (await errorOf(queue.put('b', 1))).message
    await expect.poll(refusal, { timeout: LONG_MS }).toMatch(/Moves are stopped.*permission was refused/s)
    endpoint.onRequest = undefined
    server.setVersioning('Suspended')
    await runtime.advance(5_000)
    await queue.put('b', 1)
  })
})

describe('versioning where the condition is honoured all the same (AWS)', () => {
  test('switched on: one probe, no call fails, none later', async () => {
    const { server, open } = await placeOf()
    const { queue, endpoint, lines } = await open()
    await queue.putMany(itemsOf(10))
    server.setVersioning('Enabled')
    expect((await drain(queue)).length).toBe(10)
    await queue.put('more', 1)
    server.setVersioning('Suspended')
    await queue.put('even more', 1)
    server.setVersioning('Enabled')
    await queue.get(5)
    expect(probesAt(endpoint)).toBe(2)
    expect(lines.filter(({ message }) => /moves/i.test(message)).map(({ level }) => level)).toEqual([
      'warn',
      'info',
    ])
  })

  test.each(['thorough', 'quick', 'off'] as const)('from the start, %s: no further probe', async (probe) => {
    const { server, open } = await placeOf({ versioning: 'Enabled' })
    const { queue, endpoint } = await open({ probe })
    await queue.putMany(itemsOf(3))
    expect((await drain(queue)).length).toBe(3)
    expect(probesAt(endpoint)).toBe(probe === 'off' ? 0 : 1)
    expect(server.keys().filter((key) => key.includes('PROBE'))).toEqual([])
  })

  test('suspended: old objects name versions, which is found out once', async () => {
    const { server, open } = await placeOf()
    server.setVersioning('Enabled')
    await (await open()).queue.putMany(itemsOf(5))
    server.setVersioning('Suspended')
    dropProbes()
    const { queue, endpoint } = await open()
    expect((await drain(queue)).length).toBe(5)
    await queue.put('new', 1)
    expect(probesAt(endpoint)).toBe(2)
  })
})

describe('when a probe runs beside the work', () => {
  test('after a new lease, not after a renewal, nor for the lease of another', async () => {
    const { open } = await placeOf()
    const { queue, endpoint } = await open()
    const other = await open()
    const opening = probesAt(endpoint)
    const lease = await queue.lease('dispatch', 'me', 60_000)
    await queue.close()
    expect(probesAt(endpoint)).toBe(opening + 1)
    const otherOpening = probesAt(other.endpoint)
    expect(await other.queue.lease('dispatch', 'you', 60_000)).toBeUndefined()
    expect(lease?.fencingToken).toBe(1)
    expect(await other.queue.lease('dispatch', 'me', 60_000).then((mine) => mine?.renew())).toBe(true)
    await other.queue.close()
    expect(probesAt(other.endpoint)).toBe(otherOpening)
  })

  test('an hour after the last one; no call waits for it; 25 requests', async () => {
    const { runtime, open } = await placeOf({}, new LeapingRuntime(true))
    const { queue, endpoint } = await open()
    await queue.put('a', 1)
    const opening = probesAt(endpoint)
    await runtime.advance(HOUR_MS - 1)
    await queue.put('b', 1)
    expect(probesAt(endpoint)).toBe(opening)
    await runtime.advance(1)
    // A call that waited for the probe would wait for ever.
    endpoint.onRequest = ({ query }) =>
      (query.get('prefix') ?? '').includes('PROBE') ? { do: 'hold', until: held.promise } : undefined
    const held = Promise.withResolvers<void>()
    endpoint.resetCounts()
    await queue.put('c', 1)
    await queue.put('d', 1)
    held.resolve()
    endpoint.onRequest = undefined
    await queue.close()
    const { PutObject, HeadObject, ListObjectsV2, DeleteObjects } = endpoint.counts()
    expect({ PutObject, HeadObject, ListObjectsV2, DeleteObjects }).toEqual({
      PutObject: 4 + 18,
      HeadObject: 5,
      ListObjectsV2: 1,
      DeleteObjects: 1,
    })
  })

  test('and a store that has become another by then stops moves', async () => {
    const { runtime, open } = await placeOf()
    const { queue, endpoint, lines } = await open()
    await queue.put('a', 1)
    endpoint.onRequest = ({ operation, key }) =>
      operation === 'PutObject' && key.endsWith('-create')
        ? { do: 'answer', answer: { status: 200, headers: { etag: '"e-1"' } } }
        : undefined
    await runtime.advance(HOUR_MS)
    await queue.put('b', 1)
    await expect.poll(() => lines.map(({ level }) => level), { timeout: LONG_MS }).toContain('error')
    expect((await errorOf(queue.put('c', 1))).message).toMatch(/Moves are stopped.*the store ignores it/s)
    endpoint.onRequest = undefined
    await runtime.advance(5_000)
    await queue.put('c', 1)
  })

  test('of a queue that is closed meanwhile leaves nothing behind', async () => {
    const { server, open } = await placeOf()
    const { queue } = await open()
    await queue.lease('dispatch', 'me', 60_000)
    await queue.close()
    expect(server.keys().filter((key) => key.includes('PROBE'))).toEqual([])
  })
})

test('an id in an answer of a queue opened to read stops none of its reads', async () => {
  const { server } = await placeOf(CEPH)
  const writer = await openQueue(optionsOn(server))
  opened.push(writer)
  const reader = await openQueue(optionsOn(server), { reading: true })
  opened.push(reader)
  await writer.put('a', 1)
  server.setVersioning('Enabled')
  await errorOf(writer.put('b', 1))
  expect(await reader.lookup('a')).toMatchObject({ id: 'a' })
  expect(await reader.peek(1)).toHaveLength(1)
  expect(await reader.sizes()).toMatchObject({ PROCESSING: 0 })
})
