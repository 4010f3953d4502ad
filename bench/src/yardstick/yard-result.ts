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
  readonly diskMb: number
  /** The most expensive statements at the start and at the end of the span. */
  readonly statements: { readonly first: readonly StatementCost[]; readonly last: readonly StatementCost[] }
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
  readonly versions: Readonly<Record<string, string>>
  readonly load: number
  readonly measurements: readonly YardMeasurement[]
}
