import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { systemRuntime } from '@sluice/core/backend'
import { WorkQueue, processingLimit } from '@sluice/engine'
import { openQueue } from '@sluice/queue-s3'
import {
  answerWith,
  s3Stores,
  startS3Server,
  type S3Endpoint,
  type S3Server,
  type S3ServerOptions,
} from '@sluice/fake-s3'
import { openWorker } from '@sluice/worker-dummy'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox, logged } from '../fixtures/sandbox.js'

let box: Sandbox
let server: S3Server

beforeEach(async () => {
  box = await Sandbox.open()
  server = await startS3Server()
})

afterEach(async () => {
  await server.close()
  await box.close()
})

/** As a person would write it, but for what is being tested. */
async function configure(queue: object = {}, more: object = {}): Promise<void> {
  const { endpoint, region, credentials } = server.clientOptions()
  const place = { bucket: server.bucket, prefix: 'queues', endpoint, region, credentials }
  const config = {
    queue: { package: 's3', name: 'tiles', timeoutMs: 500, ...place, ...queue },
    worker: { package: 'process', command: ['sh', '-c', 'echo {body.n}'], dir: join(box.dir, 'jobs') },
    service: { intervalMs: 50 },
    ...more,
  }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
}

/** In place of the server that each test begins with. */
async function serveAs(options: S3ServerOptions): Promise<void> {
  await server.close()
  server = await startS3Server(options)
}

test('a manifest goes through a bucket to a report, and what is finished is swept away', async () => {
  await configure({}, { sweep: { retentionMs: 86_400_000 } })
  const lines = Array.from({ length: 12 }, (_, n) => JSON.stringify({ id: `tile/${n}`, body: { n } }))
  await writeFile(join(box.dir, 'manifest.jsonl'), lines.join('\n'))
  expect(await box.json(['load', 'manifest.jsonl'])).toMatchObject({ added: 12 })
  expect(await box.json(['load', 'manifest.jsonl'])).toMatchObject({ added: 0, same: 12 })
  const ran = await box.spawn(['run', '--until-empty', '--log-format', 'json'])
  expect([ran.code, ran.err.includes('no effect')]).toEqual([0, false])
  expect(await box.json(['status'])).toMatchObject({
    sizes: { WAITING: 0, PROCESSING: 0, SUCCESS: 12, FAIL: 0 },
  })
  expect(await box.json(['show', 'tile/7'])).toMatchObject({ stage: 'SUCCESS', attempt: 1, result: 7 })
  expect((await box.run(['report'])).out.split('\n')).toHaveLength(13)
  const refused = await box.run(['sweep', '--older-than', '0'])
  expect([refused.code, refused.err]).toEqual([6, expect.stringMatching(/longer than 0ms\?.*--yes/)])
  expect((await box.run(['sweep'])).out).toBe(
    'Swept tiles: 0 moves repaired, 0 leftovers deleted, 0 items removed',
  )
  expect(await box.json(['sweep', '--older-than', '30d', '--yes'])).toMatchObject({ removed: 0 })
  expect(await box.json(['sweep', '--older-than', '0', '--yes'])).toMatchObject({ removed: 12 })
  expect(await box.json(['status'])).toMatchObject({ total: 0 })
})

test('a read-only user can inspect the queue, which writes nothing', async () => {
  await configure()
  await box.run(['put', 'a', '{"n":1}'])
  const looking = await server.addEndpoint({
    onRequest: ({ operation }) =>
      /^(Get|Head|List)/.test(operation) ? undefined : answerWith('AccessDenied'),
  })
  const there = ['--set', `queue.endpoint=${looking.endpoint}`]
  expect(await box.json(['status', ...there])).toMatchObject({ sizes: { WAITING: 1 } })
  expect(await box.json(['show', 'a', ...there])).toMatchObject({ body: { n: 1 } })
  expect(await box.json(['limit', ...there])).toEqual({ limit: { configured: 10 } })
  const { PutObject, DeleteObject, DeleteObjects } = looking.counts()
  expect([PutObject, DeleteObject, DeleteObjects]).toEqual([0, 0, 0])
  expect((await box.run(['put', 'b', '1', ...there])).code).toBe(5)
})

/** A third-party queue: Sluice's own one under another name. */
async function installWithoutSweep(): Promise<void> {
  const folder = join(box.dir, 'node_modules/queue-without-sweep')
  await mkdir(folder, { recursive: true })
  const manifest = { name: 'queue-without-sweep', version: '1.0.0', type: 'module', exports: './index.js' }
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest))
  const text = `
    import { openQueue as open } from ${JSON.stringify(import.meta.resolve('@sluice/queue-sql'))}
    export { optionsSchema, queueExists } from ${JSON.stringify(import.meta.resolve('@sluice/queue-sql'))}
    export async function openQueue(options) {
      const queue = await open(options)
      const get = (_, key) => {
        if (key === 'supports') return { ...queue.supports, sweep: false }
        return typeof queue[key] === 'function' ? queue[key].bind(queue) : queue[key]
      }
      return new Proxy(queue, { get })
    }`
  await writeFile(join(folder, 'index.js'), text)
}

test('a queue without leftovers reports it, and a retention without a sweep is a warning', async () => {
  await installWithoutSweep()
  await configure(
    {},
    {
      queue: { package: 'queue-without-sweep', name: 'tiles', url: `sqlite:${join(box.dir, 'queue.db')}` },
      sweep: { retentionMs: 1 },
    },
  )
  await box.run(['put', 'a', '1'])
  const swept = await box.run(['sweep'])
  expect([swept.code, swept.err]).toEqual([
    2,
    expect.stringMatching(/has no sweep.*sluice rm --stage SUCCESS/s),
  ])
  const ran = await box.spawn(['run', '--until-empty', '--log-level', 'silent'])
  expect([ran.code, ran.err]).toEqual([0, expect.stringContaining('sweep.retentionMs has no effect')])
})

/** Each job writes its item's id into a file as it starts: what ran twice is there twice. */
async function configureTenLines(starts: string): Promise<void> {
  const { endpoint, credentials } = server.clientOptions()
  const lines = [
    'queue:',
    `  { package: s3, name: tiles, bucket: ${server.bucket}, endpoint: '${endpoint}',`,
    `    credentials: { accessKeyId: ${credentials.accessKeyId}, secretAccessKey: ${credentials.secretAccessKey} } }`,
    'worker:',
    '  package: process',
    `  command: [sh, -c, 'echo "$0" >> ${starts}', '{id}']`,
    `  dir: ${join(box.dir, 'jobs')}`,
    'processing: { limit: 8 }',
    'service: { intervalMs: 50, leaseTtlMs: 1500 }',
  ]
  await writeFile(join(box.dir, 'sluice.config.yaml'), lines.join('\n'))
}

async function linesOf(file: string): Promise<string[]> {
  return (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '')
}

test('of two services one is killed by kill -9; the other continues, and each item runs once', async () => {
  const starts = join(box.dir, 'starts')
  await writeFile(starts, '')
  await configureTenLines(starts)
  const ids = Array.from({ length: 120 }, (_, n) => `item-${n + 100}`)
  await writeFile(join(box.dir, 'ids.txt'), ids.join('\n'))
  expect(await box.json(['load', 'ids.txt'])).toMatchObject({ added: 120 })
  const services = [box.start(['run', '--until-empty']), box.start(['run', '--until-empty'])]
  const dispatching = services.map(({ stderr }) => logged(stderr, 'this service dispatches'))
  const dispatcher = await Promise.race(dispatching.map(async (says, index) => says.then(() => index)))
  while ((await linesOf(starts)).length < 10) await pause(20)
  services[dispatcher]?.kill('SIGKILL')
  const ended = await Promise.all(services)
  expect(ended.map(({ signal }) => signal === 'SIGKILL')).toEqual([dispatcher === 0, dispatcher === 1])
  expect(ended[1 - dispatcher]?.exitCode).toBe(0)
  expect(await box.json(['status'])).toMatchObject({ sizes: { SUCCESS: 120 }, total: 120 })
  expect((await linesOf(starts)).toSorted()).toEqual(ids)
}, 120_000)

interface Wrong {
  /** Of the server, which is restarted. */
  readonly server?: S3ServerOptions
  /** Of the queue in the configuration. */
  readonly queue?: object
}

describe('errors fit on one screen, from the built command line', () => {
  const cases: readonly (readonly [title: string, wrong: Wrong, code: number, told: RegExp])[] = [
    [
      'no such bucket',
      { queue: { bucket: 'nowhere' } },
      2,
      /bucket "nowhere", prefix "queues\/tiles\/".*no such bucket.*`bucket`/,
    ],
    [
      'an endpoint without http',
      { queue: { endpoint: 'minio:9000' } },
      2,
      /endpoint.*such as http:\/\/minio:9000/,
    ],
    [
      'no server at the endpoint',
      { queue: { endpoint: 'http://127.0.0.1:9' } },
      4,
      /127\.0\.0\.1:9.*could not be reached.*`endpoint`/,
    ],
    [
      'an unknown access key',
      { queue: { credentials: { accessKeyId: 'AK', secretAccessKey: 'SK' } } },
      5,
      /access key is unknown.*credentials/,
    ],
    [
      'a wrong secret',
      { queue: { credentials: { accessKeyId: 'SLUICETESTKEY', secretAccessKey: 'SK' } } },
      5,
      /signature was refused.*secret key/,
    ],
    [
      'credentials that have expired',
      { server: { onRequest: () => answerWith('ExpiredToken') } },
      5,
      /credentials have expired.*Renew/,
    ],
    ['no permission to list', { server: { denied: ['ListObjectsV2'] } }, 5, /s3:ListBucket on the bucket/],
    [
      'a region that is not the bucket’s',
      { server: { region: 'eu-west-1' }, queue: { region: 'us-east-1' } },
      2,
      /another region.*`region` to eu-west-1/,
    ],
    [
      'a clock that the store does not accept',
      { server: { onRequest: () => answerWith('RequestTimeTooSkewed') } },
      5,
      /clock is too far.*NTP/,
    ],
    [
      'a store that gives no answer',
      { server: { latencyMs: 3_600_000 } },
      4,
      /no answer came in time.*`timeoutMs`/,
    ],
    [
      'a store that goes on asking for patience',
      { server: { onRequest: () => answerWith('SlowDown') } },
      4,
      /slow.*Try .*later/,
    ],
    ['an unknown option', { queue: { bukcet: 'b' } }, 2, /bukcet/],
    ['shards that are no power of two', { queue: { shards: 3 } }, 2, /shards.*power of two/],
  ]
  test.each(cases)('%s', async (_, { server: options, queue }, code, told) => {
    if (options !== undefined) await serveAs(options)
    await configure(queue)
    const ran = [
      await box.spawn(['put', 'a', '1']),
      await box.run(['status']),
      // It goes on trying what may be repaired by itself.
      ...(code === 4 ? [] : [await box.run(['run', '--until-empty', '--log-level', 'silent'])]),
    ]
    for (const ended of ran) {
      expect([ended.code, ended.out]).toEqual([code, ''])
      expect(ended.err.replaceAll('\n', ' ')).toMatch(told)
      expect(ended.err.split('\n').length).toBeLessThan(12)
      expect(ended.err).not.toMatch(/\n {4}at |secretAccessKey|SK\b/)
    }
  })

  const refusing: readonly (readonly [
    title: string,
    options: S3ServerOptions,
    code: number,
    told: RegExp,
  ])[] = [
    ['a store that lies', { rules: s3Stores.s3rver.rules }, 2, /If-None-Match.*ignores it/],
    ['no permission to write', { denied: ['PutObject'] }, 5, /Cannot write.*s3:PutObject/],
    [
      'no permission to delete',
      { denied: ['DeleteObjects', 'DeleteObject'] },
      5,
      /Cannot delete.*s3:DeleteObject/,
    ],
    ['no permission to look', { denied: ['HeadObject'] }, 5, /s3:ListBucket is not permitted/],
  ]
  test.each(refusing)(
    '%s is named when a queue is opened, and no item is put',
    async (_, options, code, told) => {
      await serveAs(options)
      await configure()
      const ended = await box.spawn(['put', 'a', '1'])
      expect([ended.code, ended.out]).toEqual([code, ''])
      expect(ended.err.replaceAll('\n', ' ')).toMatch(told)
      expect(server.keys().filter((key) => /ITEMS|WAITING/.test(key))).toEqual([])
    },
  )

  test('an hour’s difference between the clocks of machine and store is compensated', async () => {
    const runtime = { ...systemRuntime, now: () => Date.now() + 3_600_000 }
    await serveAs({ runtime, maxClockSkewMs: 900_000 })
    await configure()
    expect((await box.spawn(['put', 'a', '1'])).code).toBe(0)
  })

  test('a bucket without a queue is not reported as an empty one', async () => {
    await configure()
    const ended = await box.run(['status'])
    expect([ended.code, ended.err]).toEqual([2, expect.stringContaining(`s3://${server.bucket}/queues`)])
    expect(server.keys()).toEqual([])
  })
})

/** For how many keys racers ran, of what an address was asked. */
function racesOf({ requests }: Pick<S3Endpoint, 'requests'>): number {
  const puts = new Map<string, number>()
  for (const { operation, key } of requests)
    if (operation === 'PutObject' && key.includes('/PROBE/')) puts.set(key, (puts.get(key) ?? 0) + 1)
  return [...puts.values()].filter((count) => count > 2).length
}

/** A command at an address of its own: what passed at another one is not remembered for it. */
async function runAt(command: readonly string[]) {
  const endpoint = await server.addEndpoint()
  const ended = await box.run([...command, '--set', `queue.endpoint=${endpoint.endpoint}`])
  return { ...ended, races: racesOf(endpoint) }
}

describe('the probe of the store', () => {
  test('depends on the command', async () => {
    await configure({ timeoutMs: 10_000 })
    await writeFile(join(box.dir, 'ids.jsonl'), '{"id":"a","body":{"n":1}}\n{"id":"b","body":{"n":2}}\n')
    expect((await runAt(['check'])).races).toBe(20)
    expect(server.keys()).toEqual([])
    const commands: readonly (readonly [races: number, ...command: string[]])[] = [
      [20, 'load', 'ids.jsonl'],
      [20, 'check'],
      [10, 'put', 'c', '{"n":3}'],
      [10, 'pause'],
      [10, 'resume'],
      [10, 'limit', '3'],
      [10, 'sweep', '--yes'],
      [10, 'rm', 'a', '--yes'],
      [0, 'status', '--sample', '0'],
      [0, 'show', 'b'],
      [0, 'ls'],
      [0, 'report'],
      [0, 'limit'],
      // Two of them for its lease.
      [22, 'run', '--until-empty', '--log-level', 'silent'],
    ]
    for (const [races, ...command] of commands) {
      const ended = await runAt(command)
      expect([command, ended.code, ended.races]).toEqual([command, 0, races])
    }
    expect((await runAt(['verify', '--only', 'Q-NAME-1/a'])).races).toBe(20)
    expect(server.keys().filter((key) => key.includes('PROBE'))).toEqual([])
  }, 300_000)

  test('follows `probe`; check always probes', async () => {
    await configure({ probe: 'off', timeoutMs: 10_000 })
    expect(await runAt(['put', 'a', '{"n":1}'])).toMatchObject({ code: 0, races: 0 })
    expect(await runAt(['check'])).toMatchObject({ code: 0, races: 20 })
  })

  test('check reports it before a queue exists', async () => {
    await serveAs({ rules: s3Stores.moto.rules })
    await configure({ timeoutMs: 10_000 })
    const { code, err } = await box.run(['check'])
    expect([code, err.replaceAll('\n', ' ')]).toEqual([2, expect.stringMatching(/won instead of one/)])
    expect(server.keys()).toEqual([])
  })
})

test('a versioned bucket is a warning, once for a load, a check or a service', async () => {
  await serveAs({ versioning: 'Enabled' })
  await configure({ timeoutMs: 10_000 })
  await writeFile(join(box.dir, 'ids.txt'), 'a\n')
  const text = 'versioning is enabled on the bucket'
  for (const command of [['check'], ['load', 'ids.txt'], ['run', '--until-empty', '--log-format', 'json']]) {
    const { code, err } = await runAt(command)
    expect([command[0], code, err.split(text).length]).toEqual([command[0], 0, 2])
  }
  expect((await runAt(['put', 'b', '1'])).err).not.toContain(text)
}, 120_000)

/** Each item that is put is answered so. */
function refusePuts(code: 'SlowDown' | 'InvalidArgument'): void {
  server.main.onRequest = ({ operation, key }) =>
    operation === 'PutObject' && key.includes('/ITEMS/') ? answerWith(code) : undefined
}

test('verify distinguishes a storage that does not answer in time from a broken one', async () => {
  await configure({ timeoutMs: 1_000, probe: 'off' })
  refusePuts('SlowDown')
  const slow = await box.run(['verify', '--only', 'Q-NAME-1/a'])
  expect([slow.code, slow.out]).toEqual([4, expect.stringMatching(/SLOW Q-NAME-1\/a.* 0 failed, 1 slow/s)])
  expect(slow.err).toMatch(/No case failed.*--timeout/s)
  await configure({ timeoutMs: 60_000, probe: 'off' })
  refusePuts('InvalidArgument')
  const broken = await box.run(['verify', '--only', 'Q-NAME-1/a'])
  expect([broken.code, broken.out]).toEqual([
    7,
    expect.stringMatching(/FAIL Q-NAME-1\/a.* 1 failed, 0 slow/s),
  ])
}, 300_000)

test('verify passes the time cases with the store’s clock, three times', async () => {
  await configure({ probe: 'off' })
  for (let round = 0; round < 3; round++) {
    const { code, out } = await box.run(['verify', '--only', 'Q-TIME-1/d'])
    expect([code, out]).toEqual([0, expect.stringContaining('1 passed')])
  }
})

describe('requests of a tick', () => {
  test('with 500 in PROCESSING 2 LISTs and nothing per item; ends and starts cost requests of their own', async () => {
    const { worker, tick, close } = await ticking(600)
    expect((await tick()).result).toMatchObject({ processing: 500, sent: 500 })
    // The jobs that were seen are recorded once: one write, whatever their number.
    expect(await tick()).toMatchObject({ result: { sent: 0 }, used: { PutObject: 1, ListObjectsV2: 4 } })
    const idle = await tick()
    expect(idle.result).toMatchObject({ processing: 500, sent: 0 })
    expect(idle.used).toEqual({ ListObjectsV2: 2 })
    worker.settleJob('i7', { stage: 'SUCCESS' })
    const { result, used } = await tick()
    expect(result).toMatchObject({ settled: { success: 1 }, sent: 1 })
    expect(used).toEqual({
      PutObject: 2,
      GetObject: 1,
      // Two of them of the lease, before and after the claim.
      HeadObject: 3,
      ListObjectsV2: 3,
      DeleteObjects: 2,
    })
    await close()
  })

  test('with nothing to do 3 LISTs, and a HEAD of the lease', async () => {
    const { tick, close } = await ticking(0)
    await tick()
    expect((await tick()).used).toEqual({ ListObjectsV2: 3, HeadObject: 1 })
    await close()
  })
})

async function ticking(count: number) {
  const { endpoint, region, credentials } = server.clientOptions()
  // The probe that follows a lease is no part of a tick.
  const place = { name: 'tiles', bucket: server.bucket, endpoint, region, credentials }
  const queue = await openQueue({ ...place, probe: 'off' })
  const worker = await openWorker({ name: 'tiles' })
  await queue.putMany(Array.from({ length: count }, (_, n) => ({ id: `i${n}`, body: n })))
  const options = { policy: processingLimit(500), canary: 0, leaseTtlMs: 3_600_000 }
  const engine = new WorkQueue({ queue, worker, ...options })
  const tick = async () => {
    server.resetCounts()
    const result = await engine.tick()
    const used = Object.entries(server.counts()).filter(([, requests]) => requests > 0)
    return { result, used: Object.fromEntries(used) }
  }
  return { worker, tick, close: async () => Promise.all([queue.close(), worker.close()]) }
}

test('versioning that voids the condition, enabled while an engine runs: the engine waits, logs the reason once, and continues when it is suspended', async () => {
  await serveAs({ rules: s3Stores.radosgw16.rules })
  const { endpoint, region, credentials } = server.clientOptions()
  let aheadMs = 0
  const runtime = { ...systemRuntime, monotonicMs: () => performance.now() + aheadMs }
  const place = { name: 'tiles', bucket: server.bucket, endpoint, region, credentials }
  const queue = await openQueue({ ...place, probe: 'quick', runtime })
  const worker = await openWorker({ name: 'tiles' })
  const lines: string[] = []
  const note = (_: object, message: string) => void lines.push(message)
  const logger = { debug: () => undefined, info: note, warn: note, error: note }
  const engine = new WorkQueue({ queue, worker, policy: processingLimit(5), logger, leaseTtlMs: 3_600_000 })
  await engine.tick()
  await queue.putMany(Array.from({ length: 3 }, (_, n) => ({ id: `i${n}`, body: n })))
  server.setVersioning('Enabled')
  let sentInAll = 0
  for (let ticks = 0; ticks < 3; ticks++) {
    const { holdups, unavailable, sent } = await engine.tick()
    sentInAll += sent
    expect(unavailable?.code).toBe('SLUICE_QUEUE_UNAVAILABLE')
    expect(holdups).toEqual([
      { code: 'storage-unavailable', message: expect.stringContaining('versioning is enabled') },
    ])
  }
  server.setVersioning('Suspended')
  aheadMs = 5_000
  const { unavailable, holdups, sent } = await engine.tick()
  expect([unavailable, holdups]).toEqual([undefined, []])
  // Those that were claimed and not delivered are found in PROCESSING.
  expect(sentInAll + sent).toBe(3)
  expect((await queue.list('PROCESSING', { limit: 10 })).items.map(({ attempt }) => attempt)).toEqual([
    1, 1, 1,
  ])
  expect(lines.filter((line) => /the queue can/.test(line))).toEqual([
    expect.stringContaining("the queue can't be used now"),
    'the queue can be used again',
  ])
  await Promise.all([queue.close(), worker.close()])
})
