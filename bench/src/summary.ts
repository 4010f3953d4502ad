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

/**
 * The rate (or another figure) of one contender in a cell beside another's: the median of the ratios within
 * each repeat.
 */
export function ratioOf(
  { measurements }: Pick<RunResult, 'measurements'>,
  at: { readonly case: string; readonly cell: string; readonly figure?: 'perSecond' | 'serverUs' },
  [adapter, rival]: readonly [string, string],
): number | undefined {
  const figure = at.figure ?? 'perSecond'
  const there = measurements.filter((each) => each.case === at.case && each.cell === at.cell)
  const ratios = there.flatMap((each) => {
    const other = there.find((one) => one.adapter === rival && one.repeat === each.repeat)?.[figure]
    const own = each.adapter === adapter ? each[figure] : undefined
    return own === undefined || other === undefined ? [] : [own / other]
  })
  return ratios.length === 0 ? undefined : median(ratios)
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
  return {
    case: first.case,
    cell: first.cell,
    adapter: first.adapter,
    repeats: group.length,
    perSecond: of('perSecond'),
    ratio: ratioOf({ measurements: all }, { case: first.case, cell: first.cell }, [
      first.adapter,
      baselineOf(first.case),
    ]),
    clientUs: of('clientUs'),
    serverUs: of('serverUs'),
    walBytes: of('walBytes'),
    medianMs: of('medianMs'),
  }
}
