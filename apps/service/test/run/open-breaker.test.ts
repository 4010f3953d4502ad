import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { JsonValue, Queue } from '@sluice/core'
import { openQueue } from '@sluice/queue-sql'
import { podRefusals, startArgoServer, type ArgoServer } from '@sluice/fake-argo'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox, logged } from '../fixtures/sandbox.js'

let box: Sandbox
let queue: Queue

beforeEach(async () => {
  box = await Sandbox.open()
  queue = await openQueue({ name: 'tiles', url: `sqlite:${join(box.dir, 'queue.db')}` })
})

afterEach(async () => {
  await queue.close()
  await box.close()
})

const SERVICE = { intervalMs: 20, leaseTtlMs: 1500, stopDeadlineMs: 5000 }

async function configure(worker: JsonValue, more: Readonly<Record<string, JsonValue>> = {}): Promise<void> {
  const place = { package: 'sql', name: 'tiles', url: `sqlite:${join(box.dir, 'queue.db')}` }
  const config = { queue: place, worker, processing: { limit: 10 }, service: SERVICE, ...more }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
}

/** Its items need a path. */
function processes(): JsonValue {
  return { package: 'process', command: ['true', '{body.path}'], dir: join(box.dir, 'jobs') }
}

const letter = (index: number): string => String.fromCodePoint(97 + (index % 26))

const word = (index: number): string =>
  [index / 676, index / 26, index].map((n) => letter(Math.floor(n))).join('')

/** Ids without a digit, so that nothing but their being ids tells them apart. */
async function put(count: number, body: JsonValue, prefix = 'item'): Promise<void> {
  const ids = Array.from({ length: count }, (_, index) => `${prefix} Sample_${word(index)}`)
  await queue.putMany(ids.map((id) => ({ id, body })))
}

const RUN = ['run', '--until-empty', '--log-format', 'json']

/** More than the row: the sends in flight. */
const MOST = 20 + 16

describe('a worker that rejects every item', () => {
  beforeEach(() => configure(processes()))

  test('fails twenty items and the sends in flight, and ends a run with 9; status, log and JSON have the reason', async () => {
    await put(200, { file: 'a.tif' })
    const { code, err, out } = await box.spawn(['run', '--until-empty', '--json'])
    expect(code).toBe(9)
    const sizes = await queue.sizes()
    expect(sizes).toMatchObject({ PROCESSING: 0, SUCCESS: 0, WAITING: 200 - sizes.FAIL })
    expect(sizes.FAIL).toBeGreaterThanOrEqual(20)
    expect(sizes.FAIL).toBeLessThanOrEqual(MOST)
    const pause = { guard: 'rejections', example: expect.any(String), sinceAt: expect.any(Number) }
    expect(JSON.parse(out)).toEqual({ why: 'paused', sizes, openBreaker: expect.objectContaining(pause) })
    expect(err).toContain('Sluice paused the queue itself: 20 items in a row were rejected')
    expect(err).toContain('body.path')
    expect(await box.json(['status'])).toMatchObject({
      paused: true,
      reason: expect.stringMatching(/^by Sluice itself: .*body\.path/),
      openBreaker: { ...pause, reason: expect.stringContaining('body.path') },
      holdups: [
        expect.objectContaining({ code: 'no-dispatcher' }),
        expect.objectContaining({ code: 'breaker-open', advice: expect.stringContaining('sluice resume') }),
      ],
    })
    expect((await box.run(['status'])).out).toContain('held up: Sluice paused the queue itself: 20 items')
  })

  test('stays paused until a resume; then the count starts again', async () => {
    await put(100, {})
    expect((await box.spawn(RUN)).code).toBe(9)
    const { FAIL } = await queue.sizes()
    expect((await box.spawn(RUN)).code).toBe(9)
    expect((await queue.sizes()).FAIL).toBe(FAIL)
    await box.run(['resume'])
    expect(await box.json(['status'])).not.toHaveProperty('openBreaker')
    expect((await box.spawn(RUN)).code).toBe(9)
    expect((await queue.sizes()).FAIL).toBeGreaterThanOrEqual(FAIL + 20)
    await queue.remove((await queue.list('WAITING', { limit: 1000 })).items.map(({ id }) => id))
    await put(30, { path: 'a.tif' }, 'good')
    await box.run(['resume'])
    expect((await box.spawn(RUN)).code).toBe(0)
    expect((await queue.sizes()).SUCCESS).toBe(30)
  })

  test('running jobs are followed to their ends first', async () => {
    const command = ['sh', '-c', 'sleep 0.4', '{body.path}']
    await configure({ package: 'process', command, dir: join(box.dir, 'jobs') })
    await put(8, { path: 'a' }, 'a')
    await put(100, {}, 'b')
    expect((await box.spawn(RUN)).code).toBe(9)
    expect(await queue.sizes()).toMatchObject({ SUCCESS: 8, PROCESSING: 0 })
  })

  test('a queue of twenty items that is done is reported as paused', async () => {
    await put(20, {})
    expect((await box.spawn(RUN)).code).toBe(9)
    expect(await queue.sizes()).toMatchObject({ WAITING: 0, FAIL: 20 })
    expect(await box.json(['status'])).toMatchObject({ holdups: [{ code: 'breaker-open' }] })
  })

  test('without --until-empty the service stays and logs it, and continues after a resume', async () => {
    await put(60, {})
    const service = box.start(['run', '--log-format', 'json'])
    await logged(service.stderr, 'paused: no new jobs start')
    await put(5, { path: 'a' }, 'good')
    await queue.remove(
      (await queue.list('WAITING', { limit: 1000 })).items
        .map(({ id }) => id)
        .filter((id) => !id.startsWith('good')),
    )
    await box.run(['resume'])
    while ((await queue.sizes()).SUCCESS < 5) await new Promise((resolve) => setTimeout(resolve, 20))
    service.kill('SIGTERM')
    const { exitCode, stderr } = await service
    expect(exitCode).toBe(0)
    expect(stderr.split('\n').filter((line) => line.includes('Sluice paused the queue itself'))).toHaveLength(
      1,
    )
  })

  test('a service that stands by ends with 9 too', async () => {
    await put(60, {})
    const first = box.start(['run', '--log-format', 'json'])
    await logged(first.stderr, 'this service dispatches')
    const second = await box.spawn(RUN)
    expect(second.code).toBe(9)
    first.kill('SIGTERM')
    await first
  })

  test('a drain ends with 9 where the queue is paused so, and with 0 where an operator paused it', async () => {
    await put(60, {})
    expect((await box.spawn(RUN)).code).toBe(9)
    expect((await box.spawn(['run', '--drain'])).code).toBe(9)
    await box.run(['resume'])
    await box.run(['pause'])
    expect((await box.spawn(['run', '--drain'])).code).toBe(0)
  })

  test('a pause by an operator ends nothing', async () => {
    await put(3, { path: 'a' })
    await box.run(['pause', '--reason', 'not now'])
    const service = box.start(RUN)
    await logged(service.stderr, 'paused: no new jobs start')
    const status = await box.json(['status'])
    expect(status).toMatchObject({ paused: true, reason: 'not now', holdups: [{ code: 'paused' }] })
    expect(status).not.toHaveProperty('openBreaker')
    await box.run(['resume'])
    expect((await service).exitCode).toBe(0)
  })
})

test('a missing command fails every job at its start', async () => {
  await configure({
    package: 'process',
    command: ['sh', '-c', 'no-such-program', '{id}'],
    dir: join(box.dir, 'jobs'),
  })
  await put(100, {})
  const { code, err } = await box.spawn(RUN)
  expect(code).toBe(9)
  expect(err).toContain('20 jobs in a row failed as they were started')
  expect((await queue.sizes()).WAITING).toBeGreaterThan(40)
})

const failing = (more: Readonly<Record<string, JsonValue>> = {}): Promise<void> =>
  configure({ package: 'process', command: ['false'], dir: join(box.dir, 'jobs') }, more)

describe('jobs that fail', () => {
  test('all alike: the first twenty pause the queue, and few are spent; status, log and a resume say and do it', async () => {
    await failing({ processing: { limit: 100 } })
    await put(300, {})
    const { code, err } = await box.spawn(RUN)
    expect(code).toBe(9)
    const { FAIL, WAITING, PROCESSING } = await queue.sizes()
    expect({ FAIL: FAIL >= 20 && FAIL <= 50, WAITING, PROCESSING }).toEqual({
      FAIL: true,
      WAITING: 300 - FAIL,
      PROCESSING: 0,
    })
    expect(err).toContain('20 of the first items of this run failed for the same reason')
    expect(await box.json(['status'])).toMatchObject({
      paused: true,
      openBreaker: {
        guard: 'first-items',
        failed: 20,
        example: expect.any(String),
        group: expect.stringMatching(/^[0-9a-f]{16}$/u),
        sinceAt: expect.any(Number),
      },
      holdups: [
        expect.objectContaining({ code: 'no-dispatcher' }),
        expect.objectContaining({
          code: 'breaker-open',
          items: 20,
          advice: expect.stringContaining('resume'),
        }),
      ],
    })
    await box.run(['resume'])
    expect(await box.json(['status'])).not.toHaveProperty('openBreaker')
    expect((await box.spawn(RUN)).code).toBe(9)
    expect((await queue.sizes()).FAIL).toBeGreaterThanOrEqual(FAIL + 20)
  })

  test('with breaker: off nothing pauses the queue', async () => {
    await failing({ breaker: 'off' })
    await put(50, {})
    expect((await box.spawn(RUN)).code).toBe(0)
    expect((await queue.sizes()).FAIL).toBe(50)
  })

  test('run --halt counts items that have failed for good, ends with 9, also without --until-empty', async () => {
    const command = ['sh', '-c', 'test "$1" = good', 'sh', '{body.kind}']
    await configure({ package: 'process', command, dir: join(box.dir, 'jobs') }, { processing: { limit: 4 } })
    await put(10, { kind: 'good' }, 'a')
    await put(100, { kind: 'bad' }, 'b')
    const { code, err } = await box.spawn(['run', '--halt', '5', '--log-format', 'json'])
    expect(code).toBe(9)
    expect(err).toContain('5 of 15 items of this run failed, and it halts at 5')
    const { SUCCESS, FAIL } = await queue.sizes()
    expect(SUCCESS).toBe(10)
    expect(FAIL).toBeGreaterThanOrEqual(5)
    expect(FAIL).toBeLessThanOrEqual(5 + 2 * 4)
    await box.run(['resume'])
    expect((await box.spawn(['run', '--until-empty', '--halt', '50%'])).code).toBe(9)
    expect((await queue.sizes()).FAIL).toBeLessThanOrEqual(FAIL + 3 + 2 * 4)
  })

  test('a wrong breaker, canary or halt is refused, with its line', async () => {
    await writeFile(
      join(box.dir, 'sluice.config.yaml'),
      'queue: { package: memory, name: tiles }\nworker: { package: dummy }\ncanary: -1\nbreaker:\n  failures: 200%\n  windw: 5\n',
    )
    const config = ['--config', 'sluice.config.yaml']
    for (const command of ['check', 'run']) {
      const { code, err } = await box.run([...config, command])
      expect(code).toBe(2)
      expect(err).toMatch(/canary: must be 0 or more .*sluice\.config\.yaml:3/u)
      expect(err).toMatch(/breaker\.failures: must be a whole number of 1 or more, or a share .*yaml:5/u)
      expect(err).toMatch(/breaker\.windw: there is no such setting; did you mean `window`\? .*yaml:6/u)
    }
    await failing()
    for (const halt of ['0', '5.5', '0%', '101%', 'x']) {
      const { code, err } = await box.run(['run', '--halt', halt])
      expect({ halt, code }).toEqual({ halt, code: 2 })
      expect(err).toContain('--halt')
    }
  })
})

describe('on Argo', () => {
  let server: ArgoServer

  beforeEach(async () => {
    server = await startArgoServer({ controller: { reconcileDelayMs: 5 } })
    const { url, token } = server
    await configure({
      package: 'argo',
      baseUrl: url,
      namespace: 'argo',
      template: 'test-workflow-template',
      token,
    })
  })

  afterEach(() => server.close())

  test.each([
    ['a LimitRange', podRefusals.limitRange(), 'maximum cpu usage per Container'],
    ['a Pod Security Standard', podRefusals.podSecurity(), 'violates PodSecurity'],
  ])('%s that refuses every pod of the namespace', async (_, podRefusal, words) => {
    server.controller.settings.podRefusal = podRefusal
    await put(120, { item: 'a', seconds: '0.01' })
    const { code, err } = await box.spawn(RUN)
    expect(code).toBe(9)
    expect(err).toContain(words)
    const { FAIL, WAITING, PROCESSING } = await queue.sizes()
    expect([FAIL + WAITING, PROCESSING]).toEqual([120, 0])
    // Those that were sent when the twentieth had ended.
    expect(FAIL).toBeLessThanOrEqual(20 + 2 * 10)
    server.controller.settings.podRefusal = undefined
    await box.run(['resume'])
    expect((await box.spawn(RUN)).code).toBe(0)
    expect(await queue.sizes()).toMatchObject({ SUCCESS: WAITING, FAIL })
  })

  test('items that lack a parameter of the template, after others succeeded', async () => {
    await put(10, { item: 'a', seconds: '0.01' }, 'a')
    await put(120, { thing: 'a' }, 'b')
    const { code, err } = await box.spawn(RUN)
    expect(code).toBe(9)
    expect(err).toContain('20 items in a row were rejected')
    const { SUCCESS, FAIL } = await queue.sizes()
    expect(SUCCESS).toBe(10)
    expect(FAIL).toBeGreaterThanOrEqual(20)
    expect(FAIL).toBeLessThanOrEqual(MOST)
  })
})
