import type { CallOptions, Queue } from '@sluice/core'
import { brokenQueue, type QueueMutant } from '../queue-mutant.js'

/** Queues that break the promise about abort signals. */
export const signalMutants: readonly QueueMutant[] = [
  brokenQueue({
    id: 'signal-ignored',
    title: 'a signal that has aborted is ignored by putMany',
    breaks: ['Q-ABORT-1', 'Q-ABORT-1/d'],
    change: () => (inner) => ({
      putMany: (items, options = {}) => inner.putMany(items, unsignalled(options)),
    }),
  }),
  brokenQueue({
    id: 'signal-ignored-by-lists',
    title: 'a signal that has aborted is ignored by listSummaries',
    breaks: ['Q-ABORT-1', 'Q-ABORT-1/d'],
    change: () => (inner) => ({
      listSummaries: (stage, page) => inner.listSummaries(stage, unsignalled(page)),
    }),
  }),
  brokenQueue({
    id: 'signal-reason-lost',
    title: 'an aborted call rejects with an error of its own',
    breaks: ['Q-ABORT-1'],
    change: () => (inner) => ({
      requeue: async (ids, options = {}) => {
        if (options.signal?.aborted === true) throw new Error('aborted')
        return inner.requeue(ids, options)
      },
    }),
  }),
  brokenQueue({
    id: 'signal-after-the-fact',
    title: 'a call is done, and then its signal is read',
    breaks: ['Q-ABORT-1'],
    change: () => (inner) => ({
      remove: async (ids, options = {}) => {
        const report = await inner.remove(ids, unsignalled(options))
        options.signal?.throwIfAborted()
        return report
      },
    }),
  }),
  brokenQueue({
    id: 'signal-taken-for-abort',
    title: 'a signal that has not aborted ends the call',
    breaks: ['Q-ABORT-1/a'],
    change: () => (inner) => ({
      sizes: async (options = {}) => {
        if (options.signal instanceof AbortSignal) throw options.signal.reason
        return inner.sizes(options)
      },
    }),
  }),
  brokenQueue({
    id: 'signal-halves-bodies',
    title: 'of a putMany that was aborted, items are left without their bodies',
    breaks: ['Q-ABORT-1/b'],
    change: () => (inner) => ({ putMany: (items, options = {}) => halved(inner, items, options) }),
  }),
  brokenQueue({
    id: 'signal-loses-results',
    title: 'of a settle that was aborted, the moves cannot be repeated',
    breaks: ['Q-ABORT-1/c'],
    change: () => (inner) => ({
      settle: async (outcomes, options = {}) => {
        const isUnderWay = options.signal instanceof AbortSignal && !options.signal.aborted
        const report = await inner.settle(outcomes, options)
        if (isUnderWay && outcomes.length > 1) await inner.remove(outcomes.map(({ id }) => id))
        return report
      },
    }),
  }),
]

function unsignalled<Options extends CallOptions>(options: Options): Omit<Options, 'signal'> {
  const rest: Omit<Options, 'signal'> & CallOptions = { ...options }
  Reflect.deleteProperty(rest, 'signal')
  return rest
}

async function halved(
  inner: Queue,
  items: Parameters<Queue['putMany']>[0],
  options: NonNullable<Parameters<Queue['putMany']>[1]>,
): ReturnType<Queue['putMany']> {
  const isUnderWay = options.signal instanceof AbortSignal && !options.signal.aborted
  if (!isUnderWay) return inner.putMany(items, options)
  return inner.putMany(
    items.map((item) => ({ ...item, body: null })),
    options,
  )
}
