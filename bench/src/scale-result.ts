import { lineChart } from './chart.ts'

/** `sluice load` of a manifest into an empty store. */
export interface LoadPoint {
  /** Items a second, as the command says. */
  readonly perSecond: number
  /** Items a second of bare inserts, in batches of a thousand. */
  readonly barePerSecond: number
  /** Of the two: the median of the turns. */
  readonly ratio: number
  /** The most memory that the command's process had, in MB. */
  readonly peakMb: number
}

/** What one operation cost at one size: the median of many, in ms. */
export interface ScalePoint {
  readonly items: number
  /** Items a second, put in batches of a thousand. */
  readonly putPerSecond: number
  readonly ms: Readonly<Record<string, number>>
  /** Resident memory of a service with 500 items in PROCESSING, after its ticks, in MB. */
  readonly serviceMb: number
  /** What the items take on disk, indexes included, in MB. */
  readonly diskMb: number
  readonly load: LoadPoint
  /**
   * The load average of the machine, of one minute: the higher of before and after the measurements of this
   * size.
   */
  readonly machineLoad: number
}

export interface ScaleResult {
  readonly at: string
  readonly command: string
  readonly commit: string
  readonly machine: Readonly<Record<string, string>>
  readonly settings: Readonly<Record<string, string>>
  readonly stores: readonly { readonly store: string; readonly points: readonly ScalePoint[] }[]
}

/** What ten thousand items cost may grow by so much, however many there are. */
export const FLAT = 1.5

/** How much each operation costs with more items waiting, beside what it cost at first. */
export function scaleChart({ stores }: ScaleResult, name: string): string {
  const points = stores.find(({ store }) => store === name)?.points ?? []
  const lines = points.flatMap(({ items, ms }) =>
    Object.entries(ms).map(([line, value]) => ({
      x: items,
      y: value / (points[0]?.ms[line] ?? value),
      line,
    })),
  )
  return lineChart(lines, 'cost beside that at the smallest size', FLAT)
}
