import type { QueueControl } from '@sluice/core'
import { check, resolves, same } from '../../../check.js'
import type { QueueCase } from '../../queue-harness.js'
import { settingsOf } from '../../queue-walk.js'
import { atEveryPoint, needsCrashing } from '../troubles/crash-points.js'

/** Q-CTRL-2. */
export const syncCases: readonly QueueCase[] = [
  {
    id: 'Q-CTRL-2',
    title: 'sync gives a number that is one more each time, and every Queue object reads it',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      same(await syncsOf(queue.control), 0, 'none was asked for yet')
      for (const number of [1, 2, 3, 4, 5]) {
        const { control } = number % 2 === 0 ? other : queue
        same(await control.sync(), number, `the sync number ${number} gives ${number}`)
        same([await syncsOf(queue.control), await syncsOf(other.control)], [number, number], 'both read it')
      }
      await queue.close()
      await other.close()
      const { control } = await harness.open()
      same(
        [await syncsOf(control), await control.sync()],
        [5, 6],
        'an object opened later goes on from there',
      )
    },
  },
  {
    id: 'Q-CTRL-2/a',
    title: 'syncs at once, through several Queue objects, each get a number of their own',
    async run(harness) {
      const queues = await Promise.all([harness.open(), harness.open(), harness.open(), harness.open()])
      const calls = [0, 1, 2].flatMap(() => queues.map((queue) => queue.control.sync()))
      const numbers = (await Promise.all(calls)).toSorted((a, b) => a - b)
      same(
        numbers,
        Array.from({ length: 12 }, (_, index) => index + 1),
        'twelve syncs give 1 to 12',
      )
      same(await syncsOf(queues[0].control), 12, 'and the last one is read')
    },
  },
  {
    id: 'Q-CTRL-2/b',
    title: 'sync changes neither pause nor limits, nor they the number; of another name it is another one',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      await queue.control.pause('of mine')
      await queue.control.setLimits({ maxProcessing: 4 })
      const before = await settingsOf(queue)
      same(await other.control.sync(), 1, 'it goes on a paused queue too')
      same(await settingsOf(queue), before, 'pause and limits are as they were')
      await other.control.resume()
      await queue.control.setLimits({ maxProcessing: null, gpu: 1 })
      await queue.control.pause()
      same(await syncsOf(other.control), 1, 'resume, limits and pause leave the number')
      const [next] = await Promise.all([queue.control.sync(), other.control.setLimits({ gpu: 2 })])
      same([next, await syncsOf(other.control)], [2, 2], 'also at once')
      same((await settingsOf(queue)).limits, { gpu: 2 }, 'and neither is lost')
      const elsewhere = await harness.open('elsewhere')
      same(
        [await syncsOf(elsewhere.control), await elsewhere.control.sync()],
        [0, 1],
        'another name counts from the start',
      )
      same(await syncsOf(queue.control), 2, 'and for itself')
    },
  },
  {
    id: 'Q-CTRL-2/c',
    title: 'a process that dies at any point of sync leaves a number that only grew',
    needs: needsCrashing,
    async run(harness) {
      const queue = await harness.open()
      await atEveryPoint(harness, async (crashing) => {
        const before = await syncsOf(queue.control)
        // The process dies in it, or it went through: what is stored says which.
        const given = await crashing.control.sync().catch(() => undefined)
        const after = await syncsOf(queue.control)
        check(
          after === before + 1 || (given === undefined && after === before),
          'it is one more, or as before',
        )
        if (given !== undefined) same(given, after, 'what was given is what is stored')
        const next = await resolves(queue.control.sync(), 'the next sync works')
        same([next, await syncsOf(queue.control)], [after + 1, after + 1], 'and is one more')
      })
    },
  },
]

async function syncsOf(control: QueueControl): Promise<number> {
  return (await control.read()).syncs ?? 0
}
