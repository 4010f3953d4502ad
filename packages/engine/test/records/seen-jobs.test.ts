import { SluiceError, type JobRef, type JsonValue, type Queue } from '@sluice/core'
import { wrapWorker } from '@sluice/testkit'
import { describe, expect, test } from 'vitest'
import { processingLimit, readStartedJobs, type MissingSince } from '../../src/index.js'
import { MISSING_JOBS_DOCUMENT, SEEN_JOBS_DOCUMENT } from '../../src/records/document-names.js'
import { hashOfJob, maxPackedJobs, packJobs, unpackJobs } from '../../src/records/seen-jobs-format.js'
import { ProcessRuntime } from '../process-runtime.js'
import { World, wrapped, type Options } from '../world.js'

const LOST: Options = { lost: { graceMs: 60_000 }, leaseTtlMs: 10_000 }

async function seenJobs(queue: Queue): Promise<ReadonlySet<string>> {
  const found = await queue.document(SEEN_JOBS_DOCUMENT).read()
  return (found && unpackJobs(found.value)) ?? new Set()
}

/** As {@link wrapped}, but for the calls of other documents. */
function seenWrapped(world: World, around: Parameters<typeof wrapped>[1]): ReturnType<typeof wrapped> {
  return wrapped(world, (side, name, call, document = SEEN_JOBS_DOCUMENT) =>
    document === SEEN_JOBS_DOCUMENT ? around(side, name, call) : call(),
  )
}

function warnings({ logs }: World): string[] {
  return logs.filter(({ level }) => level === 'warn').map(({ message }) => message)
}

/** One item whose job was seen running, and is gone without a trace; the engine is gone too. */
async function seenAndGone(options: Options = {}, how: 'stops' | 'dies' = 'stops') {
  const world = new World()
  await world.put(1)
  const engine = world.engine({ ...LOST, ...options })
  await engine.tick()
  await engine.tick()
  if (how === 'stops') await engine.close()
  else await world.runtime.advance(10_000)
  world.worker.loseJob('i0')
  return world
}

test.each([
  ['a restart', 'stops', 'fail', 'FAIL'],
  ['a failover', 'dies', 'fail', 'FAIL'],
  ['a restart', 'stops', 'resend', 'WAITING'],
  ['a failover', 'dies', 'hold', 'PROCESSING'],
] as const)('lost is obeyed across %s (%s), policy %s: %s', async (_, how, policy, stage) => {
  const lost = { graceMs: 60_000, policy }
  const world = await seenAndGone({}, how)
  const next = world.engine({ ...LOST, lost })
  expect(await next.tick()).toMatchObject({ role: 'dispatcher', processing: 1, sent: 0, lost: 0 })
  for (let second = 0; second < 59; second += 5) {
    expect(await next.tick()).toMatchObject({ sent: 0, lost: 0 })
    await world.runtime.advance(5_000)
  }
  const { holdups } = await next.tick()
  expect(holdups.map(({ code, items }) => [code, items])).toEqual(policy === 'hold' ? [['lost', 1]] : [])
  expect(await world.queue.lookup('i0')).toMatchObject({ stage, attempt: 1 })
  expect(world.started).toHaveLength(1)
})

test('a send that was confirmed is in the record from the next tick on, be it seen in no poll', async () => {
  const world = new World()
  await world.put(1)
  const worker = wrapWorker(world.worker, { pollAllStatus: async () => new Map() })
  const engine = world.engine({ ...LOST, worker })
  await engine.tick()
  await engine.tick()
  await engine.close()
  world.worker.loseJob('i0')
  const next = world.engine(LOST)
  await next.tick()
  await world.runtime.advance(60_000)
  expect(await next.tick()).toMatchObject({ lost: 1, sent: 0 })
})

test('what was claimed and never sent is not in the record, and is sent by the next engine at once', async () => {
  const world = new World()
  await world.put(2)
  const worker = world.openWorker()
  const engine = world.engine({ worker })
  worker.troubleItem('i1', { concerns: 'worker' })
  await engine.tick()
  await engine.tick()
  expect(await world.queue.lookupStatus('i1')).toBe('PROCESSING')
  // It dies: a stop would give the claim back.
  await world.runtime.advance(15_000)
  expect(await seenJobs(world.queue)).toEqual(new Set([hashOfJob(world.started[0]!)]))
  expect(await world.engine().tick()).toMatchObject({ sent: 1, resent: 1 })
  expect(world.started.map(({ id }) => id)).toEqual(['i0', 'i1'])
})

test('the record is written once a tick at most, when a job came to it, and read once by each dispatcher', async () => {
  const world = new World()
  await world.put(4)
  const calls: string[] = []
  const sides = seenWrapped(world, (_, name, call) => {
    if (name.endsWith('document')) calls.push(name)
    return call()
  })
  const options = { ...sides, policy: processingLimit(2) }
  const engine = world.engine(options)
  for (let tick = 0; tick < 5; tick++) await engine.tick()
  expect(calls).toEqual(['read document', 'write document'])
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  await engine.tick()
  // Gone from PROCESSING, which is no reason to write; the job that took its place is one.
  expect(calls).toHaveLength(2)
  for (let tick = 0; tick < 5; tick++) await engine.tick()
  expect(calls).toEqual(['read document', 'write document', 'write document'])
  await engine.close()
  const next = world.engine(options)
  for (let tick = 0; tick < 5; tick++) await next.tick()
  expect(calls.slice(3)).toEqual(['read document'])
  // That jobs are gone is no reason alone.
  await world.queue.control.setLimits({ maxProcessing: 0 })
  for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
  for (let tick = 0; tick < 3; tick++) await next.tick()
  expect(calls.slice(3)).toEqual(['read document'])
})

test('10,000 running: the record ≤ 1 MB, ≤ 1 write a tick, and few calls', async () => {
  const world = new World()
  await world.put(10_100)
  const calls: Record<string, number> = {}
  const sides = wrapped(world, (_, name, call, document) => {
    const key = document === undefined ? name : `${name} ${document}`
    calls[key] = (calls[key] ?? 0) + 1
    return call()
  })
  const running = new Map<string, JobRef>()
  const worker = wrapWorker(sides.worker, {
    sendJob: async (id, _, { uid, attempt }) => void running.set(id, { id, uid, attempt }),
    pollAllStatus: async () => {
      calls['poll'] = (calls['poll'] ?? 0) + 1
      return new Map([...running].map(([id, job]) => [id, { ...job, stage: 'PROCESSING' as const }]))
    },
  })
  const engine = world.engine({
    ...sides,
    worker,
    policy: processingLimit(10_000),
    maxBatchItems: 10_000,
    sendConcurrency: 500,
  })
  for (let tick = 0; tick < 30 && running.size < 10_000; tick++) await engine.tick()
  await engine.tick()
  const found = await world.queue.document(SEEN_JOBS_DOCUMENT).read()
  const bytes = JSON.stringify(found?.value).length
  expect(bytes).toBe(106_690)
  for (let tick = 0; tick < 10; tick++) {
    for (const name of Object.keys(calls)) delete calls[name]
    await engine.tick()
    expect(calls).toEqual({ read: 1, listSummaries: 1, poll: 1 })
  }
  // Ten of them end, and ten others start.
  for (const id of [...running.keys()].slice(0, 10)) running.delete(id)
  for (let tick = 0; tick < 5; tick++) {
    for (const name of Object.keys(calls)) delete calls[name]
    await world.runtime.advance(1_000)
    await engine.tick()
    for (const document of [SEEN_JOBS_DOCUMENT, MISSING_JOBS_DOCUMENT])
      expect(calls[`write document ${document}`] ?? 0).toBeLessThanOrEqual(1)
  }
}, 60_000)

test('more jobs than fit: those that were there first stay, and it never grows over its bound', async () => {
  expect(maxPackedJobs(1_048_576)).toBe(93_744)
  expect(JSON.stringify(packJobs(Array.from({ length: 93_744 }, () => '12345678'))).length).toBeLessThan(
    1_000_000,
  )
  const world = new World()
  await world.put(40)
  const queue = world.openQueue()
  Object.assign(queue, { supports: { ...queue.supports, maxBodyBytes: 300 } })
  const most = maxPackedJobs(300)
  expect(most).toBeLessThan(30)
  const engine = world.engine({ queue, policy: processingLimit(20) })
  await engine.tick()
  await engine.tick()
  const first = await seenJobs(world.queue)
  await world.queue.control.setLimits({ maxProcessing: 40 })
  for (let tick = 0; tick < 3; tick++) await engine.tick()
  const then = await seenJobs(world.queue)
  expect(then.size).toBe(most)
  expect([...first].filter((hash) => !then.has(hash))).toEqual([])
})

test.each<JsonValue>([null, 7, [], { jobs: 1 }, { jobs: 'AAAA' }, { jobs: '***' }])(
  'a damaged record counts as none, is said so once, and is written again: %j',
  async (value) => {
    const world = new World()
    const document = world.queue.document(SEEN_JOBS_DOCUMENT)
    await document.write(value, { ifVersion: undefined })
    await world.put(1)
    const engine = world.engine()
    for (let tick = 0; tick < 3; tick++) await engine.tick()
    expect(warnings(world)).toEqual([expect.stringContaining('damaged')])
    expect((await seenJobs(world.queue)).size).toBe(1)
  },
)

test('a record that cannot be read for now: what is known goes on, what may have been sent waits for it', async () => {
  const world = await seenAndGone()
  await world.put(1, 'next')
  let isDown = true
  const sides = seenWrapped(world, (_, name, call) =>
    isDown && name === 'read document'
      ? Promise.reject(new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'slow down'))
      : call(),
  )
  const next = world.engine({ ...sides, ...LOST })
  for (let tick = 0; tick < 3; tick++) {
    const result = await next.tick()
    expect(result).toMatchObject({ reconciled: true, resent: 0, sent: tick === 0 ? 1 : 0 })
    expect(result.unavailable).toBeUndefined()
    expect(result.holdups).toEqual([expect.objectContaining({ code: 'storage-unavailable' })])
  }
  expect(warnings(world)).toHaveLength(1)
  isDown = false
  expect(await next.tick()).toMatchObject({ holdups: [{ code: 'missing', items: 1 }], resent: 0 })
  await world.runtime.advance(60_000)
  expect(await next.tick()).toMatchObject({ lost: 1 })
  expect(world.started.map(({ id }) => id)).toEqual(['i0', 'next0'])
})

test.each(['read document', 'write document'])(
  'a permission that is missing to %s stops nothing',
  async (broken) => {
    const world = new World()
    await world.put(3)
    let tries = 0
    const sides = seenWrapped(world, (_, name, call) => {
      if (name !== broken) return call()
      tries += 1
      return Promise.reject(new SluiceError('SLUICE_QUEUE_DENIED', 'no'))
    })
    const engine = world.engine({ ...sides, policy: processingLimit(1) })
    for (let tick = 0; tick < 9; tick++) {
      await engine.tick()
      for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
    }
    expect(await world.queue.size('SUCCESS')).toBe(3)
    expect({ tries, warned: warnings(world).length }).toEqual({ tries: 1, warned: 1 })
  },
)

test('a write that fails, or whose answer is lost, is tried again in the next tick, and said once', async () => {
  for (const isDone of [false, true]) {
    const world = new World()
    await world.put(1)
    let failures = 0
    const sides = seenWrapped(world, async (_, name, call) => {
      if (name !== 'write document' || failures === 3) return call()
      failures += 1
      if (isDone) await call()
      throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'no answer')
    })
    const engine = world.engine(sides)
    for (let tick = 0; tick < 6; tick++) expect((await engine.tick()).unavailable).toBeUndefined()
    expect((await seenJobs(world.queue)).size).toBe(1)
    expect(warnings(world)).toHaveLength(1)
  }
})

test('an engine that lost its lease while it polled stops at the record: it writes, settles and starts nothing', async () => {
  const world = new World()
  await world.put(3)
  const options = { policy: processingLimit(2), leaseTtlMs: 10_000 }
  const b = world.engine({ ...options, policy: processingLimit(0) })
  const runtime = new ProcessRuntime(world.runtime)
  let polls = 0
  const sides = wrapped(world, async (_, name, call) => {
    if (name === 'pollAllStatus' && ++polls === 2) {
      runtime.suspend()
      await world.runtime.advance(10_000)
      await b.tick()
      runtime.resume()
      world.worker.settleJob('i0', { stage: 'SUCCESS' })
    }
    return call()
  })
  const a = world.engine({ ...sides, ...options, runtime })
  expect(await a.tick()).toMatchObject({ role: 'dispatcher', sent: 2 })
  const late = await a.tick()
  expect(late).toMatchObject({ role: 'standby', reconciled: false, settled: { success: 0 }, claimed: 0 })
  expect(late.unavailable).toBeUndefined()
  expect(world.logs.filter(({ level }) => level === 'error' || level === 'warn')).toEqual([])
  expect(await world.queue.lookupStatus('i0')).toBe('PROCESSING')
  expect(await b.tick()).toMatchObject({ settled: { success: 1 } })
})

async function threeRun(options: Options = {}) {
  const world = new World()
  await world.put(4)
  const engine = world.engine({ ...LOST, policy: processingLimit(3), ...options })
  await engine.tick()
  await engine.tick()
  return { world, engine }
}

async function standing(world: World, id: string): Promise<MissingSince | undefined> {
  const item = await world.queue.lookup(id)
  return item && (await readStartedJobs(world.queue)).missing(item)
}

describe('jobs that had started and that the worker does not know any more', () => {
  test('are reported in the log once, in the holdups, and to readers with their beginning; and no longer once the worker knows them again', async () => {
    const { world, engine } = await threeRun()
    const jobs = world.worker.running().filter(({ id }) => id !== 'i2')
    for (const { id } of jobs) world.worker.loseJob(id)
    const gone = world.runtime.now()
    for (let second = 0; second < 20; second += 5) {
      const { holdups } = await engine.tick()
      expect(holdups).toEqual([
        {
          code: 'missing',
          items: 2,
          forMs: 60_000 - second * 1_000,
          message: expect.stringMatching(/such as that of item "i0" at attempt 1; they are lost after 60 s/u),
        },
      ])
      await world.runtime.advance(5_000)
    }
    expect(await standing(world, 'i0')).toEqual({
      sinceAt: Math.round(gone / 1_000) * 1_000,
      graceMs: 60_000,
    })
    expect(await standing(world, 'i2')).toBeUndefined()
    const started = await readStartedJobs(world.queue)
    const [i2, i3] = await Promise.all(['i2', 'i3'].map((id) => world.queue.lookup(id)))
    expect([i2, i3].map((item) => item && started.isStarted(item))).toEqual([true, false])
    expect(warnings(world)).toEqual([
      expect.stringMatching(/^the worker no longer knows jobs that had started/u),
    ])
    // The worker has them again.
    for (const { id } of jobs) {
      const item = await world.queue.lookup(id)
      await world.worker.sendJob(id, null, { uid: item?.uid ?? '', attempt: 1, queue: 'q' })
    }
    expect((await engine.tick()).holdups).toEqual([])
    expect(await standing(world, 'i0')).toBeUndefined()
    expect(warnings(world)).toHaveLength(1)
  })

  test('the document is written when some come or go, and not at each tick', async () => {
    const { world, engine } = await threeRun()
    const versions = new Set<number>()
    for (const { id } of world.worker.running()) world.worker.loseJob(id)
    for (let tick = 0; tick < 12; tick++) {
      await engine.tick()
      await world.runtime.advance(1_000)
      versions.add((await world.queue.document(MISSING_JOBS_DOCUMENT).read())?.version ?? 0)
    }
    expect([...versions]).toEqual([1])
    expect(world.logs.filter(({ level }) => level === 'warn')).toHaveLength(1)
  })

  test('that a later dispatcher finds missing count from when it looks', async () => {
    const { world, engine } = await threeRun()
    await engine.close()
    for (const { id } of world.worker.running()) world.worker.loseJob(id)
    await world.runtime.advance(30_000)
    const next = world.engine({ ...LOST, policy: processingLimit(3) })
    expect((await next.tick()).holdups).toMatchObject([{ code: 'missing', items: 3, forMs: 60_000 }])
    expect((await standing(world, 'i0'))?.sinceAt).toBe(Math.round(world.runtime.now() / 1_000) * 1_000)
  })

  test('a document that can’t be written stops nothing, and is warned of once', async () => {
    const world = new World()
    await world.put(1)
    const { queue } = wrapped(world, async (_, name, call, document) => {
      if (document === MISSING_JOBS_DOCUMENT && name === 'write document')
        throw new SluiceError('SLUICE_QUEUE_DENIED', 'no permission to write')
      return call()
    })
    const engine = world.engine({ ...LOST, queue })
    await engine.tick()
    await engine.tick()
    world.worker.loseJob('i0')
    for (let second = 0; second <= 65; second += 5) {
      await engine.tick()
      await world.runtime.advance(5_000)
    }
    expect(await world.queue.lookup('i0')).toMatchObject({ stage: 'FAIL', failureClass: 'lost' })
    expect(warnings(world).filter((message) => message.includes('could not be written'))).toHaveLength(1)
  })
})
