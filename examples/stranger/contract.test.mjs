// The whole contract on a queue of one's own: `node --test`.
import { ManualClock, crashAtCalls } from '@sluice/testkit'
import { testQueue } from '@sluice/testkit/node'
import { shelfQueue } from './shelf-queue.mjs'

testQueue('a stranger’s queue', async () => {
  const [rooms, clock] = [new Map(), new ManualClock()]
  const open = async (name = 'contract') => shelfQueue(name, rooms, clock)
  return {
    open,
    passTime: (ms) => clock.advance(ms),
    openCrashing: async (point) => crashAtCalls(await open(), point),
    close: async () => {},
  }
})
