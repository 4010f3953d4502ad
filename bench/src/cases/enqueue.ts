import { makeItems, type Adapter } from '../adapter.ts'
import { bullmq } from '../adapters/bullmq.ts'
import { graphile } from '../adapters/graphile.ts'
import { limit } from '../adapters/limit.ts'
import { pgBoss } from '../adapters/pg-boss.ts'
import { sluice, sluiceAlone } from '../adapters/sluice.ts'
import { available, boundOf, ends, rotated, type Bench, type BenchCase } from '../bench-case.ts'
import { crowd } from '../crowd.ts'
import type { Opened } from '../grounds.ts'
import { measure, processMeter } from '../meter.ts'

interface Cell {
  readonly batch: number
  readonly clients: number
}

const CELLS: readonly Cell[] = [1, 1000].flatMap((batch) => [1, 4, 16].map((clients) => ({ batch, clients })))
const CONTENDERS = [limit, sluice, sluiceAlone, pgBoss, graphile, bullmq]

/** Puts: one by one, and a thousand at once. */
export const enqueue: BenchCase = {
  name: 'enqueue',
  title: 'Enqueue',
  run: async (bench) => {
    for (const cell of ends(bench, CELLS)) await runCell(bench, cell)
  },
}

async function runCell(bench: Bench, cell: Cell): Promise<void> {
  const opened = new Map<Adapter, Opened>()
  for (const adapter of available(bench, CONTENDERS)) {
    opened.set(adapter, await bench.grounds.open(adapter, cell.clients))
  }
  await bench.grounds.admin('checkpoint')
  for (let repeat = 0; repeat < bench.repeats; repeat++) {
    for (const [adapter, { store }] of rotated([...opened], repeat)) {
      const meter = adapter === bullmq && bench.redis ? processMeter(bench.redis.pid) : bench.postgres
      const bound = boundOf(bench, cell.batch === 1 ? 20_000 : 40_000)
      // Made beforehand: making them is not part of any case.
      const items = makeItems(bound.items + cell.batch * cell.clients)
      let next = 0
      const cost = await measure(meter, () =>
        crowd(cell.clients, bound, async (client) => {
          const some = items.slice(next, (next += cell.batch))
          await store.put(some, client)
          return some.length
        }),
      )
      const label = `batch ${cell.batch}, ${cell.clients} clients`
      bench.note({ case: 'enqueue', cell: label, adapter: adapter.name, repeat, ...cost })
    }
  }
  for (const each of opened.values()) await each.leave()
}
