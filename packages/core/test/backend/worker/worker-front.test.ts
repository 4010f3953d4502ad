import { describe, expect, expectTypeOf, test } from 'vitest'
import { createWorker, type CheckedJob, type WorkerBackend } from '../../../src/backend/index.js'
import type { JobReports, JobSpec, JsonValue, NewJob, Worker } from '../../../src/index.js'

const SPEC: JobSpec = { attempt: 1, uid: 'u1', queue: 'q' }
const JOB = { id: 'a', uid: 'u1', attempt: 1 }
const DURABLE = { supports: { durable: true } }

interface Call {
  readonly method: string
  readonly args: readonly unknown[]
}

/** A backend that has every method, and what it was called with. */
function recording(changes: Partial<WorkerBackend> = {}): { backend: WorkerBackend; calls: Call[] } {
  const calls: Call[] = []
  const noting =
    <T>(method: string, answer: T) =>
    async (...args: readonly unknown[]): Promise<T> => {
      calls.push({ method, args })
      return answer
    }
  const backend: WorkerBackend = {
    ...DURABLE,
    sendJob: noting('sendJob', undefined),
    sendMany: { maxJobs: 2, send: noting('sendMany', [undefined, undefined]) },
    pollAllStatus: noting('pollAllStatus', new Map()),
    lookupJob: noting('lookupJob', undefined),
    cancelJob: noting('cancelJob', undefined),
    acknowledgeJobs: noting('acknowledgeJobs', undefined),
    probeSend: noting('probeSend', undefined),
    checkItem: noting('checkItem', undefined),
    check: noting('check', undefined),
    close: noting('close', undefined),
    ...changes,
  }
  return { backend, calls }
}

function poll(): Promise<JobReports> {
  return Promise.resolve(new Map())
}

/** Every call of the worker that gives a promise, with good arguments. */
function callsOf(worker: Worker): Readonly<Record<string, () => Promise<unknown> | undefined>> {
  return {
    sendJob: () => worker.sendJob('a', null, SPEC),
    sendMany: () => worker.sendMany?.([{ id: 'a', body: null, job: SPEC }]),
    pollAllStatus: () => worker.pollAllStatus(),
    lookupJob: () => worker.lookupJob?.(JOB),
    cancelJob: () => worker.cancelJob?.(JOB, 'why'),
    acknowledgeJobs: () => worker.acknowledgeJobs?.([JOB]),
    probeSend: () => worker.probeSend?.({ id: 'a', body: null }),
    checkItem: () => worker.checkItem?.('a', null),
    check: () => worker.check?.(),
  }
}

async function all(source: AsyncIterable<unknown> | undefined): Promise<unknown[]> {
  const values: unknown[] = []
  for await (const value of source ?? []) values.push(value)
  return values
}

describe('what is there', () => {
  test('a worker has the methods that its backend has, and its supports say so', () => {
    const least = createWorker('q', { ...DURABLE, sendJob: async () => undefined, pollAllStatus: poll })
    expect(least.supports).toEqual({
      durable: true,
      lookupJob: false,
      cancelJob: false,
      watch: false,
      probeSend: false,
      checkItem: false,
      readLog: false,
    })
    for (const name of ['sendMany', 'lookupJob', 'cancelJob', 'watch', 'probeSend', 'check', 'readLog'])
      expect(name in least, `has ${name}`).toBe(false)
    const most = createWorker('q', recording().backend)
    expect(most.supports).toMatchObject({ lookupJob: true, cancelJob: true, sendMany: { maxJobs: 2 } })
  })

  test('the identity is read when it is asked for', () => {
    const known: { identity?: string } = {}
    const worker = createWorker('q', {
      ...recording().backend,
      get identity() {
        return known.identity
      },
    })
    expect(worker.identity).toBeUndefined()
    known.identity = 'here'
    expect(worker.identity).toBe('here')
  })

  test('the bodies of a worker have a type, an interface included', () => {
    interface Tile {
      readonly url: string
    }
    const worker = createWorker<Tile>('q', recording().backend)
    expectTypeOf(worker).toEqualTypeOf<Worker<Tile>>()
    expectTypeOf<Parameters<Worker<Tile>['sendJob']>[1]>().toEqualTypeOf<Tile>()
    expectTypeOf<Parameters<NonNullable<Worker<Tile>['sendMany']>>[0]>().toEqualTypeOf<
      readonly NewJob<Tile>[]
    >()
    expectTypeOf<Parameters<Worker['sendJob']>[1]>().toEqualTypeOf<JsonValue>()
  })
})

describe('arguments', () => {
  test('the backend gets one checked job of a send', async () => {
    const { backend, calls } = recording()
    const worker = createWorker('q', backend)
    await worker.sendJob('a', { x: 1 }, { ...SPEC, priority: 3 })
    const job: CheckedJob = { id: 'a', uid: 'u1', attempt: 1, queue: 'q', priority: 3, body: { x: 1 } }
    expect(calls).toEqual([{ method: 'sendJob', args: [job] }])
  })

  test.each<readonly [string, (worker: Worker) => Promise<unknown> | undefined, RegExp]>([
    ['an empty id', (worker) => worker.sendJob('', null, SPEC), /id must not be empty/u],
    ['a body', (worker) => worker.sendJob('a', Number.NaN, SPEC), /body/u],
    ['no uid', (worker) => worker.sendJob('a', null, { ...SPEC, uid: '' }), /uid/u],
    ['half an attempt', (worker) => worker.sendJob('a', null, { ...SPEC, attempt: 0.5 }), /attempt/u],
    ['a priority', (worker) => worker.sendJob('a', null, { ...SPEC, priority: 0.5 }), /priority/u],
    ['another queue', (worker) => worker.sendJob('a', null, { ...SPEC, queue: 'r' }), /of queue "q"/u],
    ['one of many', (worker) => worker.sendMany?.([{ id: '', body: null, job: SPEC }]), /id must/u],
    ['a ref', (worker) => worker.lookupJob?.({ ...JOB, uid: '' }), /uid/u],
    ['an awaited ref', (worker) => worker.pollAllStatus([{ ...JOB, id: '' }]), /id must/u],
    ['a ref to cancel', (worker) => worker.cancelJob?.({ ...JOB, attempt: -1 }, 'why'), /attempt/u],
    ['a ref to acknowledge', (worker) => worker.acknowledgeJobs?.([JOB, { ...JOB, id: '' }]), /id must/u],
    ['a sample', (worker) => worker.probeSend?.({ id: '', body: null }), /id must/u],
    ['an item to check', (worker) => worker.checkItem?.('', null), /id must/u],
  ])('%s that is wrong is a TypeError by rejection, and reaches no backend', async (_, call, message) => {
    const { backend, calls } = recording()
    await expect(call(createWorker('q', backend))).rejects.toThrow(message)
    await expect(call(createWorker('q', backend))).rejects.toThrow(TypeError)
    expect(calls).toEqual([])
  })

  test('sendMany takes as many as it says, and of none calls no backend', async () => {
    const { backend, calls } = recording()
    const worker = createWorker('q', backend)
    const job = { id: 'a', body: null, job: SPEC }
    expect(await worker.sendMany?.([])).toEqual([])
    await expect(worker.sendMany?.([job, job, job])).rejects.toThrow('at most 2 jobs; got 3')
    expect(calls).toEqual([])
    expect(await worker.sendMany?.([job, job])).toEqual([undefined, undefined])
  })

  test('what a backend throws is a rejection', async () => {
    const worker = createWorker('q', {
      ...recording().backend,
      sendJob: () => {
        throw new RangeError('thrown')
      },
    })
    await expect(worker.sendJob('a', null, SPEC)).rejects.toThrow('thrown')
  })

  test('a call gives the very promise of its backend: nothing is awaited on its way', () => {
    const sent = Promise.resolve()
    const worker = createWorker('q', { ...recording().backend, sendJob: () => sent })
    expect(worker.sendJob('a', null, SPEC)).toBe(sent)
  })
})

describe('close', () => {
  test('after it every call rejects SLUICE_WORKER_CLOSED, and the backend is closed once', async () => {
    const { backend, calls } = recording()
    const worker = createWorker('q', backend)
    await Promise.all([worker.close(), worker.close()])
    await worker[Symbol.asyncDispose]()
    expect(calls.map(({ method }) => method)).toEqual(['close'])
    for (const [name, call] of Object.entries(callsOf(worker)))
      await expect(call(), `${name} after close`).rejects.toMatchObject({ code: 'SLUICE_WORKER_CLOSED' })
    expect(calls).toHaveLength(1)
  })

  test('await using closes it', async () => {
    const { backend, calls } = recording()
    {
      await using worker = createWorker('q', backend)
      await worker.check?.()
    }
    expect(calls.map(({ method }) => method)).toEqual(['check', 'close'])
  })
})

describe('signals', () => {
  test('an aborted poll rejects with the reason, before it begins and while it does not end', async () => {
    const stop = new AbortController()
    const { backend, calls } = recording({ lookupJob: () => new Promise(() => undefined) })
    const worker = createWorker('q', backend)
    const looking = worker.lookupJob?.(JOB, { signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(looking).rejects.toThrow('enough')
    await expect(worker.pollAllStatus([], { signal: stop.signal })).rejects.toThrow('enough')
    expect(calls).toEqual([])
    expect((await worker.pollAllStatus([], { signal: new AbortController().signal })).size).toBe(0)
  })

  test('a watch ends with its signal and with close, and is refused afterwards', async () => {
    const ends: AbortSignal[] = []
    const worker = createWorker('q', {
      ...recording().backend,
      async *watch(signal) {
        ends.push(signal)
        yield undefined
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
    })
    const stop = new AbortController()
    const [stopped, closed] = [all(worker.watch?.({ signal: stop.signal })), all(worker.watch?.())]
    expect(await all(worker.watch?.({ signal: AbortSignal.abort() }))).toEqual([])
    stop.abort()
    expect(await stopped).toEqual([undefined])
    await worker.close()
    expect(await closed).toEqual([undefined])
    expect(ends).toHaveLength(2)
    await expect(all(worker.watch?.())).rejects.toMatchObject({ code: 'SLUICE_WORKER_CLOSED' })
  })
})

function reading(read: NonNullable<WorkerBackend['readLog']>): Worker {
  return createWorker('q', { ...recording().backend, readLog: read })
}

describe('readLog', () => {
  const CHUNK = Buffer.from('x')

  test('nothing happens before the first value is asked for, and a wrong argument is its rejection', async () => {
    let reads = 0
    const worker = reading(async function* (_, options) {
      reads += 1
      expect(options).toMatchObject({ follow: false, tailBytes: 3 })
      yield CHUNK
    })
    const log = worker.readLog?.(JOB, { tailBytes: 3 })
    expect(reads).toBe(0)
    expect(await all(log)).toEqual([CHUNK])
    await expect(all(worker.readLog?.(JOB, { tailBytes: -1 }))).rejects.toThrow(TypeError)
    await expect(all(worker.readLog?.({ ...JOB, id: '' }))).rejects.toThrow(TypeError)
    expect(reads).toBe(1)
  })

  test.each(['ends', 'fails'] as const)(
    'a log that %s because of its signal rejects with the reason, and its backend is left',
    async (how) => {
      let left = 0
      const worker = reading(async function* (_, { signal }) {
        try {
          yield CHUNK
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
          if (how === 'fails') throw new Error('the connection broke')
        } finally {
          left += 1
        }
      })
      const stop = new AbortController()
      const log = worker.readLog?.(JOB, { signal: stop.signal })[Symbol.asyncIterator]()
      await log?.next()
      const next = log?.next()
      stop.abort(new Error('enough'))
      await expect(next).rejects.toThrow('enough')
      await expect(all(worker.readLog?.(JOB, { signal: stop.signal }))).rejects.toThrow('enough')
      expect(left).toBe(1)
    },
  )

  test('close ends one that is read, with SLUICE_WORKER_CLOSED', async () => {
    let left = 0
    const worker = reading(async function* () {
      try {
        for (;;) yield CHUNK
      } finally {
        left += 1
      }
    })
    const log = worker.readLog?.(JOB)[Symbol.asyncIterator]()
    await log?.next()
    await worker.close()
    await expect(log?.next()).rejects.toMatchObject({ code: 'SLUICE_WORKER_CLOSED' })
    expect(left).toBe(1)
    await expect(all(worker.readLog?.(JOB))).rejects.toMatchObject({ code: 'SLUICE_WORKER_CLOSED' })
  })

  test('who stops early leaves nothing open', async () => {
    let left = 0
    const worker = reading(async function* () {
      try {
        for (;;) yield CHUNK
      } finally {
        left += 1
      }
    })
    for await (const _ of worker.readLog?.(JOB) ?? []) break
    expect(left).toBe(1)
  })
})

describe('overrides', () => {
  const takes = { supports: { durable: true, overrides: true } }

  test('reach a backend that takes them; empty ones are none', async () => {
    const { backend, calls } = recording(takes)
    const worker = createWorker('q', backend)
    await worker.sendJob('a', null, { ...SPEC, overrides: { memory: '8Gi' } })
    await worker.sendJob('a', null, { ...SPEC, overrides: {} })
    const sent = calls.map(({ args: [job] }) => job)
    expect(sent).toEqual([
      { ...SPEC, id: 'a', body: null, overrides: { memory: '8Gi' } },
      { ...SPEC, id: 'a', body: null },
    ])
  })

  test('are refused by a worker that does not take them', async () => {
    const { backend, calls } = recording()
    const sending = createWorker('q', backend).sendJob('a', null, { ...SPEC, overrides: { memory: '8Gi' } })
    await expect(sending).rejects.toThrow('starts no jobs with overrides')
    expect(calls).toEqual([])
  })

  test.each<[string, object]>([
    ['too many', { a: '1', b: '1', c: '1', d: '1', e: '1' }],
    ['a name that begins with a digit', { '1a': '1' }],
    ['a name that is too long', { ['a'.repeat(65)]: '1' }],
    ['no value', { a: '' }],
    ['a value that is no text', { a: 1 }],
    ['a value with a line break', { a: '1\n' }],
    ['a value that is not ASCII', { a: 'ä' }],
  ])('%s: a TypeError, and nothing is sent', async (_, overrides) => {
    const { backend, calls } = recording(takes)
    const spec = Object.assign({ ...SPEC }, { overrides })
    await expect(createWorker('q', backend).sendJob('a', null, spec)).rejects.toThrow(TypeError)
    expect(calls).toEqual([])
  })
})
