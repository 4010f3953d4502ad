import { makeItems, type Adapter } from '../adapter.ts'
import { limit } from '../adapters/limit.ts'
import { pgBoss } from '../adapters/pg-boss.ts'
import { sluice, sluiceAlone } from '../adapters/sluice.ts'
import { boundOf, ends, rotated, sized, type Bench, type BenchCase } from '../bench-case.ts'
import { crowd } from '../crowd.ts'
import { tidy, type Opened } from '../grounds.ts'
import { measure } from '../meter.ts'

interface Cell {
  readonly batch: number
  readonly clients: number
}

const CELLS: readonly Cell[] = [1, 100, 1000].flatMap((batch) =>
  [1, 4, 16].map((clients) => ({ batch, clients })),
)
const CONTENDERS = [limit, sluice, sluiceAlone, pgBoss]
const BACKLOG = 100_000
const ITEMS = 12_000

/** A claim and its completion, over and over, off a long backlog. */
export const claim: BenchCase = {
  name: 'claim',
  title: 'Claim and settle',
  run: async (bench) => {
    const opened = new Map<Adapter, Opened>()
    for (const adapter of CONTENDERS) opened.set(adapter, await bench.grounds.open(adapter, 16))
    for (const cell of ends(bench, CELLS)) await runCell(bench, cell, opened)
    for (const each of opened.values()) await each.leave()
  },
}

async function runCell(bench: Bench, cell: Cell, opened: ReadonlyMap<Adapter, Opened>): Promise<void> {
  for (const adapter of opened.values()) await fill(bench, adapter)
  for (let repeat = 0; repeat < bench.repeats; repeat++) {
    for (const [adapter, { store }] of rotated([...opened], repeat)) {
      const bound = boundOf(bench, cell.batch === 1 ? 4_000 : ITEMS)
      const cost = await measure(bench.postgres, () =>
        crowd(cell.clients, bound, async (client) => {
          const claimed = (await store.claim?.(cell.batch, client)) ?? []
          if (claimed.length > 0) await store.settle?.(claimed, client)
          return claimed.length
        }),
      )
      const label = `batch ${cell.batch}, ${cell.clients} clients`
      bench.note({ case: 'claim', cell: label, adapter: adapter.name, repeat, ...cost })
    }
  }
}

/** Brings the backlog back to its length. */
async function fill(bench: Bench, { store, url }: Opened): Promise<void> {
  const wanted = sized(bench, BACKLOG)
  for (let left = wanted - ((await store.countWaiting?.()) ?? 0); left > 0; left -= 1_000) {
    await store.put(makeItems(Math.min(left, 1_000)), 0)
  }
  await tidy(url)
}
