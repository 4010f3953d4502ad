import type { Queue } from '@sluice/core'
import { resolves, same } from '../../../check.js'
import type { QueueCase } from '../../queue-harness.js'
import { bringAll, jobsOf, recordOf } from '../../queue-walk.js'
import { atEveryPoint, needsCrashing } from '../troubles/crash-points.js'
import { troubleCase } from '../troubles/trouble-run.js'

/** Q-UPDATE-4. */
export const updateCrashCases: readonly QueueCase[] = [
  {
    id: 'Q-UPDATE-4',
    title:
      'a process that dies at any point of update leaves each item as it was or as changed; it can be repeated',
    needs: needsCrashing,
    async run(harness) {
      const queue = await harness.open()
      await atEveryPoint(harness, (crashing, point) => crashed({ queue, crashing, point }))
    },
  },
  troubleCase('Q-UPDATE-4/a', 'update', () => ({
    prepare: (healthy, keys) => bringAll(healthy, keys, 'WAITING'),
    call: (queue, key) => queue.update([{ id: key, body: { new: key }, priority: 1 }]),
    ids: (key) => [key],
    inspect: async (healthy, key, end) => {
      if ('value' in end)
        same(end.value, { updated: 1, skipped: [] }, 'it gives what it gives when all goes well')
      const { body, stage, attempt, priority } = await recordOf(healthy, key)
      same([stage, attempt], ['WAITING', 0], `${key} waits`)
      const old = JSON.stringify([{ of: key }, 0])
      const is = JSON.stringify([body, priority])
      if ('value' in end || is !== old) same([body, priority], [{ new: key }, 1], `${key} is changed, whole`)
    },
    repeat: async (healthy, key) => {
      const change = { id: key, body: { new: key }, priority: 1 }
      const again = await resolves(healthy.update([change]), 'it can be repeated')
      same(again, { updated: 1, skipped: [] }, 'and is done')
      same((await recordOf(healthy, key)).body, { new: key }, 'then the body is the new one')
    },
    finish: async (healthy, keys) => void (await healthy.remove(keys)),
  })),
]

interface Crash {
  readonly queue: Queue
  readonly crashing: Queue
  readonly point: number
}

async function crashed({ queue, crashing, point }: Crash): Promise<void> {
  const ids = [0, 1, 2].map((index) => `p${point}-${index}`)
  // At once: their priorities differ when they are given out.
  await queue.putMany(ids.map((id) => ({ id, body: null })))
  const changes = ids.map((id, index) => ({ id, body: `new ${id}`, priority: index }))
  // The process dies in it, or it went through: what is stored says which.
  await crashing.update(changes).catch(() => undefined)
  for (const [index, id] of ids.entries()) {
    const { stage, attempt, body, priority } = await recordOf(queue, id)
    const isOld = body === null
    same([stage, attempt], ['WAITING', 0], `${id} waits`)
    same([body, priority], isOld ? [null, 0] : [`new ${id}`, index], `${id} is as it was, or as changed`)
  }
  const again = await resolves(queue.update(changes), 'it can be repeated by another process')
  same(again, { updated: 3, skipped: [] }, 'and then all are changed')
  const items = await queue.get(9)
  same(
    jobsOf(items),
    ids.toReversed().map((id) => `${id}@1`),
    'they are given out by their new priorities, once',
  )
  same(
    items.map(({ body }) => body),
    ids.toReversed().map((id) => `new ${id}`),
    'with their new bodies',
  )
  await queue.settle(ids.map((id) => ({ id, attempt: 1, stage: 'SUCCESS' })))
  same((await queue.remove(ids)).removed, 3, 'and can be finished and removed')
}
