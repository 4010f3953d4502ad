import { setTimeout as pause } from 'node:timers/promises'
import { SluiceError, type Lease, type Queue, type QueueControl, type QueueDocument } from '@sluice/core'
import type { CrashingQueue, SlowQueue, TroubleOptions, TroubledQueue } from './queue-harness.js'

/** What is done around each call of a wrapped queue. */
export type AroundCall = <T>(call: () => Promise<T>, method: string, args: readonly unknown[]) => Promise<T>

/** A queue that hands every call to another one, `around` each of them. */
export function interceptQueue(inner: Queue, around: AroundCall): Queue {
  const sweep: Queue['sweep'] = inner.sweep?.bind(inner)
  const parseBody: Queue['parseBody'] = inner.parseBody?.bind(inner)
  return {
    name: inner.name,
    supports: inner.supports,
    control: interceptControl(inner.control, around),
    put: (...args) => around(() => inner.put(...args), 'put', args),
    putMany: (...args) => around(() => inner.putMany(...args), 'putMany', args),
    update: (...args) => around(() => inner.update(...args), 'update', args),
    get: (...args) => around(() => inner.get(...args), 'get', args),
    peek: (...args) => around(() => inner.peek(...args), 'peek', args),
    success: (...args) => around(() => inner.success(...args), 'success', args),
    fail: (...args) => around(() => inner.fail(...args), 'fail', args),
    settle: (...args) => around(() => inner.settle(...args), 'settle', args),
    release: (...args) => around(() => inner.release(...args), 'release', args),
    requeue: (...args) => around(() => inner.requeue(...args), 'requeue', args),
    remove: (...args) => around(() => inner.remove(...args), 'remove', args),
    size: (...args) => around(() => inner.size(...args), 'size', args),
    sizes: (...args) => around(() => inner.sizes(...args), 'sizes', args),
    lookupStatus: (...args) => around(() => inner.lookupStatus(...args), 'lookupStatus', args),
    lookup: (...args) => around(() => inner.lookup(...args), 'lookup', args),
    list: (...args) => around(() => inner.list(...args), 'list', args),
    listSummaries: (...args) => around(() => inner.listSummaries(...args), 'listSummaries', args),
    now: () => around(() => inner.now(), 'now', []),
    readLease: (...args) => around(() => inner.readLease(...args), 'readLease', args),
    lease: async (...args) => {
      const lease = await around(() => inner.lease(...args), 'lease', args)
      return lease && interceptLease(lease, around)
    },
    document: (name) => interceptDocument(inner.document(name), around),
    documents: (...args) => around(() => inner.documents(...args), 'documents', args),
    ...(sweep && { sweep: (...args) => around(() => sweep(...args), 'sweep', args) }),
    ...interceptSelection(inner, around),
    ...(parseBody && { parseBody: (body) => parseBody(body) }),
    close: () => around(() => inner.close(), 'close', []),
    [Symbol.asyncDispose]: () => around(() => inner.close(), 'close', []),
  }
}

/** The calls of which a queue may have none. */
function interceptSelection(
  inner: Queue,
  around: AroundCall,
): Partial<Pick<Queue, 'peekSummaries' | 'getItems'>> {
  const peekSummaries: Queue['peekSummaries'] = inner.peekSummaries?.bind(inner)
  const getItems: Queue['getItems'] = inner.getItems?.bind(inner)
  return {
    ...(peekSummaries && {
      peekSummaries: (...args) => around(() => peekSummaries(...args), 'peekSummaries', args),
    }),
    ...(getItems && { getItems: (...args) => around(() => getItems(...args), 'getItems', args) }),
  }
}

function interceptControl(control: QueueControl, around: AroundCall): QueueControl {
  return {
    read: () => around(() => control.read(), 'control.read', []),
    pause: (...args) => around(() => control.pause(...args), 'control.pause', args),
    resume: () => around(() => control.resume(), 'control.resume', []),
    setLimits: (...args) => around(() => control.setLimits(...args), 'control.setLimits', args),
    sync: () => around(() => control.sync(), 'control.sync', []),
  }
}

function interceptLease(inner: Lease, around: AroundCall): Lease {
  const { name, holder, fencingToken, ttlMs } = inner
  return {
    name,
    holder,
    fencingToken,
    ttlMs,
    renew: () => around(() => inner.renew(), 'lease.renew', []),
    release: () => around(() => inner.release(), 'lease.release', []),
    [Symbol.asyncDispose]: () => around(() => inner.release(), 'lease.release', []),
  }
}

function interceptDocument(inner: QueueDocument, around: AroundCall): QueueDocument {
  return {
    name: inner.name,
    read: () => around(() => inner.read(), 'document.read', []),
    write: (...args) => around(() => inner.write(...args), 'document.write', args),
    remove: (...args) => around(() => inner.remove(...args), 'document.remove', args),
  }
}

/** A queue that hands every call to another one, save those that are given. */
export function wrapQueue(inner: Queue, changes: Partial<Queue>): Queue {
  return { ...interceptQueue(inner, (call) => call()), ...changes }
}

/**
 * The `openCrashing` of a queue whose calls are each one atomic storage operation. Each call is two points:
 * the process dies before the storage was reached, or after it had done all of it and before its answer came.
 */
export function crashAtCalls(inner: Queue, point: number): CrashingQueue {
  let passed = 0
  let dead = false
  const step = () => {
    dead ||= passed === point
    passed += 1
    if (dead) throw new Error(`the process died at point ${point}, as the test wanted`)
  }
  const queue = interceptQueue(inner, async (call) => {
    step()
    const value = await call()
    step()
    return value
  })
  return { queue, crashed: () => dead }
}

/** How long a call waits for an answer that doesn't come. */
const ANSWER_MS = 20

/**
 * The `openTroubled` of a queue whose calls are each one atomic storage operation: a call of which that
 * operation goes wrong rejects SLUICE_QUEUE_UNAVAILABLE, at once or when it has waited long enough for its
 * answer.
 */
export function troubleAtCalls(inner: Queue, { trouble, point, lasting }: TroubleOptions): TroubledQueue {
  let operations = 0
  let reached = false
  const queue = interceptQueue(inner, async (call, method) => {
    if (method === 'close') return call()
    const number = operations++
    if (number < point || (number > point && !lasting)) return call()
    reached = true
    // Whatever the answer is, it is lost.
    if (trouble === 'answer-lost') await Promise.allSettled([call()])
    if (trouble !== 'fails') await pause(ANSWER_MS)
    throw unanswered(method, inner.name)
  })
  return { queue, reached: () => reached, callMs: ANSWER_MS }
}

function unanswered(method: string, name: string): SluiceError {
  return new SluiceError(
    'SLUICE_QUEUE_UNAVAILABLE',
    `Cannot ${method} of queue ${JSON.stringify(name)}: the storage refused, or did not answer in time. Try again`,
  )
}

/** The `openSlow` of a queue without a link: it counts what a link would carry, and takes no longer. */
export function countAtCalls(inner: Queue): SlowQueue {
  const passed = { up: 0, down: 0 }
  const queue = interceptQueue(inner, async (call, _, args) => {
    const value = await call()
    passed.up += bytesOf(args)
    passed.down += bytesOf(value)
    return value
  })
  return { queue, timeMs: () => 0, passedBytes: () => ({ ...passed }) }
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value) ?? '')
}
