import { createWriteStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Adapter } from './adapter.ts'
import { batches, putInBatches } from './batches.ts'
import { outputOf } from './child.ts'
import { median } from './result.ts'
import type { LoadPoint } from './scale-result.ts'
import type { Place, ScaleStore } from './scale-place.ts'
import { removeFolder, temporaryFolder } from './temporary.ts'

/** Above it one turn each: it takes minutes, and short disturbances come out even in it. */
const MANY = 1_000_000
const CLI = join(import.meta.dirname, '../../apps/service/dist/cli.js')
const PEAK = join(import.meta.dirname, 'peak-memory.ts')

/**
 * `sluice load` of so many lines into an empty store, beside bare inserts of as many items, in turns; each
 * store goes when it is full.
 */
export async function measureLoad(store: ScaleStore, items: number): Promise<LoadPoint> {
  const folder = temporaryFolder('manifest')
  try {
    const manifest = join(folder, 'items.jsonl')
    await pipeline(Readable.from(lines(items)), createWriteStream(manifest))
    const turns = items <= MANY ? 3 : 1
    const loads: { perSecond: number; peakMb: number }[] = []
    const bare: number[] = []
    for (let turn = 0; turn < turns; turn++) {
      loads.push(await within(store, (place) => load(place, manifest, items)))
      bare.push(await within(store, (place) => insert(store.bare, place, items)))
    }
    return {
      perSecond: median(loads.map(({ perSecond }) => perSecond)),
      barePerSecond: median(bare),
      ratio: median(loads.map(({ perSecond }, turn) => perSecond / (bare[turn] ?? Number.NaN))),
      peakMb: Math.max(...loads.map(({ peakMb }) => peakMb)),
    }
  } finally {
    removeFolder(folder)
  }
}

function* lines(items: number): Generator<string> {
  for (const batch of batches(items)) yield batch.map((item) => `${JSON.stringify(item)}\n`).join('')
}

async function within<T>(store: ScaleStore, work: (place: Place) => Promise<T>): Promise<T> {
  const place = await store.makePlace()
  try {
    return await work(place)
  } finally {
    await place.leave()
  }
}

/**
 * The command as a user gives it, in a process of its own. Its rate is what it says itself: without the start
 * of the process.
 */
async function load({ url }: Place, manifest: string, items: number) {
  const folder = temporaryFolder('peak')
  const peakFile = join(folder, 'peak')
  const settings = ['queue.name=scale', 'queue.package=sql', `queue.url=${url}`, 'queue.timeoutMs=120000']
  const command = [CLI, '--json', ...settings.flatMap((each) => ['--set', each]), 'load', manifest]
  try {
    const env = { ...process.env, SLUICE_BENCH_PEAK_FILE: peakFile }
    const printed = await outputOf(['--import', PEAK, ...command], env)
    const said: { added: number; seconds: number } = JSON.parse(printed)
    if (said.added !== items) throw new Error(`sluice load of ${items} lines added ${said.added}`)
    return { perSecond: items / said.seconds, peakMb: Number(readFileSync(peakFile, 'utf8')) }
  } finally {
    removeFolder(folder)
  }
}

/** One statement or transaction for each thousand items, one after the other. */
async function insert(bare: Adapter, { ground }: Place, items: number): Promise<number> {
  const store = await bare.open(ground, 1)
  const { perSecond } = await putInBatches(items, (batch) => store.put(batch, 0))
  await store.close()
  return perSecond
}
