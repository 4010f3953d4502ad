import { isSluiceError, type Logger, type QueueUse } from '@sluice/core'
import {
  answerWithStatus,
  s3Stores,
  startS3Server,
  type RaceWindow,
  type S3Server,
  type S3ServerOptions,
} from '@sluice/fake-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { openQueue, type S3QueueOptions } from '../../src/index.js'
import { knownLie, wrongOf, type RacerEnd } from '../../src/probe/race.js'
import { probedOn } from '../s3-harness.js'

const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function serverOf(options: S3ServerOptions = {}): Promise<S3Server> {
  const made = await startS3Server(options)
  opened.push(made)
  return made
}

/** `opened`, or the message of the refusal. */
async function opening(options: S3QueueOptions, use?: QueueUse): Promise<string> {
  try {
    opened.push(await openQueue(options, use))
    return 'opened'
  } catch (error) {
    if (isSluiceError(error, 'SLUICE_CONFIG_INVALID')) return error.message
    throw error
  }
}

const scratchOf = (server: S3Server) => server.keys().filter((key) => key.includes('/PROBE/'))
const sent = (server: S3Server) => server.main.requests.length

/** The keys for which racers run, in that order. */
function raceKeys(server: S3Server): string[] {
  const counts = new Map<string, number>()
  for (const { operation, key } of server.main.requests)
    if (operation === 'PutObject' && key.includes('/PROBE/')) counts.set(key, (counts.get(key) ?? 0) + 1)
  return [...counts].flatMap(([key, count]) => (count > 2 ? [key] : []))
}

/** The store races for the key of this number only, and there only those two win that check first. */
function racingAt(number: number): RaceWindow {
  const arrivals = new Map<string, number>()
  const both = Promise.withResolvers<void>()
  return ({ key }) => {
    if (!key.includes('/PROBE/') || key.endsWith('-create')) return undefined
    const count = (arrivals.get(key) ?? 0) + 1
    arrivals.set(key, count)
    if ([...arrivals.keys()].indexOf(key) !== number) return undefined
    if (count === 2) both.resolve()
    return both.promise
  }
}

const racy = (number: number) => ({ rules: { atomicConditions: false }, raceWindow: racingAt(number) })

describe('a store that checks first and writes later', () => {
  test.each([0, 7, 19])(
    'is refused by the thorough probe, though it races for key %i only',
    async (number) => {
      const server = await serverOf(racy(number))
      expect(await opening(probedOn(server))).toMatch(
        /concurrent PUT If-None-Match: \* of one key 2 won instead of one.*claimed twice/s,
      )
      expect(scratchOf(server)).toEqual([])
    },
  )

  test.each([0, 5, 9])('is refused by the quick one when it races for key %i', async (number) => {
    const server = await serverOf(racy(number))
    expect(await opening(probedOn(server), { brief: true })).toContain('2 won instead of one')
    expect(scratchOf(server)).toEqual([])
  })

  test('gets through the quick one when it races for none of its keys', async () => {
    const server = await serverOf(racy(10))
    expect(await opening(probedOn(server), { brief: true })).toBe('opened')
  })

  test('is refused when no window is chosen: racers arrive in the same turn', async () => {
    const server = await serverOf({ rules: s3Stores.moto.rules })
    expect(await opening(probedOn(server))).toContain('won instead of one')
  })
})

describe('a server that is known to check first, and says which one it is', () => {
  test.each(['thorough', 'quick'] as const)(
    'moto is refused by the %s probe, though no race shows it',
    async (probe) => {
      const { server: name } = s3Stores.moto.rules
      const server = await serverOf({ rules: { server: name } })
      expect(await opening({ ...probedOn(server), probe })).toMatch(
        /answers are from "Werkzeug\/.*those of moto.*checks first and writes later/,
      )
      expect(scratchOf(server)).toEqual([])
    },
  )

  test.each(['AmazonS3', 'MinIO', '', 'nginx', 'Jetty(12.0.1)', 'not-Werkzeug/3'])(
    '%j is not one',
    (name) => {
      expect(knownLie([name])).toBeUndefined()
    },
  )
})

const heat = (ends: Readonly<Record<string, RacerEnd>>) => ({
  key: 'k',
  ends: new Map(Object.entries(ends)),
})

describe('what a race shows', () => {
  test.each<[Readonly<Record<string, RacerEnd>>, string | undefined]>([
    [{ a: 'created', b: 'exists' }, 'a'],
    // Ceph 16 answers losers with 500, and winners may lose their answer.
    [{ a: 'created', b: 'unclear' }, 'a'],
    [{ a: 'unclear', b: 'unclear' }, 'b'],
    [{ a: 'unclear', b: 'exists' }, 'a'],
    [{ a: 'lost', b: 'exists' }, undefined],
    // A request that a proxy sent twice is refused for itself.
    [{ a: 'exists', b: 'exists' }, 'a'],
  ])('%o, and then %s: nothing', (ends, kept) => {
    expect(wrongOf(heat(ends), { kept })).toBeUndefined()
  })

  test.each<[Readonly<Record<string, RacerEnd>>, string | undefined, RegExp]>([
    [{ a: 'created', b: 'created' }, 'a', /2 won/],
    [{ a: 'created', b: 'unclear' }, 'b', /another one is what was kept/],
    [{ a: 'created', b: 'exists' }, undefined, /another one/],
    [{ a: 'exists', b: 'exists' }, undefined, /never written/],
  ])('%o, and then %s: that the store lies', (ends, kept, seen) => {
    expect(wrongOf(heat(ends), { kept })?.seen).toMatch(seen)
  })
})

describe('what a probe costs', () => {
  test.each([
    ['thorough', 150, 24],
    ['quick', 95, 10],
  ] as const)(
    '%s: at most %i requests, where keys are deleted one by one too',
    async (probe, most, least) => {
      const server = await serverOf({ denied: ['DeleteObjects'] })
      expect(await opening({ ...probedOn(server), probe })).toBe('opened')
      expect(sent(server)).toBeLessThanOrEqual(most)
      expect(raceKeys(server).length).toBeGreaterThanOrEqual(Math.min(least, 20))
    },
  )

  test('thorough: 2 s at 20 ms a request, by the number of requests that wait for another one', async () => {
    const depths: number[] = []
    let answered = 0
    const server = await serverOf({ latencyMs: 5 })
    server.main.onRequest = ({ index }) => {
      const { requests } = server.main
      for (; requests[answered]?.status !== undefined; answered++);
      const done = requests.flatMap(({ status }, at) => (status === undefined ? [] : [depths[at] ?? 0]))
      depths[index] = 1 + Math.max(0, ...done)
      return undefined
    }
    expect(await opening(probedOn(server))).toBe('opened')
    // Each race waits 5 ms more, for the servers to read.
    expect(Math.max(...depths) * 20 + raceKeys(server).length * 5).toBeLessThanOrEqual(2_000)
  })

  test('off and reading: nothing but the queue’s own object', async () => {
    const server = await serverOf()
    expect(await opening({ ...probedOn(server), probe: 'off' })).toBe('opened')
    expect(await opening(probedOn(server), { reading: true })).toBe('opened')
    expect(
      server.main.requests.filter(({ key, query }) => `${key}${query['prefix']}`.includes('PROBE')),
    ).toEqual([])
  })

  test('`probe` wins over what the command is for', async () => {
    const server = await serverOf()
    expect(await opening({ ...probedOn(server), probe: 'thorough' }, { brief: true })).toBe('opened')
    expect(raceKeys(server)).toHaveLength(20)
  })
})

describe('what passed is remembered for the process', () => {
  test('the same place is not probed again, another queue of the bucket without races', async () => {
    const server = await serverOf()
    expect(await opening(probedOn(server))).toBe('opened')
    const races = raceKeys(server).length
    const first = sent(server)
    expect(await opening(probedOn(server))).toBe('opened')
    // The settings, and two answers more to be sure of the store's time.
    expect(sent(server) - first).toBeLessThanOrEqual(3)
    const second = sent(server)
    expect(await opening(probedOn(server, server.main, 'other'))).toBe('opened')
    expect(raceKeys(server)).toHaveLength(races)
    expect(sent(server) - second).toBeLessThanOrEqual(10)
  })

  test('a quick one does not stand for a thorough one; two at once are one', async () => {
    const server = await serverOf()
    await Promise.all([
      opening({ ...probedOn(server), probe: 'quick' }),
      opening({ ...probedOn(server), probe: 'quick' }),
    ])
    expect(raceKeys(server)).toHaveLength(10)
    await opening(probedOn(server))
    expect(raceKeys(server)).toHaveLength(30)
  })

  test('a refusal is not', async () => {
    const server = await serverOf({ rules: s3Stores.radosgw16.rules, versioning: 'Enabled' })
    expect(await opening(probedOn(server))).toContain('versioning')
    server.setVersioning('Suspended')
    expect(await opening(probedOn(server))).toBe('opened')
  })
})

describe('sockets and addresses', () => {
  test('a store that closes its connection after each 412 is no racer’s loss', async () => {
    const server = await serverOf({ rules: s3Stores.minio.rules })
    expect(await opening(probedOn(server))).toBe('opened')
    expect(sent(server)).toBeLessThanOrEqual(150)
    expect(raceKeys(server).length).toBeGreaterThanOrEqual(20)
  })

  test('each racer has a connection of its own', async () => {
    const server = await serverOf({ latencyMs: 20 })
    expect(await opening({ ...probedOn(server), probe: 'quick', concurrency: 1 })).toBe('opened')
    expect(server.main.maxInFlight).toBe(8)
  })

  test('a name is used even if one of its addresses refuses connections', async () => {
    const server = await serverOf()
    // The server listens on 127.0.0.1 alone; localhost may be ::1 too.
    const endpoint = server.endpoint.replace('127.0.0.1', 'localhost')
    expect(await opening({ ...probedOn(server), endpoint })).toBe('opened')
  })

  test('losers answered with 500, as on Ceph 16, are losers', async () => {
    const server = await serverOf({ rules: s3Stores.radosgw16.rules, latencyMs: 2 })
    expect(await opening(probedOn(server))).toBe('opened')
  })
})

const none = (): undefined => undefined

function loggerOf(warnings: string[]): Logger {
  return { debug: none, info: none, error: none, warn: (_, message) => void warnings.push(message) }
}

describe('versioning', () => {
  test('that voids the condition is named as the reason', async () => {
    const server = await serverOf({ rules: s3Stores.radosgw16.rules, versioning: 'Enabled' })
    const message = await opening(probedOn(server))
    expect(message).toMatch(/versioning is enabled on the bucket.*Suspend versioning of this bucket/s)
    expect(message).not.toContain('Ceph')
    expect(await opening(probedOn(server), { brief: true })).toContain('versioning is enabled')
  })

  test('is a doubt where it may not be read', async () => {
    const server = await serverOf({
      rules: s3Stores.radosgw16.rules,
      versioning: 'Enabled',
      denied: ['GetBucketVersioning'],
    })
    expect(await opening(probedOn(server))).toMatch(/honours PUT If-None-Match.*s3:GetBucketVersioning/s)
  })

  test('is not mentioned where there is none', async () => {
    const server = await serverOf({ rules: s3Stores.garage.rules })
    expect(await opening(probedOn(server))).not.toMatch(/versioning/i)
  })

  test.each([
    ['Enabled', /versioning is enabled.*old version.*noncurrent/s],
    ['Suspended', /versioning is suspended.*delete marker/s],
  ] as const)(
    '%s: a bucket where the condition holds is accepted, with a warning',
    async (versioning, text) => {
      const server = await serverOf({ versioning })
      let isAsked = false
      // One answer that is lost does not hide the result.
      server.main.onRequest = ({ operation }) => {
        if (operation !== 'GetBucketVersioning' || isAsked) return undefined
        isAsked = true
        return answerWithStatus(500, 'InternalError')
      }
      const warnings: string[] = []
      expect(await opening(probedOn(server), { logger: loggerOf(warnings) })).toBe('opened')
      expect(warnings).toEqual([expect.stringMatching(text)])
    },
  )

  test.each([
    ['403', {}],
    ['501', { onRequest: () => answerWithStatus(501, 'NotImplemented') }],
    ['500', { onRequest: () => answerWithStatus(500, 'InternalError') }],
  ] as const)('that answers %s is not known, which is no reason against', async (_, fault) => {
    const server = await serverOf({ denied: ['GetBucketVersioning'] })
    if ('onRequest' in fault)
      server.main.onRequest = ({ operation }) =>
        operation === 'GetBucketVersioning' ? fault.onRequest() : undefined
    const warnings: string[] = []
    expect(await opening(probedOn(server), { logger: loggerOf(warnings) })).toBe('opened')
    expect(warnings.filter((text) => text.includes('versioning is'))).toEqual([])
  })
})

describe('a refusal names what was seen', () => {
  test.each([
    [
      'the order of LIST',
      { rules: { listOrder: 'locale' } },
      /^(?!.*If-None).*another order than that of their bytes/s,
    ],
    ['a late LIST', { listLag: 3 }, /^(?!.*If-None).*LIST does not show keys.*late/s],
    [
      'the condition',
      { rules: { putIfNoneMatch: 'ignored' } },
      /the store ignores it.*honours PUT If-None-Match/s,
    ],
  ] as const)('%s', async (_, options, text) => {
    const server = await serverOf(options)
    expect(await opening(probedOn(server))).toMatch(text)
    expect(scratchOf(server)).toEqual([])
  })

  test('UTF-16 order is as good as that of bytes: what differs in keys is ASCII', async () => {
    const server = await serverOf({ rules: { listOrder: 'utf16' } })
    expect(await opening({ ...probedOn(server), prefix: '\u{1f600}/\uff5e' })).toBe('opened')
  })
})
