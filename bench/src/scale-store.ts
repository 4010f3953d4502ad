import { loadavg } from 'node:os'
import { join } from 'node:path'
import type { Queue, QueueItem } from '@sluice/core'
import { openQueue } from '@sluice/queue-sql'
import { makeItems } from './adapter.ts'
import { putInBatches } from './batches.ts'
import { outputOf } from './child.ts'
import { median } from './result.ts'
import { measureLoad } from './scale-load.ts'
import type { ScaleStore } from './scale-place.ts'
import type { ScalePoint } from './scale-result.ts'

const TURNS = 31

/**
 * Fills one place to each of the sizes in turn, ascending, and measures at each; `note` gets each size's
 * figures as they come.
 */
export async function measureStore(
  store: ScaleStore,
  sizes: readonly number[],
  note: (point: ScalePoint) => void,
): Promise<void> {
  const place = await store.makePlace()
  const queue = await openQueue({ name: 'scale', url: place.url, timeoutMs: 120_000 })
  try {
    for (const items of sizes) {
      const loadBefore = loadNow()
      const missing = items - (await queue.size('WAITING'))
      const { perSecond: putPerSecond } = await putInBatches(missing, (batch) => queue.putMany(batch))
      await place.calm()
      const ms = await costs(queue)
      await place.calm()
      const { serviceMb, tickMs } = await service(place.url)
      const diskMb = (await place.bytes()) / 1e6
      const load = await measureLoad(store, items)
      const machineLoad = Math.max(loadBefore, loadNow())
      note({ items, putPerSecond, ms: { ...ms, tick: tickMs }, serviceMb, diskMb, load, machineLoad })
    }
  } finally {
    await queue.close()
    await place.leave()
  }
}

/** The load average of one minute. */
function loadNow(): number {
  return loadavg()[0] ?? 0
}

async function costs(queue: Queue): Promise<Record<string, number>> {
  const claimed: QueueItem[][] = []
  const ids = (await queue.listSummaries('WAITING', { limit: 1_000 })).items.map(({ id }) => id)
  const get = await timed(async () => {
    claimed.push(await queue.get(100))
  })
  const settle = await timed(async () => {
    const items = claimed.pop() ?? []
    await queue.settle(items.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })))
  })
  return {
    'get(100)': get,
    'settle(100)': settle,
    'putMany(100)': await timed(async () => {
      await queue.putMany(makeItems(100))
    }),
    lookupStatus: await timed(async (turn) => {
      await queue.lookupStatus(ids[turn] ?? '')
    }),
    size: await timed(async () => {
      await queue.size('WAITING')
    }),
  }
}

async function timed(work: (turn: number) => Promise<void>): Promise<number> {
  const times: number[] = []
  for (let turn = 0; turn < TURNS; turn++) {
    const startedAt = performance.now()
    await work(turn)
    times.push(performance.now() - startedAt)
  }
  return median(times)
}

/** A process of its own that ticks on this queue with 500 in PROCESSING. */
async function service(url: string): Promise<{ serviceMb: number; tickMs: number }> {
  const program = join(import.meta.dirname, 'scale-service.ts')
  const said: { serviceMb: number; tickMs: number } = JSON.parse(await outputOf([program, url]))
  return said
}
