import { SluiceError, type AttemptRef, type Queue, type Settlement, type Stage } from '@sluice/core'
import { brokenByCrash, brokenQueue, unchecked, unless, type QueueMutant } from './queue-mutant.js'

/** Queues that move wrongly. */
export const moveMutants: readonly QueueMutant[] = [
  brokenQueue({
    id: 'release-fails',
    title: 'release moves to FAIL',
    breaks: ['Q-MOVE-1', 'Q-LOOK-1'],
    change: () => (inner) => ({
      release: (id, { attempt } = {}) => inner.fail(id, attempt === undefined ? {} : { attempt }),
    }),
  }),
  brokenQueue({
    id: 'conflict-swallowed',
    title: 'a move that is refused resolves',
    breaks: ['Q-MOVE-1/a', 'Q-MOVE-1/b', 'Q-MOVE-1/c', 'Q-MOVE-1/d', 'Q-MOVE-1/f'],
    change: () => (inner) => ({
      success: (...args) => unless(inner.success(...args), 'SLUICE_STAGE_CONFLICT', () => undefined),
      fail: (...args) => unless(inner.fail(...args), 'SLUICE_STAGE_CONFLICT', () => undefined),
      release: (...args) => unless(inner.release(...args), 'SLUICE_STAGE_CONFLICT', () => undefined),
    }),
  }),
  brokenQueue({
    id: 'attempt-ignored',
    title: 'a move of any attempt is done',
    breaks: ['Q-MOVE-1/b', 'Q-MOVE-2/b', 'Q-SIZE-1/b', 'Q-SIZE-1/c', 'Q-SIZE-1/d'],
    change: () => (inner) => ({
      success: (id, ref = {}) => inner.success(id, without('attempt', ref)),
      fail: (id, ref = {}) => inner.fail(id, without('attempt', ref)),
      release: (id, ref = {}) => inner.release(id, without('attempt', ref)),
      settle: async (outcomes) =>
        inner.settle(await Promise.all(outcomes.map((one) => atPresent(inner, one)))),
    }),
  }),
  brokenQueue({
    id: 'uid-ignored',
    title: 'a move for another item of the same id is done',
    breaks: ['Q-MOVE-1/c'],
    change: () => (inner) => ({
      success: (id, ref = {}) => inner.success(id, without('uid', ref)),
      fail: (id, ref = {}) => inner.fail(id, without('uid', ref)),
      release: (id, ref = {}) => inner.release(id, without('uid', ref)),
    }),
  }),
  brokenQueue({
    id: 'late-fail-overwrites',
    title: 'a late fail overwrites SUCCESS',
    breaks: ['Q-MOVE-1/d'],
    change: () => (inner) => ({
      fail: (id, outcome) =>
        unless(inner.fail(id, outcome), 'SLUICE_STAGE_CONFLICT', async () => {
          await inner.remove([id])
          await inner.put(id, null)
          await inner.get(1)
          await inner.fail(id, outcome)
        }),
    }),
  }),
  brokenQueue({
    id: 'attempt-demanded',
    title: 'a move with no attempt is refused',
    breaks: ['Q-MOVE-1/e'],
    change: () => (inner) => ({
      release: async (id, options = {}) => {
        if (options.attempt === undefined) throw new TypeError('attempt is missing')
        return inner.release(id, options)
      },
    }),
  }),
  brokenQueue({
    id: 'move-unchecked',
    title: 'moves swallow what they should refuse',
    breaks: ['Q-MOVE-1/g', 'Q-MOVE-1/n', 'Q-MOVE-5/e', 'Q-MOVE-6/d', 'Q-LOOK-2/k', 'Q-DOWN-1/a'],
    change: () => (inner) => ({
      success: (...args) => unchecked(inner.success(...args), undefined),
      fail: (...args) => unchecked(inner.fail(...args), undefined),
      release: (...args) => unchecked(inner.release(...args), undefined),
      settle: (outcomes) => unchecked(inner.settle(outcomes), { settled: 0, refused: [] }),
    }),
  }),
  brokenQueue({
    id: 'uncounted-ignored',
    title: 'countAttempt: false is ignored',
    breaks: ['Q-MOVE-1/h', 'Q-SIZE-1/b', 'Q-SIZE-1/c'],
    change: () => (inner) => ({
      release: (id, options) => inner.release(id, { ...options, countAttempt: true }),
      settle: (outcomes) => inner.settle(outcomes.map((one) => ({ ...one, countAttempt: true }))),
    }),
  }),
  brokenQueue({
    id: 'requeue-unreported',
    title: 'requeue says that it moved all it was given',
    breaks: ['Q-MOVE-1/i', 'Q-MOVE-3'],
    change: () => (inner) => ({
      requeue: async (ids, options) => {
        await inner.requeue(ids, options)
        return { moved: ids.length, skipped: [] }
      },
    }),
  }),
  brokenQueue({
    id: 'remove-takes-running',
    title: 'remove takes an item that is PROCESSING',
    breaks: ['Q-MOVE-1/j', 'Q-SIZE-1/b', 'Q-SIZE-1/c', 'Q-SIZE-1/d'],
    change: () => (inner) => ({
      remove: async (ids, options) => {
        const running = await inner.list('PROCESSING', { limit: 1_000 })
        for (const { id } of running.items) if (ids.includes(id)) await inner.success(id)
        return inner.remove(ids, options)
      },
    }),
  }),
  brokenQueue({
    id: 'settle-stops',
    title: 'settle stops at the first refusal',
    breaks: ['Q-MOVE-1/k', 'Q-MOVE-1/m'],
    change: () => (inner) => ({
      settle: async (outcomes) => {
        for (const [index, one] of outcomes.entries()) {
          const { refused } = await inner.settle([one])
          if (refused.length > 0) return { settled: index, refused }
        }
        return { settled: outcomes.length, refused: [] }
      },
    }),
  }),
  brokenQueue({
    id: 'settle-last-wins',
    title: 'of two outcomes of one item in a settle the last counts',
    breaks: ['Q-MOVE-1/l'],
    change: () => (inner) => ({
      settle: (outcomes) => inner.settle([...new Map(outcomes.map((one) => [one.id, one])).values()]),
    }),
  }),
  brokenQueue({
    id: 'settle-capped',
    title: 'settle does the first 1,000 outcomes',
    breaks: ['Q-MOVE-1/m'],
    change: () => (inner) => ({ settle: (outcomes) => inner.settle(outcomes.slice(0, 1_000)) }),
  }),
  brokenQueue({
    id: 'settle-half',
    title: 'settle does the outcomes before a malformed one',
    breaks: ['Q-MOVE-1/n'],
    change: () => (inner) => ({
      settle: async (outcomes) => {
        const parts: number[] = []
        for (const one of outcomes) parts.push((await inner.settle([one])).settled)
        return { settled: parts.reduce((sum, settled) => sum + settled, 0), refused: [] }
      },
    }),
  }),
  brokenQueue({
    id: 'repeat-refused',
    title: 'a move that was done already is refused',
    breaks: ['Q-MOVE-2', 'Q-MOVE-4', 'Q-MOVE-4/a', 'Q-MOVE-4/b', 'Q-MOVE-5/f', 'Q-MOVE-6/e', 'Q-LOOK-2/l'],
    change: () => (inner) => ({
      success: (id, outcome) => onlyFromProcessing(inner, id, () => inner.success(id, outcome)),
      fail: (id, outcome) => onlyFromProcessing(inner, id, () => inner.fail(id, outcome)),
      release: (id, options) => onlyFromProcessing(inner, id, () => inner.release(id, options)),
    }),
  }),
  brokenQueue({
    id: 'repeat-at-once-refused',
    title: 'of equal moves at once all but one are refused',
    breaks: ['Q-MOVE-2/c'],
    change: () => {
      const moving = new Set<string>()
      return (inner) => ({
        success: async (id, outcome) => {
          if (moving.has(id)) throw new SluiceError('SLUICE_STAGE_CONFLICT', 'another move is under way')
          moving.add(id)
          await inner.success(id, outcome).finally(() => moving.delete(id))
        },
      })
    },
  }),
  brokenQueue({
    id: 'settle-repeat-refused',
    title: 'settle reports a repeat as refused',
    breaks: ['Q-MOVE-2/a', 'Q-MOVE-4/d'],
    change: () => (inner) => ({
      settle: async (outcomes) => {
        const fresh: Settlement[] = []
        for (const one of outcomes) if ((await stageOf(inner, one.id)) === 'PROCESSING') fresh.push(one)
        return inner.settle(fresh)
      },
    }),
  }),
  brokenQueue({
    id: 'repeat-by-stage',
    title: 'an item that waits for another reason counts as released',
    breaks: ['Q-MOVE-2/b'],
    change: () => (inner) => ({
      settle: async (outcomes) => {
        const report = await inner.settle(outcomes)
        if (outcomes[0]?.stage !== 'WAITING') return report
        return { settled: outcomes.length, refused: [] }
      },
    }),
  }),
  brokenQueue({
    id: 'unknown-is-conflict',
    title: 'a move of an unknown id is reported as a conflict',
    breaks: ['Q-MOVE-3'],
    change: () => (inner) => ({
      success: (id, outcome) =>
        unless(inner.success(id, outcome), 'SLUICE_ITEM_NOT_FOUND', () => {
          throw new SluiceError('SLUICE_STAGE_CONFLICT', 'not in PROCESSING')
        }),
    }),
  }),
  brokenByCrash({
    id: 'crash-in-move-loses',
    title: 'a process that dies in a move leaves the item in neither stage',
    breaks: ['Q-MOVE-4', 'Q-MOVE-4/a', 'Q-MOVE-4/b', 'Q-MOVE-4/c', 'Q-MOVE-4/d', 'Q-MOVE-5/g'],
    damage: async (healthy, method) => {
      if (!['success', 'fail', 'release', 'requeue', 'settle'].includes(method)) return
      for (const stage of ['PROCESSING', 'WAITING', 'FAIL', 'SUCCESS'] as const) {
        const { items } = await healthy.list(stage, { limit: 100 })
        if (stage === 'PROCESSING') for (const { id } of items) await healthy.success(id)
        await healthy.remove(items.map((item) => item.id))
      }
    },
  }),
  brokenByCrash({
    id: 'crash-in-remove-revives',
    title: 'a process that dies in remove leaves a new item of the same id behind',
    breaks: ['Q-MOVE-4/e'],
    damage: async (healthy, method) => {
      if (method !== 'remove') return
      const { items } = await healthy.list('SUCCESS', { limit: 100 })
      await healthy.remove(items.map((item) => item.id))
      await healthy.putMany(items.map(({ id, body }) => ({ id, body })))
    },
  }),
]

function without<T extends AttemptRef>(key: keyof AttemptRef, ref: T): T {
  const rest = { ...ref }
  delete rest[key]
  return rest
}

async function atPresent(inner: Queue, one: Settlement): Promise<Settlement> {
  const { uid: _, ...rest } = one
  return { ...rest, attempt: (await inner.lookup(one.id))?.attempt ?? one.attempt }
}

async function stageOf(inner: Queue, id: string): Promise<Stage | undefined> {
  return (await inner.lookup(id))?.stage
}

async function onlyFromProcessing(inner: Queue, id: string, move: () => Promise<void>): Promise<void> {
  const stage = await stageOf(inner, id)
  if (stage === 'PROCESSING') return move()
  throw new SluiceError('SLUICE_STAGE_CONFLICT', `the item is in ${stage}`)
}
