import { median, type Measurement, type RunResult } from './result.ts'

/** The medians of one contender in one cell of a case. */
export interface Summary {
  readonly case: string
  readonly cell: string
  readonly adapter: string
  readonly repeats: number
  readonly perSecond: number | undefined
  /** To the case's first contender in the same repeat: the median of the ratios. */
  readonly ratio: number | undefined
  readonly clientUs: number | undefined
  readonly serverUs: number | undefined
  readonly walBytes: number | undefined
  readonly medianMs: number | undefined
}

/** Against whom a case's rates are held; the bare limit where there is one. */
const BASELINES: Readonly<Record<string, string>> = {
  plans: 'sluice, unprepared',
  dispatch: 'graphile-worker, batched',
  sqlite: 'prepared statements',
  memory: 'Map and array',
}

function baselineOf(name: string): string {
  return BASELINES[name] ?? 'limit'
}

/** One summary for each contender and cell, in the order in which they were measured. */
export function summarize({ measurements }: RunResult): Summary[] {
  const groups = Map.groupBy(measurements, (each) => `${each.case}\n${each.cell}\n${each.adapter}`)
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    return first === undefined ? [] : [summaryOf(first, group, measurements)]
  })
}

function summaryOf(first: Measurement, group: readonly Measurement[], all: readonly Measurement[]): Summary {
  const of = (key: 'perSecond' | 'clientUs' | 'serverUs' | 'walBytes' | 'medianMs'): number | undefined => {
    const values = group.flatMap((each) => each[key] ?? [])
    return values.length === 0 ? undefined : median(values)
  }
  const bases = all.filter(
    ({ adapter, cell, case: name }) =>
      name === first.case && cell === first.cell && adapter === baselineOf(name),
  )
  const ratios = group.flatMap(({ repeat, perSecond }) => {
    const base = bases.find((each) => each.repeat === repeat)?.perSecond
    return base === undefined || perSecond === undefined ? [] : [perSecond / base]
  })
  return {
    case: first.case,
    cell: first.cell,
    adapter: first.adapter,
    repeats: group.length,
    perSecond: of('perSecond'),
    ratio: ratios.length === 0 ? undefined : median(ratios),
    clientUs: of('clientUs'),
    serverUs: of('serverUs'),
    walBytes: of('walBytes'),
    medianMs: of('medianMs'),
  }
}
