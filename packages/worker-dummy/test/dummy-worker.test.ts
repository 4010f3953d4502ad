import { isSluiceError, type JobRef } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { JobStore, jobFate, openWorker, type DummyWorkerOptions } from '../src/index.js'

const job = (uid: string, attempt = 1) => ({ uid, attempt, queue: 'q' })

function setup(options: Partial<DummyWorkerOptions> = {}) {
  const started: JobRef[] = []
  const store = new JobStore({ onStart: (ref) => started.push(ref) })
  const runtime = { ...systemRuntime, at: 1_000, now: () => runtime.at }
  const worker = store.worker({ name: 'q', runtime, ...options })
  return { started, store, runtime, worker }
}

test('one job for one (queue, uid, attempt): twice, at once, from another process, after its end and after its acknowledgement [W-SEND-1]', async () => {
  const { worker, store, started } = setup()
  const other = store.worker({ name: 'q' })
  await Promise.all([worker.sendJob('a', 1, job('u')), other.sendJob('a', 1, job('u'))])
  worker.settleJob('a', { stage: 'SUCCESS' })
  await worker.sendJob('a', 1, job('u'))
  await worker.acknowledgeJobs([{ id: 'a', uid: 'u', attempt: 1 }])
  await worker.sendJob('a', 1, job('u'))
  expect(started).toEqual([{ id: 'a', uid: 'u', attempt: 1 }])
  expect((await worker.pollAllStatus()).size).toBe(0)
  await worker.sendJob('a', 1, job('u', 2))
  expect(started).toHaveLength(2)
})

test('settled manually: reported whole, by every worker of the store, until acknowledged [W-POLL-1]', async () => {
  const { worker, store } = setup()
  await worker.sendJob('a', null, job('u'))
  expect((await worker.pollAllStatus()).get('a')).toMatchObject({ stage: 'PROCESSING', uid: 'u', attempt: 1 })
  worker.settleJob('a', { stage: 'FAIL', message: 'no', failureClass: 'timeout', details: { code: 3 } })
  const seen = await store.worker({ name: 'q' }).pollAllStatus()
  expect(seen.get('a')).toMatchObject({
    stage: 'FAIL',
    message: 'no',
    failureClass: 'timeout',
    details: { code: 3 },
    finishedAt: 1_000,
  })
  await worker.acknowledgeJobs([{ id: 'a', uid: 'u', attempt: 1 }])
  await worker.acknowledgeJobs([{ id: 'a', uid: 'u', attempt: 1 }])
  expect((await worker.pollAllStatus()).size).toBe(0)
  expect(await worker.lookupJob({ id: 'a', uid: 'u', attempt: 1 })).toMatchObject({ stage: 'FAIL' })
})

test('a job that runs is never acknowledged', async () => {
  const { worker } = setup()
  await worker.sendJob('a', null, job('u'))
  await worker.acknowledgeJobs([{ id: 'a', uid: 'u', attempt: 1 }])
  expect((await worker.pollAllStatus()).has('a')).toBe(true)
})

test('of two attempts the later, of two items of one id the one sent last', async () => {
  const { worker } = setup()
  await worker.sendJob('a', null, job('u', 2))
  await worker.sendJob('a', null, job('u', 1))
  expect((await worker.pollAllStatus()).get('a')?.attempt).toBe(2)
  await worker.sendJob('a', null, job('v', 1))
  expect((await worker.pollAllStatus()).get('a')?.uid).toBe('v')
})

test('workers of two names in one store never see each other [W-POLL-3]', async () => {
  const { worker, store } = setup()
  const other = store.worker({ name: 'p' })
  await worker.sendJob('a', null, job('u'))
  expect((await other.pollAllStatus()).size).toBe(0)
  expect(await other.lookupJob({ id: 'a', uid: 'u', attempt: 1 })).toBeUndefined()
  expect(other.running()).toEqual([])
})

test('a rule ends jobs by the clock, the same ones in every process', async () => {
  const rule = { afterMs: [10, 50], failRate: 0.3, seed: 7 } satisfies Parameters<typeof jobFate>[0]
  const { worker, runtime } = setup({ rule })
  const ids = Array.from({ length: 200 }, (_, index) => `tile-${index}`)
  for (const id of ids) await worker.sendJob(id, null, job(id))
  runtime.at += 9
  expect(worker.running()).toHaveLength(200)
  runtime.at += 41
  const reports = await worker.pollAllStatus()
  const failed = ids.filter((id) => reports.get(id)?.stage === 'FAIL')
  expect(worker.running()).toHaveLength(0)
  expect(failed.length).toBeGreaterThan(40)
  expect(failed.length).toBeLessThan(80)
  expect(failed).toEqual(ids.filter((id) => jobFate(rule, id, 1).fails))
  const spans = ids.map((id) => jobFate(rule, id, 1).afterMs)
  expect(Math.min(...spans)).toBe(10)
  expect(Math.max(...spans)).toBe(50)
})

test('a rule with the share 0 or 1, and a span of one number', () => {
  for (const id of ['a', 'b', 'c']) {
    expect(jobFate({ afterMs: 5 }, id, 1)).toEqual({ afterMs: 5, pendingMs: 0, fails: false })
    expect(jobFate({ afterMs: 0, failRate: 1 }, id, 1)).toEqual({ afterMs: 0, pendingMs: 0, fails: true })
  }
})

test('cancel ends a job that runs, and nothing else', async () => {
  const { worker } = setup()
  await worker.sendJob('a', null, job('u'))
  await worker.cancelJob({ id: 'a', uid: 'u', attempt: 1 }, 'not wanted')
  await worker.cancelJob({ id: 'a', uid: 'u', attempt: 1 }, 'again')
  await worker.cancelJob({ id: 'b', uid: 'v', attempt: 1 }, 'unknown')
  expect((await worker.pollAllStatus()).get('a')).toMatchObject({
    stage: 'FAIL',
    message: 'not wanted',
    failureClass: 'killed',
  })
})

test('a lost job leaves no trace', async () => {
  const { worker } = setup()
  await worker.sendJob('a', null, job('u'))
  worker.loseJob('a')
  expect((await worker.pollAllStatus()).size).toBe(0)
  expect(await worker.lookupJob({ id: 'a', uid: 'u', attempt: 1 })).toBeUndefined()
})

test('watch wakes on a settle and on a cancel, even between two reads, and ends with its signal', async () => {
  const { worker } = setup()
  await worker.sendJob('a', null, job('u'))
  await worker.sendJob('b', null, job('v'))
  const stop = new AbortController()
  const wakes = worker.watch({ signal: stop.signal })[Symbol.asyncIterator]()
  const first = wakes.next()
  worker.settleJob('a', { stage: 'SUCCESS' })
  expect(await first).toEqual({ value: undefined, done: false })
  await worker.cancelJob({ id: 'b', uid: 'v', attempt: 1 }, 'enough')
  expect((await wakes.next()).done).toBe(false)
  const last = wakes.next()
  stop.abort()
  expect((await last).done).toBe(true)
})

test('faults: as often as ordered, then all is well again', async () => {
  const { worker, started } = setup()
  worker.unavailableNext(2, 500)
  worker.denyNext()
  const codes: unknown[] = []
  for (let call = 0; call < 4; call++) {
    await worker.pollAllStatus().catch((error: unknown) => codes.push(isSluiceError(error) && error.code))
  }
  expect(codes).toEqual(['SLUICE_WORKER_UNAVAILABLE', 'SLUICE_WORKER_UNAVAILABLE', 'SLUICE_WORKER_DENIED'])
  worker.rejectNext()
  await worker.pollAllStatus()
  await expect(worker.sendJob('a', null, job('u'))).rejects.toMatchObject({ code: 'SLUICE_JOB_REJECTED' })
  expect(started).toHaveLength(0)
  worker.loseAnswer()
  await expect(worker.sendJob('a', null, job('u'))).rejects.toMatchObject({
    code: 'SLUICE_WORKER_UNAVAILABLE',
  })
  await worker.sendJob('a', null, job('u'))
  expect(started).toHaveLength(1)
})

test('closed: every call says so, jobs go on, a watch ends; twice is fine', async () => {
  const { worker, store } = setup()
  await worker.sendJob('a', null, job('u'))
  const wakes = worker.watch()[Symbol.asyncIterator]()
  const next = wakes.next()
  await worker.close()
  await worker.close()
  expect((await next).done).toBe(true)
  const ref = { id: 'a', uid: 'u', attempt: 1 }
  for (const call of [
    () => worker.sendJob('a', null, job('u')),
    () => worker.pollAllStatus(),
    () => worker.lookupJob(ref),
    () => worker.cancelJob(ref, ''),
    () => worker.acknowledgeJobs([ref]),
    () => worker.check(),
    () => worker.probeSend({ id: 'a', body: null }),
  ]) {
    await expect(call()).rejects.toMatchObject({ code: 'SLUICE_WORKER_CLOSED' })
  }
  expect(store.worker({ name: 'q' }).running()).toHaveLength(1)
})

test('bad input: no job', async () => {
  const { worker, started } = setup()
  await expect(worker.sendJob('', null, job('u'))).rejects.toThrow(TypeError)
  await expect(worker.sendJob('a', Number.NaN, job('u'))).rejects.toThrow(TypeError)
  expect(started).toEqual([])
  expect(() => worker.settleJob('a', { stage: 'SUCCESS' })).toThrow(TypeError)
})

test('openWorker checks its options', async () => {
  const worker = await openWorker({ name: 'q', rule: { afterMs: [1, 2], failRate: 0.5 }, seed: 3 })
  expect(worker.name).toBe('q')
  for (const wrong of [
    {},
    { name: '' },
    { name: 'q', rule: { afterMs: -1 } },
    { name: 'q', rule: { afterMs: [5, 1] } },
    { name: 'q', rule: { afterMs: 1, failRate: 2 } },
    { name: 'q', runtime: {} },
    { name: 'q', more: 1 },
    undefined,
  ]) {
    // @ts-expect-error -- none of them has the options' type
    await expect(openWorker(wrong)).rejects.toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
  }
})

test('held: pending with its message until it begins, and not after its end [W-PEND-1]', async () => {
  const { worker, store } = setup()
  const other = store.worker({ name: 'q' })
  await worker.sendJob('a', null, job('u'))
  worker.holdJob('a', 'no room')
  const held = { stage: 'PROCESSING', pending: true, message: 'no room' }
  expect((await other.pollAllStatus()).get('a')).toMatchObject(held)
  expect(await worker.lookupJob({ id: 'a', uid: 'u', attempt: 1 })).toMatchObject(held)
  expect(worker.running()).toHaveLength(1)
  worker.beginJob('a')
  expect((await other.pollAllStatus()).get('a')).toMatchObject({ stage: 'PROCESSING', pending: false })
  worker.settleJob('a', { stage: 'SUCCESS' })
  expect((await other.pollAllStatus()).get('a')?.pending).toBeUndefined()
  expect(() => worker.holdJob('a', 'too late')).toThrow(TypeError)
})

test('a rule may keep jobs pending before they run; the fates of other rules stay what they were', async () => {
  const rule = { afterMs: 20, pendingMs: [5, 10] } satisfies Parameters<typeof jobFate>[0]
  const { worker, runtime } = setup({ rule })
  await worker.sendJob('a', null, job('u'))
  const report = async () => (await worker.pollAllStatus()).get('a')
  const { pendingMs, afterMs } = jobFate(rule, 'a', 1)
  expect(afterMs).toBe(pendingMs + 20)
  runtime.at += pendingMs - 1
  expect(await report()).toMatchObject({ stage: 'PROCESSING', pending: true, message: /rule/u })
  runtime.at += 1
  expect(await report()).toMatchObject({ stage: 'PROCESSING', pending: false })
  runtime.at += 20
  expect(await report()).toMatchObject({ stage: 'SUCCESS' })
  const plain = { afterMs: [0, 9], failRate: 0.5 } satisfies Parameters<typeof jobFate>[0]
  for (const id of ['a', 'b', 'c', 'd']) {
    expect(jobFate({ ...plain, pendingMs: 3 }, id, 1).fails).toBe(jobFate(plain, id, 1).fails)
  }
})

test('incomplete polls: what this object heard last, and no more; look-ups know better [W-POLL-2]', async () => {
  const { worker, store } = setup()
  await worker.sendJob('a', null, job('u'))
  await worker.sendJob('b', null, job('v'))
  await worker.pollAllStatus()
  worker.settleJob('a', { stage: 'SUCCESS' })
  worker.incompleteNext(2)
  const reports = await worker.pollAllStatus()
  expect(reports).toMatchObject({ complete: false, incompleteReason: /test/u })
  expect([...reports].map(([id, { stage }]) => [id, stage])).toEqual([
    ['a', 'PROCESSING'],
    ['b', 'PROCESSING'],
  ])
  expect(await worker.lookupJob({ id: 'a', uid: 'u', attempt: 1 })).toMatchObject({ stage: 'SUCCESS' })
  const fresh = store.worker({ name: 'q' })
  fresh.incompleteNext()
  expect((await fresh.pollAllStatus()).size).toBe(0)
  worker.endTrouble()
  const after = await worker.pollAllStatus()
  expect(after.complete).toBeUndefined()
  expect(after.get('a')?.stage).toBe('SUCCESS')
})

test('one item in trouble: its calls are refused as ordered, others go well, until it is over [W-SEND-2]', async () => {
  const { worker, started } = setup()
  worker.troubleItem('a')
  const refused = { code: 'SLUICE_WORKER_UNAVAILABLE', itemId: 'a', concerns: 'item' }
  for (let tries = 0; tries < 3; tries++) {
    await expect(worker.sendJob('a', null, job('u'))).rejects.toMatchObject(refused)
    await worker.sendJob('b', null, job('v'))
  }
  expect(await worker.lookupJob({ id: 'a', uid: 'u', attempt: 1 })).toBeUndefined()
  worker.troubleItem('a', { calls: ['lookupJob'], message: 'unknown words' })
  await worker.sendJob('a', null, job('u'))
  const lookup = worker.lookupJob({ id: 'a', uid: 'u', attempt: 1 })
  await expect(lookup).rejects.toThrow('unknown words')
  await expect(lookup).rejects.toMatchObject({ concerns: undefined })
  worker.troubleItem('a', 'none')
  expect(await worker.lookupJob({ id: 'a', uid: 'u', attempt: 1 })).toMatchObject({ stage: 'PROCESSING' })
  worker.troubleItem('a', { calls: ['cancelJob'] })
  worker.endTrouble()
  await worker.cancelJob({ id: 'a', uid: 'u', attempt: 1 }, 'enough')
  expect(started.map(({ id }) => id)).toEqual(['b', 'a'])
})

test('a limit of jobs: what is over it is refused for want of room, and a job that ends makes some', async () => {
  const { worker, started } = setup()
  worker.limitJobs(1)
  await worker.probeSend({ id: 'a', body: null })
  await worker.sendJob('a', null, job('u'))
  const full = { code: 'SLUICE_WORKER_UNAVAILABLE', concerns: 'capacity' }
  await expect(worker.sendJob('b', null, job('v'))).rejects.toMatchObject(full)
  await expect(worker.probeSend()).rejects.toMatchObject(full)
  await worker.sendJob('a', null, job('u'))
  expect((await worker.pollAllStatus()).size).toBe(1)
  worker.settleJob('a', { stage: 'SUCCESS' })
  await worker.sendJob('b', null, job('v'))
  expect(started.map(({ id }) => id)).toEqual(['a', 'b'])
})

test('a probe takes the sample, or what was sent last, and starts nothing [W-PROBE-1]', async () => {
  const { worker, started } = setup()
  const without = { code: 'SLUICE_WORKER_UNAVAILABLE', message: /sent none yet/u }
  await expect(worker.probeSend()).rejects.toMatchObject(without)
  await worker.probeSend({ id: 'a', body: null })
  await worker.sendJob('a', null, job('u'))
  await worker.probeSend()
  worker.troubleItem('a', { calls: ['probeSend'], concerns: 'item' })
  await expect(worker.probeSend()).rejects.toMatchObject({ concerns: 'item', itemId: 'a' })
  await worker.probeSend({ id: 'b', body: null })
  worker.unavailableNext(1, undefined, { concerns: 'worker' })
  await expect(worker.probeSend()).rejects.toMatchObject({ concerns: 'worker' })
  expect(started).toHaveLength(1)
})

test('a call that hangs has no effect before the trouble is over, and other calls answer', async () => {
  const { worker, started } = setup()
  worker.hang('sendJob')
  const send = worker.sendJob('a', null, job('u'))
  expect((await worker.pollAllStatus()).size).toBe(0)
  expect(started).toEqual([])
  worker.endTrouble()
  await send
  expect(started).toHaveLength(1)
  await worker.sendJob('b', null, job('v'))
  expect(started).toHaveLength(2)
})

test('of several jobs of one item each can be settled, and the others are reported as earlier [W-POLL-1]', async () => {
  const { worker } = setup()
  for (const one of [job('u', 1), job('u', 2), job('v', 1)]) await worker.sendJob('a', null, one)
  const report = async () => (await worker.pollAllStatus()).get('a')
  expect((await report())?.earlier?.map(({ uid, attempt }) => [uid, attempt])).toEqual([
    ['u', 1],
    ['u', 2],
  ])
  worker.settleJob('a', { stage: 'FAIL', exitCode: 3 }, { uid: 'u', attempt: 1 })
  expect((await report())?.earlier).toHaveLength(1)
  worker.settleJob('a', { stage: 'SUCCESS' }, { uid: 'u', attempt: 2 })
  expect(await report()).toMatchObject({ stage: 'PROCESSING', uid: 'v' })
  expect(await report()).not.toHaveProperty('earlier')
  const ended = await worker.lookupJob({ id: 'a', uid: 'u', attempt: 1 })
  expect(ended).toMatchObject({ stage: 'FAIL', exitCode: 3, jobUid: 'job-1' })
  expect(() => worker.settleJob('a', { stage: 'FAIL' }, { uid: 'u', attempt: 1 })).toThrow(TypeError)
})

describe('sendMany', () => {
  const jobs = ['a', 'b', 'c'].map((id) => ({ id, body: null, job: job(id) }))

  test('a worker has it with the option maxJobsPerSend alone', async () => {
    const { worker } = setup()
    expect(worker.supports.sendMany).toBeUndefined()
    expect('sendMany' in worker).toBe(false)
    expect(setup({ maxJobsPerSend: 7 }).worker.supports.sendMany).toEqual({ maxJobs: 7 })
  })

  test('faults: refused as a whole, single jobs rejected or in trouble, a lost answer [W-SEND-3]', async () => {
    const { worker, started } = setup({ maxJobsPerSend: 3 })
    worker.unavailableNext(1, 500)
    const refused = { code: 'SLUICE_WORKER_UNAVAILABLE', retryAfterMs: 500 }
    await expect(worker.sendMany?.(jobs)).rejects.toMatchObject(refused)
    expect(started).toEqual([])
    worker.rejectNext()
    worker.troubleItem('b')
    expect(await worker.sendMany?.(jobs)).toMatchObject([
      { code: 'SLUICE_JOB_REJECTED', itemId: 'a' },
      { code: 'SLUICE_WORKER_UNAVAILABLE', itemId: 'b', concerns: 'item' },
      undefined,
    ])
    expect(started.map(({ id }) => id)).toEqual(['c'])
    worker.troubleItem('b', 'none')
    worker.loseAnswer()
    await expect(worker.sendMany?.(jobs)).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
    expect(started.map(({ id }) => id)).toEqual(['c', 'a', 'b'])
    expect(await worker.sendMany?.(jobs)).toEqual([undefined, undefined, undefined])
    expect(started).toHaveLength(3)
  })

  test('it hangs like any other call, and is what a later probe takes its sample from', async () => {
    const { worker, started } = setup({ maxJobsPerSend: 3 })
    worker.hang('sendMany')
    const sending = worker.sendMany?.(jobs)
    expect((await worker.pollAllStatus()).size).toBe(0)
    worker.endTrouble()
    await sending
    expect(started).toHaveLength(3)
    await worker.probeSend()
  })
})

test('the type of the bodies follows from the type argument', async () => {
  interface Tile {
    readonly url: string
  }
  const worker = await openWorker<Tile>({ name: 'q' })
  expectTypeOf<Parameters<typeof worker.sendJob>[1]>().toEqualTypeOf<Tile>()
  await worker.sendJob('a', { url: 's3://maps/1.tif' }, job('u'))
  // @ts-expect-error -- a body that is none
  await worker.sendJob('b', { uri: 1 }, job('v'))
  // @ts-expect-error -- a Date is no JSON
  await expect(openWorker<{ at: Date }>({ name: 'q' })).resolves.toBeDefined()
})
