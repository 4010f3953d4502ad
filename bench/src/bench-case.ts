import type { Adapter } from './adapter.ts'
import type { Bound } from './crowd.ts'
import type { Grounds } from './grounds.ts'
import type { ServerMeter } from './meter.ts'
import type { RedisServer } from './redis-server.ts'
import type { Measurement } from './result.ts'

/** What a case works with. */
export interface Bench {
  readonly grounds: Grounds
  readonly postgres: ServerMeter
  readonly redis: RedisServer | undefined
  /** Everything once and tiny: does it run at all? */
  readonly isSmoke: boolean
  readonly repeats: number
  /** Each measurement ends after so long. */
  readonly seconds: number
  /** Multiplies the sizes of every case: 1 for a real run. */
  readonly scale: number
  readonly note: (measurement: Measurement) => void
}

export interface BenchCase {
  readonly name: string
  readonly title: string
  run(bench: Bench): Promise<void>
}

/**
 * The adapters in another order at each turn, so that none is always the one after a checkpoint or before a
 * neighbour's noise.
 */
export function rotated<T>(list: readonly T[], turn: number): T[] {
  const start = turn % list.length
  return [...list.slice(start), ...list.slice(0, start)]
}

/**
 * In a smoke test the first and the last: a single call and the largest batch go different ways through a
 * contender, and whatever is between them goes one of the two.
 */
export function ends<T>(bench: Bench, cells: readonly T[]): readonly T[] {
  return bench.isSmoke ? [...cells.slice(0, 1), ...cells.slice(-1)] : cells
}

/** Whole, and never so small that a case would do nothing. */
export function sized(bench: Bench, count: number): number {
  return Math.max(Math.ceil(count * bench.scale), Math.min(count, 200))
}

export function boundOf(bench: Bench, items: number): Bound {
  return { items: sized(bench, items), seconds: bench.seconds }
}

/** Without a redis-server its adapter is left out, and the run says so. */
export function available(bench: Bench, adapters: readonly Adapter[]): Adapter[] {
  return adapters.filter(({ name }) => name !== 'BullMQ' || bench.redis !== undefined)
}
