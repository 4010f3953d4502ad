import { systemRuntime } from '@sluice/core/backend'
import { isSluiceError, type Lease, type Queue } from '@sluice/core'
import { startS3Server, type S3Endpoint, type S3Server } from '@sluice/fake-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { RunningTime } from '../../src/store/sending/running-time.js'
import { lies, type Lie, type Use } from './lies.js'
import { probedOn, sweep } from '../s3-harness.js'

const TIMEOUT_MS = 300
/**
 * Some steps of some items, in each of which a request is repeated 8 times at most, or an object read
 * as often.
 */
const MAX_REQUESTS = 100
const MAX_WRITES = 30
const LONG_MS = 600_000
/**
 * A call that has no end never gets this far; how fast one ends can't be measured on a machine that does much
 * else.
 */
const BUSY_FACTOR = 4

let server: S3Server

function optionsOf(prefix: string, endpoint: S3Endpoint, timeoutMs: number) {
  return { ...probedOn(server, endpoint, 'q'), prefix, probe: 'off' as const, timeoutMs }
}

/** Items in each stage, and all else that a queue holds: each call begins with a copy. */
async function furnish(): Promise<void> {
  const queue = await openQueue(optionsOf('scene', server.main, 60_000))
  const ids = ['running', 'done', 'failed', 'released', 'requeued', 'waiting', 'removed']
  await queue.putMany(ids.slice(0, 5).map((id) => ({ id, body: id })))
  await queue.get(5)
  await queue.success('done')
  await queue.fail('failed')
  await queue.release('released')
  await queue.fail('requeued')
  await queue.requeue(['requeued'])
  await queue.putMany(ids.slice(5).map((id) => ({ id, body: id })))
  await queue.remove(['removed'])
  await queue.document('d').write(1, { ifVersion: undefined })
  await queue.control.setLimits({ a: 1 })
  await queue.lease('held', 'me', LONG_MS)
  await queue.close()
}

interface Seat {
  readonly queue: Queue
  /** Of calls that need one. */
  readonly lease: Lease
}

interface Call {
  readonly name: string
  /** Beside reads. */
  readonly uses: readonly Use[]
  readonly run: (seat: Seat) => Promise<unknown>
}

function call(name: string, uses: readonly Use[], run: Call['run']): Call {
  return { name, uses, run }
}

const MOVES: readonly Use[] = ['write', 'delete']
const CHANGES: readonly Use[] = ['write', 'list']

const calls: readonly Call[] = [
  call('put', ['write'], ({ queue }) => queue.put('new', 1)),
  call('put of a removed id', ['write'], ({ queue }) => queue.put('removed', 1)),
  call('putMany', ['write'], ({ queue }) => queue.putMany(['new', 'failed'].map((id) => ({ id, body: 1 })))),
  call('putMany into SUCCESS', ['write'], ({ queue }) =>
    queue.putMany(
      ['new', 'failed'].map((id) => ({ id, body: 1 })),
      { stage: 'SUCCESS' },
    ),
  ),
  call('get', ['write', 'list', 'delete'], ({ queue }) => queue.get(2)),
  call('get under a lease', ['write', 'list', 'delete'], ({ queue, lease }) => queue.get(1, { lease })),
  call('peek', ['list'], ({ queue }) => queue.peek(2)),
  call('success', MOVES, ({ queue }) => queue.success('running')),
  call('fail', MOVES, ({ queue }) => queue.fail('running')),
  call('settle', MOVES, ({ queue }) => queue.settle([{ id: 'running', attempt: 1, stage: 'FAIL' }])),
  call('release', MOVES, ({ queue }) => queue.release('running')),
  call('requeue', MOVES, ({ queue }) => queue.requeue(['failed'])),
  call('remove from WAITING', MOVES, ({ queue }) => queue.remove(['waiting'])),
  call('remove from FAIL', MOVES, ({ queue }) => queue.remove(['failed'])),
  call('size', ['list'], ({ queue }) => queue.size('WAITING')),
  call('sizes', ['list'], ({ queue }) => queue.sizes()),
  call('lookupStatus', [], ({ queue }) => queue.lookupStatus('released')),
  call('lookup in FAIL', [], ({ queue }) => queue.lookup('failed')),
  call('lookup of a requeued item', [], ({ queue }) => queue.lookup('requeued')),
  call('list', ['list'], ({ queue }) => queue.list('FAIL', { limit: 10 })),
  call('listSummaries', ['list'], ({ queue }) => queue.listSummaries('PROCESSING', { limit: 10 })),
  call('now', [], ({ queue }) => queue.now()),
  call('lease', CHANGES, ({ queue }) => queue.lease('free', 'me', LONG_MS)),
  call('lease.renew', CHANGES, ({ lease }) => lease.renew()),
  call('lease.release', CHANGES, ({ lease }) => lease.release()),
  call('control.read', ['list'], ({ queue }) => queue.control.read()),
  call('control.pause', CHANGES, ({ queue }) => queue.control.pause('x')),
  call('control.sync', CHANGES, ({ queue }) => queue.control.sync()),
  call('document.read', ['list'], ({ queue }) => queue.document('d').read()),
  call('document.write', CHANGES, ({ queue }) => queue.document('d').write(2, { ifVersion: 1 })),
  call('document.remove', CHANGES, ({ queue }) => queue.document('d').remove()),
  call('documents', ['list'], ({ queue }) => queue.documents()),
  call('sweep', ['write', 'list', 'delete'], ({ queue }) => sweep(queue, { retentionMs: LONG_MS })),
  call('close', ['write', 'list', 'delete'], ({ queue }) => queue.close()),
]

/** One queue, which meets one lie at each of its calls. */
class Stand {
  readonly #lie: Lie
  readonly #root: string
  readonly #endpoint: S3Endpoint
  readonly #queue: Queue
  /** By this process's own time, as the queue does: what a busy machine takes from both does not count. */
  readonly #time = new RunningTime(systemRuntime, TIMEOUT_MS)

  private constructor(lie: Lie, root: string, { endpoint, queue }: { endpoint: S3Endpoint; queue: Queue }) {
    this.#lie = lie
    this.#root = root
    this.#endpoint = endpoint
    this.#queue = queue
  }

  static async open(lie: Lie): Promise<Stand> {
    const prefix = `copy${lies.indexOf(lie)}`
    server.copyPrefix('scene/q/', `${prefix}/q/`)
    const endpoint = await server.addEndpoint()
    const queue = await openQueue(optionsOf(prefix, endpoint, TIMEOUT_MS))
    return new Stand(lie, `${prefix}/q/`, { endpoint, queue })
  }

  /** What is wrong with the end of a call; nothing, if all is well. */
  async faultsOf({ name, run }: Call): Promise<string[]> {
    const seat = await this.#prepare(name)
    const beganMs = this.#time.now()
    const end = await run(seat).then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
    const ms = this.#time.now() - beganMs
    const [requests, writes] = [this.#endpoint.requests.length, this.#endpoint.counts().PutObject]
    return [
      ...(ms > BUSY_FACTOR * (this.#queue.supports.longestCallMs ?? 0)
        ? [`${name} took ${Math.round(ms)} ms`]
        : []),
      ...(requests > MAX_REQUESTS ? [`${name} sent ${requests} requests`] : []),
      ...(writes > MAX_WRITES ? [`${name} sent ${writes} writes`] : []),
      ...(end === undefined || this.#isFit(end.error) ? [] : [`${name}: ${String(end.error)}`]),
    ]
  }

  async close(): Promise<void> {
    await this.#queue.close()
    await this.#endpoint.close()
  }

  /** All is as at the beginning, until the lie begins. */
  async #prepare(name: string): Promise<Seat> {
    const endpoint = this.#endpoint
    endpoint.onRequest = undefined
    endpoint.latencyMs = 0
    for (const key of server.keys()) if (key.startsWith(this.#root)) server.deleteKey(key)
    server.copyPrefix('scene/q/', this.#root)
    const needsLease = name.includes('lease')
    const lease = needsLease ? await patiently(() => this.#queue.lease('held', 'me', LONG_MS)) : undefined
    if (needsLease && lease === undefined) throw new Error('the lease is the holder’s own')
    this.#lie.tamper?.(server, this.#root)
    endpoint.onRequest = this.#lie.fault?.()
    endpoint.latencyMs = this.#lie.latencyMs ?? 0
    endpoint.resetCounts()
    return { queue: this.#queue, lease: lease ?? NO_LEASE }
  }

  /** An answer on the item, or trouble with an object that it names. */
  #isFit(error: unknown): boolean {
    if (!isSluiceError(error)) return false
    if (ANSWERS.includes(error.code)) return true
    return (
      TROUBLES.includes(error.code) &&
      (error.message.includes(this.#root) || error.message.includes('"ITEMS/'))
    )
  }
}

const NO_LEASE: Lease = {
  name: 'none',
  holder: 'none',
  fencingToken: 0,
  ttlMs: 1,
  renew: async () => false,
  release: async () => {},
  [Symbol.asyncDispose]: async () => {},
}

const ANSWERS: readonly string[] = [
  'SLUICE_ITEM_EXISTS',
  'SLUICE_ITEM_NOT_FOUND',
  'SLUICE_STAGE_CONFLICT',
  'SLUICE_LEASE_LOST',
]
const TROUBLES: readonly string[] = [
  'SLUICE_QUEUE_UNAVAILABLE',
  'SLUICE_QUEUE_CORRUPT',
  'SLUICE_QUEUE_DENIED',
]

/** Before the lie begins: the time limit is short for a busy machine. */
async function patiently<T>(run: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await run()
    } catch (error) {
      if (!isSluiceError(error, 'SLUICE_QUEUE_UNAVAILABLE')) throw error
    }
  }
}

beforeAll(async () => {
  server = await startS3Server()
  await furnish()
})

afterAll(() => server.close())

test.concurrent.each(lies.map((lie) => [lie.title, lie] as const))(
  '%s: each call ends in time, after few requests, by an outcome or an error that names the object',
  async (_, lie) => {
    const stand = await Stand.open(lie)
    const faults: string[] = []
    for (const one of calls)
      if (lie.of === undefined || one.uses.includes(lie.of)) faults.push(...(await stand.faultsOf(one)))
    await stand.close()
    expect(faults).toEqual([])
  },
)
