import type { Cost } from './meter.ts'

/** One measurement. */
export interface Measurement extends Partial<Cost> {
  readonly case: string
  /** What of the case was measured, such as `batch 100, 4 clients`. */
  readonly cell: string
  readonly adapter: string
  readonly repeat: number
  /** Of a case that measures single calls: their median, in ms. */
  readonly medianMs?: number
}

/** What one run of the bench leaves behind. */
export interface RunResult {
  readonly at: string
  readonly command: string
  readonly commit: string
  readonly machine: Readonly<Record<string, string>>
  readonly settings: Readonly<Record<string, string>>
  readonly versions: Readonly<Record<string, string>>
  /** The one-minute load average before each case. */
  readonly loads: Readonly<Record<string, number>>
  readonly skipped: readonly string[]
  readonly measurements: readonly Measurement[]
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
