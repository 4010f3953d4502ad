import type { Measurement, RunResult } from './result.ts'
import { FLAT, type ScalePoint, type ScaleResult } from './scale-result.ts'
import { ratioOf, summarize } from './summary.ts'

/** What was set out for before anything was measured, and how far it was got. */
export interface Goal {
  readonly what: string
  readonly wanted: string
  readonly measured: string
  readonly isMet: boolean
}

/** Ours beside a rival in some cells of a case. */
interface Race {
  readonly case: string
  readonly cells: readonly string[]
  /** Default `sluice`. */
  readonly ours?: string
  readonly rival: string
  /** Of the rates. */
  readonly atLeast?: number
  /** Of the server's CPU for each item. */
  readonly cpuAtMost?: number
}

const ONE = { cells: ['batch 1, 4 clients', 'batch 1, 16 clients'], ours: 'sluice, each alone' }
const THOUSAND = { cells: ['batch 1000, 1 clients', 'batch 1000, 4 clients'] }
const HUNDRED = { cells: ['batch 100, 1 clients', 'batch 100, 4 clients'] }
const MEMORY = { case: 'memory', cells: ['put', 'get(1) + success', 'lookup'] }
const NOOP = { case: 'dispatch', cells: ['no-op handler'] }

const RACES: readonly Race[] = [
  { case: 'enqueue', ...ONE, rival: 'limit', atLeast: 0.8 },
  { case: 'enqueue', ...ONE, rival: 'pg-boss', atLeast: 2.5 },
  { case: 'enqueue', ...ONE, rival: 'graphile-worker', atLeast: 3 },
  { case: 'enqueue', ...THOUSAND, rival: 'limit', atLeast: 0.9 },
  { case: 'enqueue', ...THOUSAND, rival: 'pg-boss', atLeast: 2 },
  { case: 'enqueue', ...THOUSAND, rival: 'graphile-worker', atLeast: 1.3 },
  { case: 'callers', cells: ['put', 'success'], rival: 'limit', atLeast: 8 },
  { case: 'claim', ...ONE, rival: 'limit', atLeast: 0.85 },
  { case: 'claim', ...ONE, rival: 'pg-boss', atLeast: 2 },
  { case: 'claim', ...HUNDRED, rival: 'limit', atLeast: 1.1 },
  { case: 'claim', ...HUNDRED, rival: 'limit', cpuAtMost: 0.8 },
  { case: 'claim', ...HUNDRED, rival: 'pg-boss', atLeast: 2.2 },
  { case: 'plans', cells: ['after growth'], rival: 'sluice, unprepared', atLeast: 0.9 },
  { ...NOOP, rival: 'graphile-worker, batched', atLeast: 1.1 },
  { ...NOOP, rival: 'graphile-worker, plain', atLeast: 10 },
  { ...NOOP, rival: 'BullMQ', atLeast: 2.5 },
  { case: 'sqlite', cells: ['claim + settle, batch 100'], rival: 'prepared statements', atLeast: 0.8 },
  { ...MEMORY, rival: 'Map and array', atLeast: 0.5 },
  { ...MEMORY, rival: 'Map and array, bodies as text', atLeast: 0.5 },
  { case: 'history', cells: ['after a million', 'lookup'], rival: 'pg-boss', atLeast: 3 },
  { case: 'history', cells: ['lookup'], rival: 'limit', atLeast: 0.8 },
  { case: 'history', cells: ['snapshot held, slice 3'], rival: 'pg-boss', atLeast: 1.5 },
]

/** One goal for each race and cell that was run, and those of the largest size that was filled. */
export function goalsOf(run: RunResult, scale: ScaleResult | undefined): Goal[] {
  const races = RACES.flatMap((race) => race.cells.flatMap((cell) => raced(run, race, cell)))
  return [
    ...races,
    ...crowded(run),
    ...aged(run),
    ...(scale?.stores ?? []).flatMap(({ store, points }) => scaled(store, points)),
  ]
}

function raced(run: RunResult, race: Race, cell: string): Goal[] {
  const { ours = 'sluice', rival, atLeast, cpuAtMost } = race
  const figure = cpuAtMost === undefined ? 'perSecond' : 'serverUs'
  const ratio = ratioOf(run, { case: race.case, cell, figure }, [ours, rival])
  if (ratio === undefined) return []
  const what = `${race.case}, ${cell}: ${cpuAtMost === undefined ? '' : 'CPU of the server, '}${ours} beside ${rival}`
  const bound = cpuAtMost === undefined ? { atLeast: atLeast ?? 1 } : { atMost: cpuAtMost }
  return [goal(what, { value: ratio, unit: 'x', ...bound })]
}

/** 128 callers of one process beside what the rivals do with sixteen clients and a call for each item. */
function crowded(run: RunResult): Goal[] {
  const summaries = summarize(run)
  const rate = (of: string, cell: string, adapter: string): number | undefined =>
    summaries.find((each) => each.case === of && each.cell === cell && each.adapter === adapter)?.perSecond
  return ['pg-boss', 'graphile-worker'].flatMap((rival) => {
    const value = over(rate('callers', 'put', 'sluice'), rate('enqueue', 'batch 1, 16 clients', rival))
    const what = `callers, put: sluice beside ${rival} of 16 clients`
    return Number.isNaN(value) ? [] : [goal(what, { value, unit: 'x', atLeast: 20 })]
  })
}

/** Ours after a million items, and beside an open snapshot, against ours before. */
function aged({ measurements }: RunResult): Goal[] {
  const at = (cell: string): Measurement | undefined =>
    measurements.find((each) => each.case === 'history' && each.adapter === 'sluice' && each.cell === cell)
  const sizeMs = at('size')?.medianMs
  const countMs = measurements.find(
    (each) => each.case === 'history' && each.adapter === 'pg-boss' && each.cell === 'size',
  )?.medianMs
  if (sizeMs === undefined) return []
  const rate = over(at('after a million')?.perSecond, at('on a fresh table')?.perSecond)
  const cpu = over(at('snapshot held, slice 3')?.serverUs, at('snapshot held, slice 1')?.serverUs)
  return [
    goal('history, after a million: beside a fresh table', { value: rate, unit: 'x', atLeast: 0.8 }),
    goal('history, snapshot held: CPU of the server, slice 3 beside slice 1', {
      value: cpu,
      unit: 'x',
      atMost: 1.5,
    }),
    goal('history, size after a million', { value: sizeMs, unit: ' ms', atMost: 1 }),
    goal('history, size: how many times as fast as pg-boss counts', {
      value: over(countMs, sizeMs),
      unit: 'x',
      atLeast: 100,
    }),
  ]
}

function over(after?: number, before?: number): number {
  return (after ?? Number.NaN) / (before ?? Number.NaN)
}

function scaled(store: string, points: readonly ScalePoint[]): Goal[] {
  const [first, last] = [points[0], points.at(-1)]
  if (first === undefined || last === undefined || first === last) return []
  const at = `${store}, ${last.items.toLocaleString('en')} waiting`
  const flat = Object.entries(last.ms).map(([name, ms]) =>
    goal(`${at}: ${name} beside ${first.items.toLocaleString('en')}`, {
      value: ms / (first.ms[name] ?? ms),
      unit: 'x',
      atMost: FLAT,
    }),
  )
  return [
    ...flat,
    goal(`${at}: memory of the service`, { value: last.serviceMb, unit: ' MB', atMost: 150 }),
    goal(`${at}: rate of \`sluice load\` beside bare inserts`, {
      value: last.load.ratio,
      unit: 'x',
      atLeast: 0.7,
    }),
    goal(`${at}: memory of \`sluice load\``, { value: last.load.peakMb, unit: ' MB', atMost: 300 }),
  ]
}

interface Bound {
  readonly value: number
  readonly unit: string
  readonly atLeast?: number
  readonly atMost?: number
}

function goal(what: string, { value, unit, atLeast, atMost }: Bound): Goal {
  const shown = value.toFixed(unit === ' MB' ? 0 : 2)
  return {
    what,
    wanted: atLeast === undefined ? `≤ ${atMost}${unit}` : `≥ ${atLeast}${unit}`,
    measured: `${shown}${unit}`,
    isMet: value >= (atLeast ?? -Infinity) && value <= (atMost ?? Infinity),
  }
}
