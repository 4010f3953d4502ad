import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'

/** One bar. */
export interface Bar {
  readonly cell: string
  readonly adapter: string
  readonly value: number
}

const COLOURS: Readonly<Record<string, string>> = {
  sluice: '#0b6bcb',
  'sluice, each alone': '#7fb2e5',
  limit: '#444444',
  'pg-boss': '#c2410c',
  'graphile-worker': '#15803d',
  'graphile-worker, batched': '#15803d',
  'graphile-worker, plain': '#86c59a',
  BullMQ: '#a21caf',
}

/** Bars of the contenders, a group for each cell, as SVG. */
export function barChart(bars: readonly Bar[], label: string): string {
  const { document } = parseHTML('<html><body></body></html>')
  const cells = [...new Set(bars.map(({ cell }) => cell))]
  const adapters = [...new Set(bars.map(({ adapter }) => adapter))]
  const absent = cells.flatMap((cell) =>
    adapters
      .filter((adapter) => !bars.some((each) => each.cell === cell && each.adapter === adapter))
      .map((adapter) => ({ cell, adapter })),
  )
  const svg = Plot.plot({
    document,
    width: 860,
    height: 60 + (bars.length + absent.length) * 17 + cells.length * 12,
    marginLeft: 160,
    marginRight: 150,
    // Room behind the longest bar for its figure.
    x: {
      label,
      grid: true,
      labelAnchor: 'center',
      domain: [0, 1.12 * Math.max(...bars.map(({ value }) => value))],
    },
    y: { label: null, domain: adapters },
    fy: { label: null, domain: cells },
    marks: [
      Plot.barX(bars, {
        x: 'value',
        y: 'adapter',
        fy: 'cell',
        fill: ({ adapter }: Bar) => COLOURS[adapter] ?? '#888888',
      }),
      Plot.text(bars, {
        x: 'value',
        y: 'adapter',
        fy: 'cell',
        text: ({ value }: Bar) => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2)),
        textAnchor: 'start',
        dx: 4,
      }),
      Plot.text(absent, {
        x: () => 0,
        y: 'adapter',
        fy: 'cell',
        text: () => 'has no such call',
        fill: '#666666',
        textAnchor: 'start',
        dx: 4,
      }),
      Plot.ruleX([0]),
    ],
  })
  return finished(svg.outerHTML)
}

/** One line of a {@link lineChart}. */
export interface Point {
  readonly x: number
  readonly y: number
  readonly line: string
}

/** Lines over a logarithmic number of items, as SVG; a dashed one is what was set out for. */
export function lineChart(points: readonly Point[], label: string, goal: number): string {
  const { document } = parseHTML('<html><body></body></html>')
  const highest = Math.max(goal, ...points.map(({ y }) => y))
  const sizes = [...new Set(points.map(({ x }) => x))]
  const goalText = { x: Math.min(...sizes), y: goal, text: `goal: at most ${goal}x` }
  const svg = Plot.plot({
    document,
    width: 760,
    height: 360,
    marginRight: 150,
    x: { type: 'log', label: 'items waiting', labelAnchor: 'center', ticks: sizes, tickFormat: '~s' },
    y: { label, grid: true, domain: [0, 1.05 * highest] },
    marks: [
      Plot.ruleY([goal], { stroke: '#666666', strokeDasharray: '4 4' }),
      Plot.text([goalText], {
        x: 'x',
        y: 'y',
        text: 'text',
        textAnchor: 'start',
        dx: 4,
        dy: -7,
        fill: '#666666',
      }),
      Plot.line(points, { x: 'x', y: 'y', stroke: 'line' }),
      Plot.dot(points, { x: 'x', y: 'y', fill: 'line' }),
      Plot.text(namesBeside(points, 0.05 * highest), {
        x: 'x',
        y: 'y',
        text: 'line',
        fill: 'line',
        textAnchor: 'start',
        dx: 8,
      }),
    ],
  })
  return finished(svg.outerHTML)
}

/** The name of each line where it ends, or as far above as keeps it clear of the name below. */
function namesBeside(points: readonly Point[], gap: number): Point[] {
  const end = Math.max(...points.map(({ x }) => x))
  const ends = points.filter(({ x }) => x === end).toSorted((a, b) => a.y - b.y)
  let free = -Infinity
  return ends.map((point) => {
    const y = Math.max(point.y, free)
    free = y + gap
    return { ...point, y }
  })
}

/** Stands by itself: the namespace that a page would lend it, and a ground that shows in dark readers too. */
function finished(svg: string): string {
  const style = 'background:#ffffff;font-family:system-ui,sans-serif'
  return `${svg.replace('<svg ', `<svg xmlns="http://www.w3.org/2000/svg" style="${style}" `)}\n`
}
