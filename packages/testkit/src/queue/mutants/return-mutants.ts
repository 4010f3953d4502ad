import type { ItemRecord, JsonValue, Queue, ReleaseOptions, Settlement } from '@sluice/core'
import { brokenByCrash, brokenQueue, type QueueMutant } from './queue-mutant.js'

/** Queues that give items back wrongly, forget how a job ended, or miscount syncs. */
export const returnMutants: readonly QueueMutant[] = [
  returning(
    'place-ignored',
    'keepPlace is ignored',
    ['Q-MOVE-5', 'Q-MOVE-5/a', 'Q-MOVE-5/b', 'Q-MOVE-5/c', 'Q-MOVE-5/d', 'Q-MOVE-5/f', 'Q-MOVE-5/g'],
    (options) => ({ ...options, keepPlace: false }),
  ),
  returning('place-uncounted', 'an item that keeps its place is uncounted', ['Q-MOVE-5/d'], (options) => ({
    ...options,
    countAttempt: options.countAttempt !== false && options.keepPlace !== true,
  })),
  returning(
    'retry-state-dropped',
    'a retryState is forgotten',
    ['Q-MOVE-6', 'Q-MOVE-6/a', 'Q-MOVE-6/b', 'Q-MOVE-6/c', 'Q-MOVE-6/e'],
    (options) => stateless(options),
  ),
  brokenQueue({
    id: 'retry-state-kept',
    title: 'a release with no retryState keeps the one of before',
    breaks: ['Q-MOVE-6/a'],
    change: () => (inner) => ({
      release: async (id, options = {}) => {
        const retryState = options.retryState ?? (await inner.lookup(id))?.retryState
        return inner.release(id, retryState === undefined ? options : { ...options, retryState })
      },
    }),
  }),
  brokenQueue({
    id: 'retry-state-not-in-heads',
    title: 'listSummaries shows no retryState',
    breaks: ['Q-MOVE-6'],
    change: () => (inner) => ({
      listSummaries: async (...args) => {
        const page = await inner.listSummaries(...args)
        return { ...page, items: page.items.map(stateless) }
      },
    }),
  }),
  brokenQueue({
    id: 'retry-state-null-absent',
    title: 'get takes a retryState of null for none',
    breaks: ['Q-MOVE-6/c'],
    change: () => (inner) => ({
      get: async (...args) => {
        const items = await inner.get(...args)
        return items.map(({ retryState, ...item }) => (retryState == null ? item : { ...item, retryState }))
      },
    }),
  }),
  viewing('requeue-keeps-retry-state', 'a requeue keeps the retryState', ['Q-MOVE-6/b'], (record) =>
    isRequeued(record) ? { ...record, retryState: { tries: 7 } } : record,
  ),
  viewing(
    'outcome-not-shown',
    'the record shows no exit code and no class',
    ['Q-LOOK-2/f', 'Q-LOOK-2/g', 'Q-LOOK-2/j'],
    (record) => {
      const { failureClass: _, exitCode: __, ...rest } = record
      return rest
    },
  ),
  viewing('claim-forgets-outcome', 'a claim takes away how the last job ended', ['Q-LOOK-2/f'], (record) => {
    if (record.stage !== 'PROCESSING') return record
    const { failureClass: _, exitCode: __, jobUid: ___, ...rest } = record
    return rest
  }),
  viewing('class-of-success', 'a success shows the class of an earlier failure', ['Q-LOOK-2/g'], (record) => {
    const failureClass = record.history.findLast((one) => one.failureClass !== undefined)?.failureClass
    return record.stage === 'SUCCESS' && failureClass !== undefined ? { ...record, failureClass } : record
  }),
  viewing('outcome-after-requeue', 'a requeue keeps the exit code', ['Q-LOOK-2/h'], (record) => {
    const exitCode = record.history.at(-1)?.exitCode
    return isRequeued(record) && exitCode !== undefined ? { ...record, exitCode } : record
  }),
  returning(
    'unsent-uncounted-only',
    'unsent is an uncounted attempt, and no more',
    ['Q-LOOK-2/i'],
    (options) => ({
      ...options,
      countAttempt: options.countAttempt !== false && options.unsent !== true,
      unsent: false,
    }),
  ),
  returning('unsent-counted', 'what was never sent counts', ['Q-LOOK-2/i', 'Q-MOVE-5/d'], (options) => ({
    ...options,
    unsent: false,
  })),
  viewing('exit-code-of-32-bits', 'exit codes are kept in 32 bits', ['Q-LOOK-2/j'], (record) =>
    record.exitCode === undefined ? record : { ...record, exitCode: record.exitCode | 0 },
  ),
  brokenQueue({
    id: 'sync-of-one-process',
    title: 'each Queue object counts its own syncs',
    breaks: ['Q-CTRL-2', 'Q-CTRL-2/a', 'Q-CTRL-2/b'],
    change: () => (inner) => {
      let syncs = 0
      return {
        control: {
          read: async () => ({ ...(await inner.control.read()), syncs }),
          pause: (reason) => inner.control.pause(reason),
          resume: () => inner.control.resume(),
          setLimits: (limits) => inner.control.setLimits(limits),
          sync: async () => {
            await inner.control.sync()
            return ++syncs
          },
        },
      }
    },
  }),
  syncing('sync-resumes', 'a sync ends a pause', ['Q-CTRL-2/b'], async (inner) => {
    await inner.control.resume()
    return inner.control.sync()
  }),
  syncing(
    'sync-read-first',
    'the number of a sync is read, and then written',
    ['Q-CTRL-2/a'],
    async (inner) => {
      const { syncs = 0 } = await inner.control.read()
      await inner.control.sync()
      return syncs + 1
    },
  ),
  brokenByCrash({
    id: 'crash-in-sync-counts-on',
    title: 'a process that dies in a sync leaves the number two higher',
    breaks: ['Q-CTRL-2/c'],
    damage: async (healthy, method) => {
      if (method !== 'control.sync') return
      await healthy.control.sync()
      await healthy.control.sync()
    },
  }),
]

type Return = Pick<ReleaseOptions & Settlement, 'countAttempt' | 'unsent' | 'keepPlace' | 'retryState'>

/** A mutant that changes how items come back to WAITING. */
function returning(
  id: string,
  title: string,
  breaks: readonly string[],
  ...[change]: readonly [<T extends Return>(options: T) => T | Omit<T, 'retryState'>]
): QueueMutant {
  const changes = (inner: Queue): Partial<Queue> => ({
    release: (itemId, options = {}) => inner.release(itemId, change(options)),
    settle: (outcomes) =>
      inner.settle(outcomes.map((one) => ({ ...(one.stage === 'WAITING' ? change(one) : one) }))),
  })
  return brokenQueue({ id, title, breaks, change: () => changes })
}

/** A mutant whose `lookup` shows something else. */
function viewing(
  id: string,
  title: string,
  breaks: readonly string[],
  ...[view]: readonly [(record: ItemRecord) => ItemRecord]
): QueueMutant {
  const changes = (inner: Queue): Partial<Queue> => ({
    lookup: async (itemId) => {
      const record = await inner.lookup(itemId)
      return record && view(record)
    },
  })
  return brokenQueue({ id, title, breaks, change: () => changes })
}

function syncing(
  id: string,
  title: string,
  breaks: readonly string[],
  ...[sync]: readonly [(inner: Queue) => Promise<number>]
): QueueMutant {
  const changes = (inner: Queue): Partial<Queue> => ({
    control: {
      read: () => inner.control.read(),
      pause: (reason) => inner.control.pause(reason),
      resume: () => inner.control.resume(),
      setLimits: (limits) => inner.control.setLimits(limits),
      sync: () => sync(inner),
    },
  })
  return brokenQueue({ id, title, breaks, change: () => changes })
}

function isRequeued({ stage, history }: ItemRecord): boolean {
  return stage === 'WAITING' && history.at(-1)?.outcome === 'FAIL'
}

function stateless<T extends { readonly retryState?: JsonValue }>(view: T): Omit<T, 'retryState'> {
  const { retryState: _, ...rest } = view
  return rest
}
