import { SluiceError, type JobRef, type JobReport } from '@sluice/core'
import { wrapQueue, wrapWorker } from '@sluice/testkit'
import { expect, test } from 'vitest'
import { processingLimit, readLeftOut, unlimited } from '../src/index.js'
import { LEFT_OUT_DOCUMENT } from '../src/records/document-names.js'
import { ProcessRuntime } from './process-runtime.js'
import { World, settled, wrapped } from './world.js'

/** What a document gives that this user may not read. */
const refused = () => Promise.reject(new SluiceError('SLUICE_QUEUE_DENIED', 'no'))
const sleepless = { backoff: { baseMs: 0 } }

test('put, tick, settle, tick: the whole way, result and evidence stored, the job forgotten', async () => {
  const world = new World()
  await world.put(1)
  const engine = world.ticker()
  expect(await engine.tick()).toEqual({
    role: 'dispatcher',
    holdups: [],
    paused: false,
    reconciled: true,
    poll: { complete: true, mayStart: true, asked: 0, unasked: 0 },
    processing: 1,
    pending: 0,
    cancelled: 0,
    orphans: 0,
    settled: { success: 0, fail: 0, waiting: 0 },
    lost: 0,
    rejected: 0,
    claimed: 1,
    sent: 1,
    resent: 0,
  })
  world.worker.settleJob('i0', { stage: 'SUCCESS', result: [1], url: 'http://jobs/1' })
  expect(await engine.tick()).toMatchObject({ processing: 0, settled: { success: 1 }, sent: 0 })
  expect(await world.queue.lookup('i0')).toMatchObject({
    stage: 'SUCCESS',
    attempt: 1,
    result: [1],
    details: { url: 'http://jobs/1' },
  })
  expect((await world.worker.pollAllStatus()).size).toBe(0)
  expect(engine.remembered).toBe(0)
  expect(world.kinds()).toEqual(['dispatcher', 'item-sent', 'item-settled'])
})

test('an empty queue: nothing happens, and nothing grows', async () => {
  const world = new World()
  const engine = world.ticker()
  expect(await engine.tick()).toMatchObject({ role: 'dispatcher', processing: 0, claimed: 0 })
  expect(engine.remembered).toBe(0)
})

test('the cap: what ended makes room within the same tick', async () => {
  const world = new World()
  await world.put(5)
  const engine = world.engine({ policy: processingLimit(2) })
  expect(await engine.tick()).toMatchObject({ sent: 2, processing: 2 })
  expect(await engine.tick()).toMatchObject({ sent: 0, processing: 2 })
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  expect(await engine.tick()).toMatchObject({ settled: { success: 1 }, sent: 1, processing: 2 })
  expect(world.peak).toBe(2)
})

test('a failed job: retried with backoff, then FAIL with the last reason', async () => {
  const world = new World()
  await world.put(1)
  const engine = world.engine({ retry: { maxAttempts: 2, backoff: { baseMs: 1_000, jitter: 0 } } })
  await engine.tick()
  world.worker.settleJob('i0', { stage: 'FAIL', message: 'first' })
  expect(await engine.tick()).toMatchObject({ settled: { waiting: 1 }, sent: 0 })
  await world.runtime.advance(999)
  expect(await engine.tick()).toMatchObject({ sent: 0 })
  await world.runtime.advance(1)
  expect(await engine.tick()).toMatchObject({ sent: 1 })
  world.worker.settleJob('i0', { stage: 'FAIL', message: 'second', failureClass: 'timeout' })
  expect(await engine.tick()).toMatchObject({ settled: { fail: 1 } })
  const item = await world.queue.lookup('i0')
  expect(item).toMatchObject({
    stage: 'FAIL',
    attempt: 2,
    reason: 'second',
    failureClass: 'timeout',
  })
  expect(item?.history.map(({ outcome, reason }) => [outcome, reason])).toEqual([
    ['WAITING', 'first'],
    ['FAIL', 'second'],
  ])
})

test('a report of another uid or attempt moves nothing', async () => {
  const world = new World()
  await world.put(1)
  const item = (await world.queue.get(1))[0]
  const report = { stage: 'SUCCESS', uid: item!.uid, attempt: 1 } as const
  for (const stranger of [
    { ...report, uid: 'other' },
    { ...report, attempt: 2 },
  ]) {
    const reports = new Map<string, JobReport>([['i0', stranger]])
    const { queue, worker } = wrapped(world, (_, name, call) =>
      name === 'pollAllStatus' ? Promise.resolve(reports) : call(),
    )
    const engine = world.engine({ queue, worker, policy: processingLimit(1) })
    expect(await engine.tick()).toMatchObject({ settled: { success: 0 }, processing: 1 })
    await engine.close()
  }
  expect(await world.queue.lookupStatus('i0')).toBe('PROCESSING')
})

test('the poll is told which jobs the queue waits for', async () => {
  const world = new World()
  await world.put(3)
  const told: (readonly JobRef[] | undefined)[] = []
  const worker = wrapWorker(world.worker, {
    pollAllStatus: (awaited) => {
      told.push(awaited)
      return world.worker.pollAllStatus()
    },
  })
  const engine = world.engine({ worker, policy: processingLimit(2) })
  await engine.tick()
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  await engine.tick()
  await engine.tick()
  expect(told.map((jobs) => jobs?.map(({ id, attempt }) => `${id}@${attempt}`).toSorted())).toEqual([
    [],
    ['i0@1', 'i1@1'],
    ['i1@1', 'i2@1'],
  ])
  expect(told[1]?.every(({ uid }) => uid !== '')).toBe(true)
})

test('restart: jobs that run are adopted, items without a job are sent at once, the same attempt', async () => {
  const world = new World()
  await world.put(4)
  const engine = world.engine({ policy: processingLimit(2) })
  await engine.tick()
  await world.queue.get(1)
  await engine.close()
  const next = world.engine({ policy: processingLimit(3) })
  expect(await next.tick()).toMatchObject({ sent: 1, resent: 1, claimed: 0, processing: 3 })
  expect([...world.startCounts().values()]).toEqual([1, 1, 1])
  expect(world.peak).toBe(3)
})

test('restart with a lower limit: items without a job go back to their places and wait for room', async () => {
  const world = new World()
  await world.put(3)
  await world.queue.get(3)
  const engine = world.engine({ policy: processingLimit(1) })
  expect(await engine.tick()).toMatchObject({ resent: 1, processing: 1, settled: { waiting: 2 } })
  expect(await engine.tick()).toMatchObject({ sent: 0, processing: 1 })
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  expect(await engine.tick()).toMatchObject({ sent: 1, processing: 1 })
  expect(world.peak).toBe(1)
  expect(world.started.map(({ id }) => id)).toEqual(['i0', 'i1'])
  expect(await world.queue.lookup('i1')).toMatchObject({ attempt: 2, uncounted: 1 })
})

test('restart with a worker that cannot be asked: sent again only after the grace', async () => {
  const world = new World()
  await world.put(1)
  await world.queue.get(1)
  const worker = world.openWorker()
  Object.assign(worker, { supports: { ...worker.supports, lookupJob: false } })
  const engine = world.engine({ worker, lost: { graceMs: 5_000 } })
  expect(await engine.tick()).toMatchObject({ sent: 0 })
  await world.runtime.advance(4_999)
  expect(await engine.tick()).toMatchObject({ sent: 0 })
  await world.runtime.advance(1)
  expect(await engine.tick()).toMatchObject({ resent: 1 })
})

test('an item that is missing from the poll but known to the worker is never sent again', async () => {
  const world = new World()
  await world.put(1)
  await world.engine().tick()
  const { queue, worker } = wrapped(world, (_, name, call) =>
    name === 'pollAllStatus' ? Promise.resolve(new Map()) : call(),
  )
  await world.runtime.advance(60_000)
  const engine = world.engine({ queue, worker, lost: { graceMs: 10_000 } })
  for (let tick = 0; tick < 20; tick++) {
    expect(await engine.tick()).toMatchObject({ sent: 0, lost: 0, processing: 1 })
    await world.runtime.advance(3_000)
  }
  world.worker.settleJob('i0', { stage: 'SUCCESS', result: 7 })
  await world.runtime.advance(10_000)
  await engine.tick()
  expect(await world.queue.lookup('i0')).toMatchObject({ stage: 'SUCCESS', result: 7 })
})

test.each([
  ['fail', { fail: 1, waiting: 0 }, 'FAIL'],
  ['resend', { fail: 0, waiting: 1 }, 'WAITING'],
] as const)(
  'lost, %s: only after the grace, the archive asked, with a reason',
  async (policy, settled, stage) => {
    const world = new World()
    await world.put(1)
    const engine = world.engine({ lost: { policy, graceMs: 60_000 } })
    await engine.tick()
    await engine.tick()
    world.worker.loseJob('i0')
    expect(await engine.tick()).toMatchObject({ settled: { fail: 0 }, lost: 0 })
    for (let tick = 0; tick < 5; tick++) {
      await world.runtime.advance(11_000)
      expect(await engine.tick()).toMatchObject({ lost: 0, processing: 1 })
    }
    await world.runtime.advance(5_000)
    expect(await engine.tick()).toMatchObject({ lost: 1, settled })
    const item = await world.queue.lookup('i0')
    expect(item).toMatchObject({ stage, attempt: 1, uncounted: 0, reason: /^lost: /u })
    expect(world.events).toContainEqual(expect.objectContaining({ kind: 'item-lost', policy }))
  },
)

test('lost, hold: told once, nothing moves, and the job is taken back if it turns up', async () => {
  const world = new World()
  await world.put(1)
  const engine = world.engine({ lost: { policy: 'hold', graceMs: 1_000 } })
  await engine.tick()
  const { uid } = (await world.queue.lookup('i0'))!
  world.worker.loseJob('i0')
  for (let tick = 0; tick < 30; tick++) {
    await engine.tick()
    await world.runtime.advance(1_000)
  }
  expect(world.kinds().filter((kind) => kind === 'item-lost')).toHaveLength(1)
  expect(await world.queue.lookupStatus('i0')).toBe('PROCESSING')
  await world.worker.sendJob('i0', null, { uid, attempt: 1, queue: 'q' })
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  expect(await engine.tick()).toMatchObject({ settled: { success: 1 } })
})

test('a job that was confirmed and is seen in no poll is lost, not sent again', async () => {
  const world = new World()
  await world.put(1)
  const engine = world.engine({ lost: { graceMs: 1_000 } })
  await engine.tick()
  world.worker.loseJob('i0')
  await engine.tick()
  await world.runtime.advance(1_000)
  expect(await engine.tick()).toMatchObject({ lost: 1, resent: 0 })
  expect(world.started).toHaveLength(1)
})

test('a rejected item fails at once, the others go on', async () => {
  const world = new World()
  await world.put(3)
  const { queue, worker } = wrapped(world, (_, name, call) => {
    if (name === 'sendJob' && world.started.length === 1) {
      world.started.push({ id: 'none', uid: 'none', attempt: 0 })
      return Promise.reject(new SluiceError('SLUICE_JOB_REJECTED', 'no such template'))
    }
    return call()
  })
  const engine = world.engine({ queue, worker, sendConcurrency: 1, retry: { maxAttempts: 5 } })
  expect(await engine.tick()).toMatchObject({ sent: 2, rejected: 1, settled: { fail: 1 }, processing: 2 })
  const item = await world.queue.lookup('i1')
  expect(item).toMatchObject({
    stage: 'FAIL',
    reason: 'no such template',
    failureClass: 'rejected',
  })
})

test('worker unavailable at a send: the item keeps its claim, sending stops, the same attempt goes later', async () => {
  const world = new World()
  await world.put(5)
  let broken = true
  let sends = 0
  const { queue, worker } = wrapped(world, (_, name, call) => {
    if (name !== 'sendJob') return call()
    sends += 1
    if (!broken) return call()
    const options = { retryAfterMs: 30_000, concerns: 'worker' } as const
    return Promise.reject(new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'busy', options))
  })
  const engine = world.engine({ queue, worker, sendConcurrency: 1 })
  const result = await engine.tick()
  expect(result).toMatchObject({ sent: 0, processing: 1, reconciled: true })
  expect(result.nextDelayMs).toBeUndefined()
  expect(result.unavailable?.code).toBe('SLUICE_WORKER_UNAVAILABLE')
  expect(sends).toBe(1)
  await world.runtime.advance(29_999)
  const still = await engine.tick()
  expect(still).toMatchObject({
    unavailable: { code: 'SLUICE_WORKER_UNAVAILABLE' },
    holdups: [{ code: 'backoff', message: 'busy', forMs: 1 }],
  })
  expect(sends).toBe(1)
  broken = false
  await world.runtime.advance(1)
  const after = await engine.tick()
  expect(after).toMatchObject({ sent: 5, resent: 1 })
  expect(after.unavailable).toBeUndefined()
  expect(world.started.every(({ attempt }) => attempt === 1)).toBe(true)
  expect(world.kinds().filter((kind) => kind.startsWith('outage'))).toEqual(['outage', 'outage-over'])
})

test('a lost answer: one job, one attempt', async () => {
  const world = new World()
  await world.put(1)
  const worker = world.openWorker()
  worker.loseAnswer()
  const engine = world.engine({ worker })
  expect(await engine.tick()).toMatchObject({ sent: 1, processing: 1 })
  expect(await engine.tick()).toMatchObject({ sent: 0, processing: 1 })
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  expect(await engine.tick()).toMatchObject({ settled: { success: 1 } })
  expect(world.started).toHaveLength(1)
})

test('denied: one loud log, nothing fails, goes on by itself', async () => {
  const world = new World()
  await world.put(2)
  const worker = world.openWorker()
  const engine = world.engine({ worker })
  worker.denyNext(3)
  for (let tick = 0; tick < 3; tick++) {
    expect(await engine.tick()).toMatchObject({ unavailable: { code: 'SLUICE_WORKER_DENIED' }, claimed: 0 })
  }
  expect(await engine.tick()).toMatchObject({ sent: 2 })
  expect(world.logs.filter(({ level }) => level === 'error')).toHaveLength(1)
})

test('denied at a send: the item keeps its claim', async () => {
  const world = new World()
  await world.put(1)
  const { queue, worker } = wrapped(world, (_, name, call) =>
    name === 'sendJob' ? Promise.reject(new SluiceError('SLUICE_WORKER_DENIED', '401')) : call(),
  )
  const engine = world.engine({ queue, worker })
  expect(await engine.tick()).toMatchObject({ unavailable: { code: 'SLUICE_WORKER_DENIED' }, processing: 1 })
  await engine.close()
  expect(await world.engine().tick()).toMatchObject({ resent: 1 })
})

test('an error that no worker should throw is the item’s trouble while others go well; its message is not shown', async () => {
  const world = new World()
  await world.put(4)
  const { queue, worker } = wrapped(world, (_, name, call) => {
    if (name === 'sendJob' && world.started.length === 1 && !bad) {
      bad = true
      return Promise.reject(new RangeError('secret://user:password'))
    }
    return call()
  })
  let bad = false
  const engine = world.engine({ queue, worker, sendConcurrency: 1 })
  const result = await engine.tick()
  expect(result).toMatchObject({ sent: 3, processing: 3, settled: { waiting: 1 } })
  expect(result.unavailable).toBeUndefined()
  expect(await world.queue.lookup('i1')).toMatchObject({ reason: expect.stringMatching(/RangeError/u) })
  expect(JSON.stringify([result, await world.queue.lookup('i1')])).not.toContain('password')
  await world.runtime.advance(1_000)
  expect(await engine.tick()).toMatchObject({ sent: 1 })
})

test('one item at which the worker chokes for ever does not stop the others', async () => {
  const world = new World()
  await world.put(200)
  let poisoned: unknown
  const worker = world.openWorker()
  const send = worker.sendJob.bind(worker)
  worker.sendJob = (id, body, job) => {
    poisoned ??= id
    if (id === poisoned) return Promise.reject(new SluiceError('SLUICE_WORKER_UNAVAILABLE', '500'))
    return send(id, body, job)
  }
  const engine = world.engine({ worker, policy: processingLimit(5) })
  for (let tick = 0; tick < 100; tick++) {
    await engine.tick()
    for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
    await world.runtime.advance(1_000)
  }
  expect(await world.queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 199, FAIL: 1 })
  expect(await world.queue.lookup('i0')).toMatchObject({ stage: 'FAIL', failureClass: 'unsendable' })
})

test('a foreign error of a poll or a lookup is an outage too', async () => {
  for (const broken of ['pollAllStatus', 'lookupJob']) {
    const world = new World()
    await world.put(2)
    await world.queue.get(2)
    const { queue, worker } = wrapped(world, (_, name, call) =>
      name === broken ? Promise.reject(new Error('odd')) : call(),
    )
    const engine = world.engine({ queue, worker })
    expect(await engine.tick()).toMatchObject({ unavailable: { code: 'SLUICE_WORKER_UNAVAILABLE' }, sent: 0 })
    expect(await world.queue.lookupStatus('i0')).toBe('PROCESSING')
  }
})

test('an hour without the worker: nothing fails, nothing is lost, and it goes on', async () => {
  const world = new World()
  const ids = await world.put(30)
  const worker = world.openWorker()
  const engine = world.engine({ worker, policy: processingLimit(10), lost: { graceMs: 60_000 } })
  await engine.tick()
  await engine.tick()
  worker.unavailableNext(1_000_000)
  for (let minute = 0; minute < 120; minute++) {
    expect((await engine.tick()).unavailable?.code).toBe('SLUICE_WORKER_UNAVAILABLE')
    await world.runtime.advance(30_000)
  }
  expect(await world.queue.sizes()).toMatchObject({ FAIL: 0, PROCESSING: 10 })
  const back = world.openWorker()
  worker.pollAllStatus = () => Promise.resolve(new Map())
  worker.lookupJob = () => Promise.resolve(undefined)
  expect(await engine.tick()).toMatchObject({ lost: 0, processing: 10 })
  worker.pollAllStatus = () => back.pollAllStatus()
  worker.lookupJob = (job) => back.lookupJob(job)
  worker.sendJob = (id, body, job) => back.sendJob(id, body, job)
  worker.acknowledgeJobs = (jobs) => back.acknowledgeJobs(jobs)
  for (let tick = 0; tick < 10; tick++) {
    for (const { id } of back.running()) back.settleJob(id, { stage: 'SUCCESS' })
    await engine.tick()
  }
  expect(await world.queue.size('SUCCESS')).toBe(ids.length)
  expect(world.started).toHaveLength(ids.length)
})

async function withQueueTrouble(code: 'SLUICE_QUEUE_UNAVAILABLE' | 'SLUICE_QUEUE_DENIED', broken: string) {
  const world = new World()
  await world.put(2)
  let armed = false
  const { queue, worker } = wrapped(world, (_, name, call) =>
    armed && name === broken ? Promise.reject(new SluiceError(code, 'down')) : call(),
  )
  const engine = world.engine({ queue, worker, policy: processingLimit(1) })
  if (broken !== 'lease' && broken !== 'get') await engine.tick()
  if (broken === 'settle') world.worker.settleJob('i0', { stage: 'SUCCESS' })
  if (broken === 'renew') await world.runtime.advance(6_000)
  armed = true
  const troubled = await engine.tick().catch((error: unknown) => error)
  armed = false
  for (let tick = 0; tick < 3; tick++) {
    await engine.tick()
    for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
  }
  await engine.tick()
  return { troubled, sizes: await world.queue.sizes(), started: world.started.length }
}

const QUEUE_CALLS = ['lease', 'renew', 'read', 'listSummaries', 'get', 'settle']
const BOTH_DONE = { sizes: { SUCCESS: 2 }, started: 2 }

test.each(QUEUE_CALLS)(
  'an outage of the queue at %s: the tick says so and does not reject',
  async (broken) => {
    const code = 'SLUICE_QUEUE_UNAVAILABLE'
    const played = await withQueueTrouble(code, broken)
    expect(played).toMatchObject({ ...BOTH_DONE, troubled: { role: /./u, unavailable: { code } } })
  },
)

test.each(QUEUE_CALLS)('a permanent error at %s: the tick rejects; a later one goes on', async (broken) => {
  const code = 'SLUICE_QUEUE_DENIED'
  const played = await withQueueTrouble(code, broken)
  expect(played).toMatchObject({ ...BOTH_DONE, troubled: { name: 'SluiceError', code } })
})

test('a closed worker ends it', async () => {
  const world = new World()
  const worker = world.openWorker()
  await worker.close()
  await expect(world.engine({ worker }).tick()).rejects.toMatchObject({ code: 'SLUICE_WORKER_CLOSED' })
})

test('paused: nothing starts, not even what is claimed; what runs is followed to its end', async () => {
  const world = new World()
  await world.put(3)
  const engine = world.engine({ policy: processingLimit(1) })
  await engine.tick()
  await world.queue.control.pause('maintenance')
  await world.queue.get(1)
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  const result = await engine.tick()
  expect(result).toMatchObject({ paused: true, sent: 0, settled: { success: 1, waiting: 1 }, processing: 0 })
  expect(result.holdups).toEqual([{ code: 'paused', message: 'the queue is paused: maintenance' }])
  await world.queue.control.resume()
  expect(await engine.tick()).toMatchObject({ paused: false, sent: 1 })
  expect(world.started.map(({ id }) => id)).toEqual(['i0', 'i1'])
  expect(world.events.filter(({ kind }) => kind === 'paused' || kind === 'resumed')).toEqual([
    { kind: 'paused', reason: 'maintenance' },
    { kind: 'resumed' },
  ])
})

test('live limits are obeyed from the next tick on, 0 included', async () => {
  const world = new World()
  await world.put(10)
  const engine = world.engine({ policy: processingLimit(2) })
  const setLimit = (maxProcessing: number | null) => world.queue.control.setLimits({ maxProcessing })
  await setLimit(0)
  expect(await engine.tick()).toMatchObject({ sent: 0 })
  await setLimit(5)
  expect(await engine.tick()).toMatchObject({ sent: 5 })
  await setLimit(1)
  expect(await engine.tick()).toMatchObject({ sent: 0, processing: 5 })
  await setLimit(null)
  for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
  expect(await engine.tick()).toMatchObject({ sent: 2 })
})

test('unlimited: batch by batch without waiting', async () => {
  const world = new World()
  await world.put(25)
  const engine = world.engine({ policy: unlimited(), maxBatchItems: 10 })
  expect(await engine.tick()).toMatchObject({ sent: 10, nextDelayMs: 0 })
  expect(await engine.tick()).toMatchObject({ sent: 10, nextDelayMs: 0 })
  const last = await engine.tick()
  expect(last.sent).toBe(5)
  expect(last.nextDelayMs).toBeUndefined()
})

test('an orphan that runs: told once, left alone, and takes a place; one that ended is forgotten', async () => {
  const world = new World()
  await world.worker.sendJob('foreign', null, { uid: 's', attempt: 1, queue: 'q' })
  await world.put(3)
  const engine = world.engine({ policy: processingLimit(2) })
  expect(await engine.tick()).toMatchObject({ orphans: 1, sent: 1 })
  expect(await engine.tick()).toMatchObject({ orphans: 1, sent: 0 })
  expect(world.kinds().filter((kind) => kind === 'orphan')).toHaveLength(1)
  expect(world.worker.running()).toHaveLength(2)
  world.worker.settleJob('foreign', { stage: 'SUCCESS' })
  expect(await engine.tick()).toMatchObject({ orphans: 0, sent: 1 })
  expect((await world.worker.pollAllStatus()).has('foreign')).toBe(false)
})

test('a crash between settle and forget: the job is forgotten by the next engine, the outcome stays', async () => {
  const world = new World()
  await world.put(1)
  const { queue, worker } = wrapped(world, (_, name, call) =>
    name === 'acknowledgeJobs' ? Promise.reject(new Error('crash')) : call(),
  )
  const engine = world.engine({ queue, worker })
  await engine.tick()
  world.worker.settleJob('i0', { stage: 'SUCCESS', result: 1 })
  expect(await engine.tick()).toMatchObject({ settled: { success: 1 } })
  await engine.tick()
  expect(world.logs.filter(({ level }) => level === 'warn')).toHaveLength(1)
  await engine.close()
  await world.engine().tick()
  expect((await world.worker.pollAllStatus()).size).toBe(0)
  expect(await world.queue.lookup('i0')).toMatchObject({ stage: 'SUCCESS', result: 1 })
})

test('moved by an operator while it ran: the refusal is logged, the job acknowledged, the operator’s move stands', async () => {
  const world = new World()
  await world.put(1)
  const { queue, worker } = wrapped(world, async (_, name, call) => {
    if (name === 'settle') await world.queue.fail('i0', { reason: 'manually' })
    return call()
  })
  const engine = world.engine({ queue, worker })
  await engine.tick()
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  expect(await engine.tick()).toMatchObject({ settled: { success: 0 } })
  expect(await world.queue.lookup('i0')).toMatchObject({ stage: 'FAIL', reason: 'manually' })
  expect((await world.worker.pollAllStatus()).size).toBe(0)
})

test('a result that the queue cannot hold does not stop the settling', async () => {
  const world = new World()
  await world.put(2)
  const engine = world.engine()
  await engine.tick()
  world.worker.settleJob('i0', { stage: 'SUCCESS', result: 'x'.repeat(1_100_000) })
  world.worker.settleJob('i1', { stage: 'SUCCESS', result: { n: Number.NaN } })
  expect(await engine.tick()).toMatchObject({ settled: { success: 2 } })
  expect(await world.queue.lookup('i0')).toMatchObject({
    details: { leftOut: [expect.stringContaining('result')] },
  })
})

test('outcomes that are not stored completely are reported, and counted in a document', async () => {
  const world = new World()
  await world.put(4)
  const engine = world.engine()
  await engine.tick()
  expect(await readLeftOut(world.queue)).toBeUndefined()
  world.worker.settleJob('i0', { stage: 'SUCCESS', result: { n: Number.NaN } })
  world.worker.settleJob('i1', {
    stage: 'SUCCESS',
    leftOut: ['the last line is too long'],
    details: { a: 1 },
  })
  world.worker.settleJob('i2', { stage: 'SUCCESS', result: 1 })
  await engine.tick()
  expect(await readLeftOut(world.queue)).toEqual({ count: 2, example: expect.stringMatching(/^i[01]$/u) })
  expect(await world.queue.lookup('i1')).toMatchObject({
    details: { a: 1, leftOut: ['the last line is too long'] },
  })
  world.worker.settleJob('i3', { stage: 'SUCCESS', result: 'x'.repeat(1_100_000), leftOut: ['and a file'] })
  await engine.tick()
  expect(await readLeftOut(world.queue)).toEqual({ count: 3, example: 'i3' })
  const told = world.events.filter((event) => event.kind === 'item-settled' && event.leftOut !== undefined)
  expect(told).toHaveLength(3)
  expect(told.at(-1)).toMatchObject({ leftOut: ['and a file', expect.stringContaining('result')] })
})

test('a count of outcomes that can’t be written stops no settling', async () => {
  const world = new World()
  await world.put(1)
  const queue = wrapQueue(world.openQueue(), {
    document: (name) => ({
      ...world.queue.document(name),
      ...(name === LEFT_OUT_DOCUMENT ? { read: refused } : {}),
    }),
  })
  const engine = world.engine({ queue })
  await engine.tick()
  world.worker.settleJob('i0', { stage: 'SUCCESS', result: { n: Number.NaN } })
  expect(await engine.tick()).toMatchObject({ settled: { success: 1 } })
  expect(await world.queue.lookup('i0')).toMatchObject({ stage: 'SUCCESS' })
})

test('two engines: one works, the other stands by, and takes over when the first has stopped', async () => {
  const world = new World()
  await world.put(3)
  const options = { policy: processingLimit(1) }
  const [a, b] = [world.ticker(options), world.ticker(options)]
  expect(await a.tick()).toMatchObject({ role: 'dispatcher', sent: 1 })
  expect(await b.tick()).toMatchObject({ role: 'standby', sent: 0, processing: 0 })
  await a.leave(10_000)
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  expect(await b.tick()).toMatchObject({ role: 'dispatcher', sent: 1, settled: { success: 1 } })
  expect(await a.tick()).toMatchObject({ role: 'standby' })
  expect(world.kinds().filter((kind) => /dispatcher|standby/u.test(kind))).toEqual([
    'dispatcher',
    'standby',
    'dispatcher',
    'standby',
  ])
})

test('one that died is followed within the ttl', async () => {
  const world = new World()
  await world.put(2)
  const options = { policy: processingLimit(1), leaseTtlMs: 10_000 }
  await world.engine(options).tick()
  const b = world.engine(options)
  await world.runtime.advance(9_999)
  expect(await b.tick()).toMatchObject({ role: 'standby' })
  await world.runtime.advance(1)
  expect(await b.tick()).toMatchObject({ role: 'dispatcher', processing: 1 })
})

test('the lease is renewed when a third of it is over, not at each tick', async () => {
  const world = new World()
  const calls: string[] = []
  const { queue, worker } = wrapped(world, (_, name, call) => {
    calls.push(name)
    return call()
  })
  const engine = world.engine({ queue, worker, leaseTtlMs: 9_000 })
  for (let tick = 0; tick < 10; tick++) {
    await engine.tick()
    await world.runtime.advance(1_000)
  }
  expect(calls.filter((name) => name === 'lease' || name === 'renew')).toEqual([
    'lease',
    'renew',
    'renew',
    'renew',
  ])
})

test('a renewal that comes too late: sending stops at once, the other sends the rest, none twice', async () => {
  const world = new World()
  await world.put(6)
  const policy = processingLimit(6)
  const b = world.engine({ policy, leaseTtlMs: 1_000 })
  const taken: unknown[] = []
  const runtime = new ProcessRuntime(world.runtime)
  const { queue, worker } = wrapped(world, async (_, name, call) => {
    const answer = await call()
    if (name === 'sendJob' && world.started.length === 3) {
      // This process is held up for longer than its lease lives, and another takes over meanwhile.
      runtime.suspend()
      await world.runtime.advance(1_000)
      taken.push(await b.tick())
      runtime.resume()
    }
    return answer
  })
  const a = world.engine({ queue, worker, runtime, policy, sendConcurrency: 1, leaseTtlMs: 1_000 })
  expect(await a.tick()).toMatchObject({ role: 'standby', sent: 3 })
  expect(taken).toMatchObject([{ role: 'dispatcher', resent: 3 }])
  expect(world.started).toHaveLength(6)
  expect([...world.startCounts().values()].every((count) => count === 1)).toBe(true)
})

test('a claim of an engine that lost its lease claims nothing, and is no outage', async () => {
  const world = new World()
  await world.put(10)
  const policy = processingLimit(3)
  const b = world.engine({ policy, leaseTtlMs: 1_000 })
  let stolen = false
  const runtime = new ProcessRuntime(world.runtime)
  const { queue, worker } = wrapped(world, async (_, name, call) => {
    if (name === 'get' && !stolen) {
      stolen = true
      runtime.suspend()
      await world.runtime.advance(1_000)
      await b.tick()
      runtime.resume()
    }
    return call()
  })
  const a = world.engine({ queue, worker, runtime, policy, leaseTtlMs: 1_000 })
  const late = await a.tick()
  expect(late).toMatchObject({ role: 'standby', claimed: 0, sent: 0 })
  expect(late.unavailable).toBeUndefined()
  expect(world.kinds()).not.toContain('outage')
  expect(world.logs.filter(({ level }) => level !== 'debug')).toEqual([])
  expect(await world.queue.size('PROCESSING')).toBe(3)
  for (let tick = 0; tick < 12; tick++) {
    await b.tick()
    world.worker.settleJob(world.worker.running()[0]?.id ?? '', { stage: 'SUCCESS' })
    if (world.worker.running().length === 0) break
  }
  expect(world.peak).toBe(3)
})

test('two ticks at once run one after the other', async () => {
  const world = new World()
  await world.put(4)
  const engine = world.engine({ policy: processingLimit(2) })
  const results = await Promise.all([engine.tick(), engine.tick()])
  expect(results.map(({ sent }) => sent)).toEqual([2, 0])
})

test('stop waits for the tick under way; the jobs go on, and the next engine adopts them', async () => {
  const world = new World()
  await world.put(2)
  const gate = Promise.withResolvers<void>()
  const { queue, worker } = wrapped(world, async (_, name, call) => {
    if (name === 'sendJob') await gate.promise
    return call()
  })
  const engine = world.engine({ queue, worker })
  const tick = engine.tick()
  await settled()
  let stopped = false
  const stop = engine.close().finally(() => {
    stopped = true
  })
  await settled()
  expect(stopped).toBe(false)
  gate.resolve()
  expect(await tick).toMatchObject({ sent: 2 })
  await stop
  expect(await world.engine().tick()).toMatchObject({ role: 'dispatcher', processing: 2, sent: 0 })
  expect(world.started).toHaveLength(2)
})

test('a listener that throws stops nothing', async () => {
  const world = new World()
  await world.put(1)
  const engine = world.engine({
    onEvent: () => {
      throw new Error('listener')
    },
  })
  expect(await engine.tick()).toMatchObject({ sent: 1 })
  expect(world.logs.some(({ level }) => level === 'error')).toBe(true)
})

test('the calls of a tick are few, however many items there are', async () => {
  const world = new World()
  await world.put(1_600)
  const calls = new Map<string, number>()
  const { queue, worker } = wrapped(world, (_, name, call) => {
    calls.set(name, (calls.get(name) ?? 0) + 1)
    return call()
  })
  const engine = world.engine({ queue, worker, policy: processingLimit(1_500), maxBatchItems: 3_000 })
  await engine.tick()
  for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
  calls.clear()
  await engine.tick()
  expect(Object.fromEntries(calls)).toEqual({
    read: 1,
    listSummaries: 1,
    pollAllStatus: 1,
    settle: 2,
    'write document': 1,
    acknowledgeJobs: 2,
    get: 2,
    sendJob: 100,
  })
})

test('10,000 items to the end, a tenth of them failing and retried, within seconds', async () => {
  const world = new World()
  await world.put(10_000)
  const worker = world.openWorker()
  const rule = { afterMs: [10, 50], failRate: 0.1, seed: 7 } as const
  const ruled = world.jobs.worker({ name: 'q', runtime: world.runtime, rule })
  await worker.close()
  const retry = { maxAttempts: 3, ...sleepless }
  const engine = world.ticker({ worker: ruled, policy: processingLimit(500), retry })
  let ticks = 0
  let remembered = 0
  for (let left = 1; left > 0 && ticks < 1_000; ticks++) {
    const { processing } = await engine.tick()
    remembered = Math.max(remembered, engine.remembered)
    await world.runtime.advance(25)
    left = processing + (await world.queue.size('WAITING'))
  }
  const sizes = await world.queue.sizes()
  expect(sizes.SUCCESS + sizes.FAIL).toBe(10_000)
  expect(sizes.FAIL).toBeLessThan(40)
  expect(world.started.length).toBeGreaterThan(10_500)
  expect(remembered).toBeLessThanOrEqual(500)
  expect(engine.remembered).toBe(0)
  expect([...world.startCounts().values()].every((count) => count === 1)).toBe(true)
}, 20_000)

test('wrong options are told by name', () => {
  const world = new World()
  const wrong: [Parameters<World['engine']>[0], RegExp][] = [
    [{ worker: Object.assign(world.openWorker(), { name: 'other' }) }, /one name/u],
    [{ leaseTtlMs: 99 }, /leaseTtlMs/u],
    [{ sendConcurrency: 0 }, /sendConcurrency/u],
    [{ maxBatchItems: 0.5 }, /maxBatchItems/u],
    [{ lost: JSON.parse('{"policy":"x"}') }, /lost.policy/u],
    [{ lost: { graceMs: -1 } }, /lost.graceMs/u],
    [{ retry: { maxAttempts: 0 } }, /maxAttempts/u],
    [{ holder: '' }, /holder/u],
    [JSON.parse('{"queue":null}'), /queue must be/u],
    [JSON.parse('{"worker":null}'), /worker must be/u],
    [JSON.parse('{"policy":8}'), /policy must be a function/u],
    [JSON.parse('{"limit":3}'), /limit is no option/u],
  ]
  for (const [options, message] of wrong) {
    expect(() => world.engine(options)).toThrow(message)
    expect(() => world.engine(options)).toThrow(TypeError)
  }
})

test('claimed by an engine that had lost its lease, where claims are not fenced: released within a tick of the new one', async () => {
  const world = new World()
  await world.put(10)
  const policy = processingLimit(3)
  const b = world.engine({ policy, leaseTtlMs: 1_000 })
  let stolen = false
  const runtime = new ProcessRuntime(world.runtime)
  const { queue, worker } = wrapped(world, async (_, name, call) => {
    if (name !== 'get' || stolen) return call()
    stolen = true
    runtime.suspend()
    await world.runtime.advance(1_000)
    await b.tick()
    runtime.resume()
    return world.queue.get(3)
  })
  const a = world.engine({ queue, worker, runtime, policy, leaseTtlMs: 1_000 })
  expect(await a.tick()).toMatchObject({ role: 'standby', claimed: 3, sent: 0 })
  expect(await world.queue.size('PROCESSING')).toBe(6)
  await b.tick()
  expect(await world.queue.size('PROCESSING')).toBe(3)
  for (let tick = 0; tick < 12; tick++) {
    await b.tick()
    world.worker.settleJob(world.worker.running()[0]?.id ?? '', { stage: 'SUCCESS' })
    if (world.worker.running().length === 0) break
  }
  expect(world.peak).toBe(3)
})
