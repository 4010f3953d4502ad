// The whole contract on a queue of one's own: `node --test`.
import { ManualRuntime, crashAtCalls } from '@sluice/testkit'
import { testQueue } from '@sluice/testkit/node'
import { shelfQueue } from './shelf-queue.mjs'

testQueue('a stranger’s queue', async () => {
  const [rooms, runtime] = [new Map(), new ManualRuntime()]
  const open = async (name = 'contract') => shelfQueue(name, rooms, runtime)
  return {
    open,
    passTime: (ms) => runtime.advance(ms),
    openCrashing: async (point) => crashAtCalls(await open(), point),
    close: async () => {},
  }
})
