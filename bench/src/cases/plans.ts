import { makeItems, type Adapter } from '../adapter.ts'
import { sluice, sluiceUnprepared } from '../adapters/sluice.ts'
import { rotated, sized, type Bench, type BenchCase } from '../bench-case.ts'
import { crowd } from '../crowd.ts'
import { statement, type Opened } from '../grounds.ts'
import { measure } from '../meter.ts'

const SMALL = 5_000
const GROWN = 100_000

/**
 * A connection that has planned its statements on small tables goes on with those plans when the tables have
 * grown.
 */
export const plans: BenchCase = {
  name: 'plans',
  title: 'Old plans after growth: batch 100, 1 client',
  run: async (bench) => {
    for (let repeat = 0; repeat < bench.repeats; repeat++) {
      const opened = new Map<Adapter, Opened>()
      for (const adapter of [sluiceUnprepared, sluice])
        opened.set(adapter, await bench.grounds.open(adapter, 1))
      for (const each of opened.values()) await grow(bench, each)
      for (const [adapter, each] of rotated([...opened], repeat)) {
        const cost = await measure(bench.postgres, () => drain(each, sized(bench, GROWN / 2)))
        bench.note({ case: 'plans', cell: 'after growth', adapter: adapter.name, repeat, ...cost })
      }
      for (const each of opened.values()) await each.leave()
    }
  },
}

async function grow(bench: Bench, opened: Opened): Promise<void> {
  await fill(opened, sized(bench, SMALL))
  await statement(opened.url, 'analyze')
  await drain(opened, sized(bench, SMALL))
  await fill(opened, sized(bench, GROWN))
}

async function fill({ store }: Opened, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 1_000) await store.put(makeItems(Math.min(left, 1_000)), 0)
}

function drain({ store }: Opened, items: number): Promise<number> {
  return crowd(1, { items, seconds: 60 }, async () => {
    const claimed = (await store.claim?.(100, 0)) ?? []
    if (claimed.length > 0) await store.settle?.(claimed, 0)
    return claimed.length
  })
}
