// A process of its own: puts items, so that there is always something to claim.
import { setTimeout as pause } from 'node:timers/promises'
import { isSluiceError, STAGES, type Stage } from '@sluice/core'
import { openQueueOf, type QueueSetup } from './build.ts'
import { feedAll, type FeedOptions } from './feeding.ts'

export interface FeederSetup extends FeedOptions {
  readonly queue: QueueSetup
}

const { queue: setup, ...options }: FeederSetup = JSON.parse(process.argv[2] ?? '')
const queue = await tried(() => openQueueOf(setup))

feedAll(
  {
    // What was not acknowledged is put again: it is there once all the same.
    put: async (items) => {
      await tried(() => queue.putMany(items))
    },
    close: () => queue.close(),
  },
  options,
  {
    /** How many items each stage has. */
    sizes: async () => {
      const sizes: Partial<Record<Stage, number>> = {}
      for (const stage of STAGES) sizes[stage] = await tried(() => queue.size(stage))
      return sizes
    },
  },
)

async function tried<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!isSluiceError(error) || !error.retryable) throw error
      await pause(50)
    }
  }
}
