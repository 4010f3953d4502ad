import { check, refuses, same } from '../../../check.js'
import { posingAs } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import { getOne, settingsOf } from '../../queue-walk.js'

/** Q-CTRL-1. */
export const controlCases: readonly QueueCase[] = [
  {
    id: 'Q-CTRL-1',
    title: 'a pause and its reason are seen by every Queue object until resume, and stop no get',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      same(await settingsOf(queue), { paused: false, limits: {} }, 'a fresh queue is not paused')
      const before = await queue.now()
      await queue.control.pause('too many failures')
      const state = await other.control.read()
      same([state.paused, state.reason], [true, 'too many failures'], 'the other Queue object sees the pause')
      check((state.pausedAt ?? 0) >= before - 1_000, 'and since when, by the storage’s clock', [
        state,
        before,
      ])
      await queue.put('a', 1)
      same((await getOne(queue)).id, 'a', 'a pause does not stop get: that is for the engine')
      await other.control.resume()
      same(await settingsOf(queue), { paused: false, limits: {} }, 'the other’s resume is seen')
      await other.control.resume()
      await queue.control.pause()
      const plain = await other.control.read()
      same([plain.paused, plain.reason], [true, undefined], 'a pause needs no reason, and keeps no old one')
    },
  },
  {
    id: 'Q-CTRL-1/a',
    title: 'limits are set and taken away one by one; 0 is a limit',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      await queue.control.setLimits({ maxProcessing: 0, 'odd name’s': 1.5 })
      same(
        (await other.control.read()).limits,
        { maxProcessing: 0, 'odd name’s': 1.5 },
        '0 and fractions are kept',
      )
      await other.control.setLimits({ gpu: 8 })
      await queue.control.setLimits({ maxProcessing: 20 })
      same(
        (await other.control.read()).limits,
        { maxProcessing: 20, 'odd name’s': 1.5, gpu: 8 },
        'names that are not mentioned stay',
      )
      await other.control.setLimits({ gpu: null, unknown: null })
      same(
        (await queue.control.read()).limits,
        { maxProcessing: 20, 'odd name’s': 1.5 },
        'null takes one away',
      )
      await queue.control.setLimits({})
      same(
        (await queue.control.read()).limits,
        { maxProcessing: 20, 'odd name’s': 1.5 },
        'nothing changes nothing',
      )
    },
  },
  {
    id: 'Q-CTRL-1/b',
    title: 'pause and limits set at once by several processes do not undo each other',
    async run(harness) {
      const queues = await Promise.all([harness.open(), harness.open(), harness.open(), harness.open()])
      await Promise.all([
        ...queues.map((queue, index) => queue.control.setLimits({ [`limit${index}`]: index })),
        queues[0].control.pause('at once'),
      ])
      const state = await queues[1].control.read()
      same(
        [state.paused, state.reason, state.limits],
        [true, 'at once', { limit0: 0, limit1: 1, limit2: 2, limit3: 3 }],
        'all five writes are there',
      )
      await Promise.all([queues[2].control.resume(), queues[3].control.setLimits({ limit0: null })])
      same(
        await settingsOf(queues[0]),
        { paused: false, limits: { limit1: 1, limit2: 2, limit3: 3 } },
        'a resume leaves the limits, a limit leaves the resume',
      )
    },
  },
  {
    id: 'Q-CTRL-1/c',
    title: 'a limit that is no number of 0 or more is a TypeError, and none of the call is set',
    async run(harness) {
      const queue = await harness.open()
      for (const wrong of [-1, Number.NaN, Number.POSITIVE_INFINITY, '5', true]) {
        const limits: Record<string, number> = { good: 1, bad: posingAs(wrong) }
        await refuses(() => queue.control.setLimits(limits), `setLimits refuses ${String(wrong)}`)
      }
      same((await queue.control.read()).limits, {}, 'nothing of the refused calls is set')
    },
  },
]
