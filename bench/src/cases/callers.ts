import { makeItems, type Adapter, type Claimed } from '../adapter.ts'
import { graphile } from '../adapters/graphile.ts'
import { limit } from '../adapters/limit.ts'
import { pgBoss } from '../adapters/pg-boss.ts'
import { sluice } from '../adapters/sluice.ts'
import { boundOf, rotated, type Bench, type BenchCase } from '../bench-case.ts'
import { crowd } from '../crowd.ts'
import { tidy, type Opened } from '../grounds.ts'
import { measure } from '../meter.ts'

const CALLERS = 128
/** The connections that each contender may have: as many as a pool has by default. */
const CONNECTIONS = 10
const ITEMS = 20_000

/** Many callers in one process, each with one item at a time. */
export const callers: BenchCase = {
  name: 'callers',
  title: '128 callers in one process, each with one item',
  run: async (bench) => {
    const opened = new Map<Adapter, Opened>()
    for (const adapter of [limit, sluice, pgBoss, graphile]) {
      opened.set(adapter, await bench.grounds.open(adapter, CONNECTIONS))
    }
    for (let repeat = 0; repeat < bench.repeats; repeat++) {
      for (const [adapter, each] of rotated([...opened], repeat)) await puts(bench, adapter, each, repeat)
    }
    const claiming = [...opened].filter(([, { store }]) => store.claim !== undefined)
    for (let repeat = 0; repeat < bench.repeats; repeat++) {
      for (const [adapter, each] of rotated(claiming, repeat)) await successes(bench, adapter, each, repeat)
    }
    for (const each of opened.values()) await each.leave()
  },
}

async function puts(bench: Bench, adapter: Adapter, { store }: Opened, repeat: number): Promise<void> {
  const bound = boundOf(bench, ITEMS)
  const items = makeItems(bound.items + CALLERS).values()
  const cost = await measure(bench.postgres, () =>
    crowd(CALLERS, bound, async (client) => {
      const item = items.next().value
      if (item === undefined) return 0
      await store.put([item], client)
      return 1
    }),
  )
  bench.note({ case: 'callers', cell: 'put', adapter: adapter.name, repeat, ...cost })
}

async function successes(
  bench: Bench,
  adapter: Adapter,
  { store, url }: Opened,
  repeat: number,
): Promise<void> {
  const bound = boundOf(bench, ITEMS)
  const claimed: Claimed[] = []
  while (claimed.length < bound.items) {
    await store.put(makeItems(1_000), 0)
    claimed.push(...((await store.claim?.(1_000, 0)) ?? []))
  }
  await tidy(url)
  const left = claimed.values()
  const cost = await measure(bench.postgres, () =>
    crowd(CALLERS, bound, async (client) => {
      const item = left.next().value
      if (item === undefined) return 0
      await store.settle?.([item], client)
      return 1
    }),
  )
  bench.note({ case: 'callers', cell: 'success', adapter: adapter.name, repeat, ...cost })
}
