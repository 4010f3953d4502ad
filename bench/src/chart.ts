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
  const svg = Plot.plot({
    document,
    width: 860,
    height: 60 + bars.length * 17 + cells.length * 12,
    marginLeft: 160,
    marginRight: 190,
    x: { label, grid: true },
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

/** Lines over a logarithmic number of items, as SVG. */
export function lineChart(points: readonly Point[], label: string): string {
  const { document } = parseHTML('<html><body></body></html>')
  const svg = Plot.plot({
    document,
    width: 760,
    height: 360,
    marginRight: 150,
    x: { type: 'log', label: 'items waiting', tickFormat: '~s' },
    y: { label, grid: true, zero: true },
    marks: [
      Plot.line(points, { x: 'x', y: 'y', stroke: 'line' }),
      Plot.dot(points, { x: 'x', y: 'y', fill: 'line' }),
      Plot.text(
        points,
        Plot.selectLast({ x: 'x', y: 'y', z: 'line', text: 'line', textAnchor: 'start', dx: 8 }),
      ),
    ],
  })
  return finished(svg.outerHTML)
}

/** Stands by itself: the namespace that a page would lend it, and a ground that shows in dark readers too. */
function finished(svg: string): string {
  const style = 'background:#ffffff;font-family:system-ui,sans-serif'
  return `${svg.replace('<svg ', `<svg xmlns="http://www.w3.org/2000/svg" style="${style}" `)}\n`
}
