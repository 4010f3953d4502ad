import pg from 'pg'
import { makeItems, type Adapter, type Claimed } from '../adapter.ts'
import { limit } from '../adapters/limit.ts'
import { pgBoss } from '../adapters/pg-boss.ts'
import { sluice } from '../adapters/sluice.ts'
import { sized, type Bench, type BenchCase } from '../bench-case.ts'
import { crowd } from '../crowd.ts'
import type { Opened } from '../grounds.ts'
import { measure } from '../meter.ts'
import { median } from '../result.ts'

const CLIENTS = 4
const HISTORY = 1_000_000
const FEW = 100_000
const SLICE_MS = 4_000

/**
 * What a million finished items, and an open snapshot, do to those that come after. Each
 * contender runs once, alone.
 */
export const history: BenchCase = {
  name: 'history',
  title: 'After a million items',
  run: async (bench) => {
    for (const adapter of [limit, sluice, pgBoss]) {
      const opened = await bench.grounds.open(adapter, CLIENTS)
      await bench.grounds.admin('checkpoint')
      const run = new History(bench, adapter, opened)
      await run.all()
      await opened.leave()
    }
  },
}

class History {
  readonly #bench: Bench
  readonly #adapter: Adapter
  readonly #opened: Opened
  #ids: string[] = []

  constructor(bench: Bench, adapter: Adapter, opened: Opened) {
    this.#bench = bench
    this.#adapter = adapter
    this.#opened = opened
  }

  async all(): Promise<void> {
    const few = sized(this.#bench, FEW)
    await this.#fill(few)
    await this.#drain(100, few, 'on a fresh table')
    for (let left = sized(this.#bench, HISTORY) - few; left > 0; left -= few) {
      await this.#fill(few)
      await this.#drain(1_000, few)
    }
    await this.#fill(few)
    await this.#drain(100, few, 'after a million')
    await this.#reads()
    await this.#heldSnapshot()
  }

  async #fill(count: number): Promise<void> {
    for (let left = count; left > 0; left -= 1_000) {
      const items = makeItems(Math.min(left, 1_000))
      this.#ids = items.map(({ id }) => id)
      await this.#opened.store.put(items, 0)
    }
  }

  async #drain(batch: number, items: number, cell?: string, seconds = 300): Promise<void> {
    const { store } = this.#opened
    const cost = await measure(this.#bench.postgres, () =>
      crowd(CLIENTS, { items, seconds }, async (client) => {
        const claimed: readonly Claimed[] = (await store.claim?.(batch, client)) ?? []
        if (claimed.length > 0) await store.settle?.(claimed, client)
        return claimed.length
      }),
    )
    // Nothing was left to do: that says nothing.
    if (cell !== undefined && cost.items > 0) this.#note(cell, cost)
  }

  async #reads(): Promise<void> {
    const { store } = this.#opened
    const times: number[] = []
    for (let turn = 0; turn < 15; turn++) {
      const startedAt = performance.now()
      await store.countWaiting?.()
      times.push(performance.now() - startedAt)
    }
    this.#note('size', { medianMs: median(times) })
    const bound = { items: sized(this.#bench, 1_000_000), seconds: this.#bench.seconds }
    const cost = await measure(this.#bench.postgres, () =>
      crowd(CLIENTS, bound, async (client) => {
        await store.lookup?.(this.#ids[Math.floor(Math.random() * this.#ids.length)] ?? '', client)
        return 1
      }),
    )
    this.#note('lookup', cost)
  }

  /** Rows that were deleted since can't be cleared away while a snapshot may still see them. */
  async #heldSnapshot(): Promise<void> {
    await this.#fill(sized(this.#bench, FEW))
    const holder = new pg.Client({ connectionString: this.#opened.url })
    await holder.connect()
    await holder.query('begin isolation level repeatable read')
    await holder.query('select count(*) from pg_class')
    const seconds = (SLICE_MS / 1000) * Math.min(1, this.#bench.scale * 10)
    for (const slice of [1, 2, 3]) await this.#drain(10, FEW / 4, `snapshot held, slice ${slice}`, seconds)
    await holder.end()
  }

  #note(cell: string, figures: object): void {
    this.#bench.note({ case: 'history', cell, adapter: this.#adapter.name, repeat: 0, ...figures })
  }
}
