import type { Queue } from '@sluice/core'
import { ManualRuntime, crashAtCalls, troubleAtCalls, type QueueHarness } from '@sluice/testkit'
import { MemoryStore } from '../src/index.js'

/** A fresh store with a clock that the harness advances. */
export async function memoryHarness(): Promise<QueueHarness> {
  const runtime = new ManualRuntime()
  const store = new MemoryStore({ runtime })
  const opened: Queue[] = []
  const open = async (name = 'contract') => {
    const queue = store.queue(name)
    opened.push(queue)
    return queue
  }
  return {
    open,
    passTime: (ms) => runtime.advance(ms),
    setClockBack: async (ms) => runtime.setBack(ms),
    openCrashing: async (point) => crashAtCalls(await open(), point),
    openTroubled: async (options) => troubleAtCalls(await open(), options),
    troublesAtOnce: 12,
    close: async () => {
      await Promise.all(opened.map((queue) => queue.close()))
    },
  }
}
