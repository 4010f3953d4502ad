import type { Queue, QueueItem } from '@sluice/core'
import { check, resolves, same, sameMembers } from '../../../check.js'
import type { QueueCase } from '../../queue-harness.js'
import { contentOf, idsOf, jobsOf, recordOf, recordsOf } from '../../queue-walk.js'
import { atEveryPoint, needsCrashing } from '../troubles/crash-points.js'

/** Q-GET-2 and Q-GET-4. */
export const claimCases: readonly QueueCase[] = [
  {
    id: 'Q-GET-2',
    title: 'four Queue objects that claim at once get every item exactly once between them',
    async run(harness) {
      const queues = await Promise.all([harness.open(), harness.open(), harness.open(), harness.open()])
      const ids = await load(queues[0], 60)
      const given = (await Promise.all(queues.map((queue) => claimAll(queue, 4)))).flat()
      sameMembers(
        jobsOf(given),
        ids.map((id) => `${id}@1`),
        'every (id, attempt) was given out exactly once',
      )
    },
  },
  {
    id: 'Q-GET-2/a',
    title: 'a Queue object whose view is old gives out nothing that another one claimed since',
    async run(harness) {
      const [late, early] = [await harness.open(), await harness.open()]
      const ids = await load(late, 20)
      await late.peek(20)
      await recordsOf(late, 'WAITING', 7)
      await late.get(2).then((items) => late.settle(releases(items)))
      const first = await early.get(15)
      const second = await late.get(20)
      const jobs = jobsOf([...first, ...second])
      same(new Set(jobs).size, jobs.length, 'no (id, attempt) was given out twice')
      sameMembers(idsOf([...first, ...second]), ids, 'all items were given out between the two')
    },
  },
  {
    id: 'Q-GET-2/b',
    title: 'many gets at once on one Queue object never give the same item',
    async run(harness) {
      const queue = await harness.open()
      const ids = await load(queue, 40)
      const given = await Promise.all(Array.from({ length: 20 }, () => queue.get(3)))
      const rest = await claimAll(queue, 10)
      sameMembers(
        jobsOf([...given.flat(), ...rest]),
        ids.map((id) => `${id}@1`),
        'each exactly once',
      )
    },
  },
  {
    id: 'Q-GET-2/c',
    title:
      'with claims, releases, failures and requeues going on at once, no (id, attempt) is given out twice',
    async run(harness) {
      const queues = await Promise.all([harness.open(), harness.open(), harness.open()])
      await load(queues[0], 24)
      const given: string[] = []
      await Promise.all(queues.map((queue) => churn(queue, 8, given)))
      same(
        new Set(given).size,
        given.length,
        `${given.length} were given out, no (id, attempt) of them twice`,
      )
      const content = await contentOf(queues[0])
      same(Object.values(content).flat().length, 24, 'all items are still there, each in one stage')
      for (const record of await recordsOf(queues[0], 'WAITING')) {
        check(
          record.attempt === 0 || given.includes(`${record.id}@${record.attempt}`),
          `${record.id} is at an attempt that was given out`,
          record,
        )
      }
    },
  },
  {
    id: 'Q-GET-2/d',
    title: 'two gets of one item that was released give it once, at the next attempt',
    async run(harness) {
      const [a, b] = [await harness.open(), await harness.open()]
      await a.put('x', 1)
      for (let attempt = 1; attempt <= 5; attempt++) {
        const given = (await Promise.all([a.get(1), b.get(1), a.get(1), b.get(1)])).flat()
        same(jobsOf(given), [`x@${attempt}`], `of four gets one receives the item, at attempt ${attempt}`)
        await b.release('x', { attempt })
      }
    },
  },
  {
    id: 'Q-GET-4',
    title: 'a process that dies at any point of get loses no item, and gives none out twice',
    needs: needsCrashing,
    async run(harness) {
      const queue = await harness.open()
      await atEveryPoint(harness, async (crashing, point) => {
        const ids = [0, 1, 2, 3].map((index) => `p${point}-${index}`)
        await queue.putMany(ids.map((id) => ({ id, body: { id } })))
        // The process dies in it, or it went through: what is stored says which.
        const seen = await crashing.get(3).catch((): QueueItem[] => [])
        const running = (await recordsOf(queue, 'PROCESSING')).filter((record) => ids.includes(record.id))
        const waiting = (await recordsOf(queue, 'WAITING')).filter((record) => ids.includes(record.id))
        sameMembers(idsOf([...running, ...waiting]), ids, 'each item is in WAITING or in PROCESSING, once')
        for (const record of running) {
          same(
            [record.attempt, record.body],
            [1, { id: record.id }],
            'in PROCESSING list shows its attempt and body',
          )
        }
        const rest = await resolves(queue.get(10), 'the next get works')
        const jobs = jobsOf([...seen, ...rest])
        same(new Set(jobs).size, jobs.length, 'no (id, attempt) was given out twice')
        await finishAll(queue, ids)
      })
    },
  },
  {
    id: 'Q-GET-4/a',
    title: 'what a dead process had claimed can be released and is given out again, at the next attempt',
    needs: needsCrashing,
    async run(harness) {
      const queue = await harness.open()
      await atEveryPoint(harness, async (crashing, point) => {
        const id = `p${point}`
        await queue.put(id, 1)
        // The process dies in it, or it went through: what is stored says which.
        await crashing.get(1).catch(() => undefined)
        const [held] = await recordsOf(queue, 'PROCESSING')
        if (held !== undefined) await queue.release(id, { attempt: held.attempt })
        const claimed = held === undefined ? 0 : held.attempt
        const [item] = await queue.get(5)
        check(
          item?.id === id && item.attempt > claimed,
          `after the release ${id} comes at an attempt above ${claimed}`,
          item,
        )
        await finishAll(queue, [id])
      })
    },
  },
]

async function load(queue: Queue, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, index) => `i${index}`)
  await queue.putMany(ids.map((id) => ({ id, body: id })))
  return ids
}

/**
 * Claims until a get gives nothing; bounded, so that a queue which gives for ever fails instead of hanging.
 */
async function claimAll(queue: Queue, size: number): Promise<QueueItem[]> {
  const given: QueueItem[] = []
  for (let round = 0; round < 200; round++) {
    const items = await queue.get(size)
    if (items.length === 0) return given
    given.push(...items)
  }
  throw new Error(`get(${size}) still gives items after 200 rounds`)
}

async function churn(queue: Queue, rounds: number, given: string[]): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const items = await queue.get(5)
    given.push(...jobsOf(items))
    const report = await queue.settle(
      items.map(({ id, attempt }, index) => ({ id, attempt, stage: index % 3 === 0 ? 'FAIL' : 'WAITING' })),
    )
    same(report, { settled: items.length, refused: [] }, 'who was given an item can settle it')
    await queue.requeue(items.map((item) => item.id))
  }
}

function releases(items: readonly QueueItem[]) {
  return items.map(({ id, attempt }) => ({ id, attempt, stage: 'WAITING' as const }))
}

async function finishAll(queue: Queue, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const { stage, attempt } = await recordOf(queue, id)
    if (stage === 'WAITING') continue
    await resolves(queue.success(id, { attempt }), `${id} can be finished`)
  }
  await queue.remove(ids)
}
