import { STAGES, eachSummary, type ItemSummary, type Queue, type Runtime, type Stage } from '@sluice/core'
import type { QueueHarness } from './queue-harness.js'

/** How a harness reaches a store of which only opening a queue is known. */
export interface StoreHarnessOptions {
  /** Opens a queue of this name on the store under test. */
  readonly open: (name: string) => Promise<Queue>
  /** Removes a queue that was opened so. Default: its items are removed, and the empty queue stays. */
  readonly drop?: (name: string) => Promise<unknown>
  readonly runtime: Runtime
}

/**
 * A harness for a store that is in use: each case has queues of throwaway names, which are removed
 * afterwards. Time passes by waiting for the storage's clock.
 */
export function storeHarness({ open, drop, runtime }: StoreHarnessOptions): QueueHarness {
  const prefix = `sluice-verify-${runtime.newId()}`
  const opened: { readonly name: string; readonly queue: Queue }[] = []
  const remove = drop ?? (async (name: string) => emptyQueue(await open(name)))
  return {
    async open(name = 'contract') {
      const stored = `${prefix}-${name}`
      const queue = await open(stored)
      opened.push({ name: stored, queue })
      return renamed(queue, name)
    },
    passTime: (ms) =>
      waitFor(
        opened.map(({ queue }) => queue),
        { ms, runtime },
      ),
    async close() {
      await Promise.all(opened.map(({ queue }) => queue.close()))
      for (const name of new Set(opened.map((one) => one.name))) await remove(name)
    },
  }
}

/** The contract reads back the name that it opened a queue by; in the store the name is longer. */
function renamed(queue: Queue, name: string): Queue {
  return new Proxy(queue, {
    get(target, key): unknown {
      if (key === 'name') return name
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/**
 * The storage's clock decides. It may be ahead of the machine's or run at another pace, and two queues may
 * read it differently: `ms` have passed by the slowest reading since the fastest began.
 */
async function waitFor(
  queues: readonly Queue[],
  { ms, runtime }: { readonly ms: number; readonly runtime: Runtime },
): Promise<void> {
  if (queues.length === 0) return runtime.sleep(ms)
  const readings = () => Promise.all(queues.map((queue) => queue.now()))
  const untilAt = Math.max(...(await readings())) + ms
  for (let left = ms; left > 0; left = untilAt - Math.min(...(await readings())))
    await runtime.sleep(Math.max(left, 1))
}

async function emptyQueue(queue: Queue): Promise<void> {
  try {
    for (const stage of ['PROCESSING', ...STAGES] as const) await emptyStage(queue, stage)
    await queue.control.resume()
    const { limits } = await queue.control.read()
    await queue.control.setLimits(Object.fromEntries(Object.keys(limits).map((name) => [name, null])))
  } finally {
    await queue.close()
  }
}

async function emptyStage(queue: Queue, stage: Stage): Promise<void> {
  const all: ItemSummary[] = []
  for await (const summary of eachSummary(queue, stage)) all.push(summary)
  for (let from = 0; from < all.length; from += BATCH) {
    const batch = all.slice(from, from + BATCH)
    if (stage === 'PROCESSING')
      await queue.settle(batch.map(({ id, attempt }) => ({ id, attempt, stage: 'FAIL' })))
    else await queue.remove(batch.map(({ id }) => id))
  }
}

const BATCH = 1_000
