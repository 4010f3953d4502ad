import { makeItems, type Adapter } from '../adapter.ts'
import { bareSqlite, sluiceSqlite } from '../adapters/sqlite.ts'
import { boundOf, ends, rotated, sized, type Bench, type BenchCase } from '../bench-case.ts'
import { crowd } from '../crowd.ts'
import type { Opened } from '../grounds.ts'
import { measure } from '../meter.ts'

const ITEMS = 30_000

/** A SQLite file on this machine's disk, synced at each commit. */
export const sqlite: BenchCase = {
  name: 'sqlite',
  title: 'SQLite: put, claim and settle',
  run: async (bench) => {
    const opened = new Map<Adapter, Opened>()
    for (const adapter of [bareSqlite, sluiceSqlite])
      opened.set(adapter, await bench.grounds.open(adapter, 1))
    for (const batch of ends(bench, [1, 100, 1_000])) {
      for (let repeat = 0; repeat < bench.repeats; repeat++) {
        for (const [adapter, each] of rotated([...opened], repeat))
          await runOne(bench, { adapter, each, batch, repeat })
      }
    }
    for (const each of opened.values()) await each.leave()
  },
}

interface One {
  readonly adapter: Adapter
  readonly each: Opened
  readonly batch: number
  readonly repeat: number
}

async function runOne(bench: Bench, { adapter, each: { store }, batch, repeat }: One): Promise<void> {
  const bound = boundOf(bench, batch === 1 ? 3_000 : ITEMS)
  const items = makeItems(sized(bench, bound.items) + batch)
  let next = 0
  const put = await measure(undefined, () =>
    crowd(1, bound, async () => {
      const some = items.slice(next, (next += batch))
      await store.put(some, 0)
      return some.length
    }),
  )
  bench.note({ case: 'sqlite', cell: `put, batch ${batch}`, adapter: adapter.name, repeat, ...put })
  const cycle = await measure(undefined, () =>
    crowd(1, bound, async () => {
      const claimed = (await store.claim?.(batch, 0)) ?? []
      if (claimed.length > 0) await store.settle?.(claimed, 0)
      return claimed.length
    }),
  )
  bench.note({
    case: 'sqlite',
    cell: `claim + settle, batch ${batch}`,
    adapter: adapter.name,
    repeat,
    ...cycle,
  })
}
