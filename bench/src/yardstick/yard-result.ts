import type { DeadRows, StatementCost } from './server-state.ts'

/** What was measured in one span of time. */
export interface WindowFigures {
  readonly seconds: number
  readonly items: number
  readonly perSecond: number
  /** The rate of each tenth. */
  readonly tenths: readonly number[]
  /** CPU of the service, of what puts the items, and of the server, microseconds for each item. */
  readonly clientUs: number
  readonly feederUs: number
  readonly serverUs: number
  /** CPU of autovacuum, and of server processes that ended meanwhile. */
  readonly vacuumUs: number
  /** Write-ahead log, bytes for each item's whole life. */
  readonly walBytes: number
  /** From the put to the acknowledged success. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** The most memory of the service. */
  readonly rssMb: number
  readonly deadRows: Readonly<Record<string, DeadRows>>
  /** By table: dead rows that scans of indexes walked over, for each item. */
  readonly walkedDead: Readonly<Record<string, number>>
  readonly diskMb: number
  /** The most expensive statements, in each tenth of the span. */
  readonly statements: readonly StatementCost[]
}

/** One measured span of a phase. */
export interface YardMeasurement {
  /** Such as `cap 256`, `clean before`, `pressure`. */
  readonly cell: string
  /** `new`, `base`, or the name of a rival. */
  readonly side: string
  readonly pair: number
  readonly figures: Readonly<Partial<WindowFigures>> & { readonly perSecond: number }
  /** What else a phase says, such as lost and doubled. */
  readonly more?: Readonly<Record<string, number>>
}

/** What one phase leaves in results/. */
export interface YardResult {
  readonly phase: string
  readonly at: string
  readonly command: string
  readonly commits: Readonly<Record<string, string>>
  readonly machine: Readonly<Record<string, string>>
  readonly settings: readonly string[]
  /** How many jobs could run at once, and so how many items a claim could take. */
  readonly cap: number
  /** The load average before it. */
  readonly load: number
  readonly skipped: readonly string[]
  readonly measurements: readonly YardMeasurement[]
}

/** In each pair, a figure of one side beside that of another; default the rate. */
export function ratiosOf(
  measurements: readonly YardMeasurement[],
  cell: string,
  [one, beside]: readonly [string, string],
  figure: 'perSecond' | 'clientUs' | 'serverUs' | 'walBytes' = 'perSecond',
): number[] {
  const of = measurements.filter((each) => each.cell === cell)
  return of.flatMap(({ side, pair, figures }) => {
    const other = of.find((each) => each.side === beside && each.pair === pair)
    const [ours, theirs] = [figures[figure], other?.figures[figure]]
    return side === one && ours !== undefined && theirs !== undefined ? [ours / theirs] : []
  })
}
