import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Queue, QueueItem } from '@sluice/core'
import { openQueue } from '@sluice/queue-sql'
import { makeItems } from './adapter.ts'
import { median } from './result.ts'
import type { ScalePoint } from './scale-result.ts'

const TURNS = 31

/** Fills one store to each of the sizes in turn, ascending, and measures at each. */
export async function measureStore(
  url: string,
  sizes: readonly number[],
  say: (point: ScalePoint) => void,
): Promise<ScalePoint[]> {
  const queue = await openQueue({ name: 'scale', url, timeoutMs: 120_000 })
  const points: ScalePoint[] = []
  for (const items of sizes) {
    const putPerSecond = await fillTo(queue, items)
    const ms = await costs(queue)
    const { serviceMb, tickMs } = await service(url)
    const point = { items, putPerSecond, ms: { ...ms, tick: tickMs }, serviceMb }
    points.push(point)
    say(point)
  }
  await queue.close()
  return points
}

async function fillTo(queue: Queue, wanted: number): Promise<number> {
  const count = wanted - (await queue.size('WAITING'))
  const startedAt = performance.now()
  for (let left = count; left > 0; left -= 1_000) await queue.putMany(makeItems(Math.min(left, 1_000)))
  return count / ((performance.now() - startedAt) / 1000)
}

async function costs(queue: Queue): Promise<Record<string, number>> {
  const claimed: QueueItem[][] = []
  const ids = (await queue.listHeads('WAITING', { limit: 1_000 })).items.map(({ id }) => id)
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
  const { stdout } = await promisify(execFile)(process.execPath, [program, url])
  const said: { serviceMb: number; tickMs: number } = JSON.parse(stdout)
  return said
}
