// The public yardstick: the engine and a worker whose jobs take 1 ms, clean, under pressure, under faults.
// Each phase runs alone:
//   node yardstick.ts clean --minutes 1              the result goes to results/yardstick-clean.json
//   node yardstick.ts pressure.idle --minutes 10
//   node yardstick.ts clean --build ../main --pairs 3   this checkout beside another one that is built, in turns
//   node yardstick.ts pressure.idle --statements     also says what each statement cost, in each tenth
//   node yardstick.ts --smoke                        all phases, tiny: does each end, and is nothing lost or doubled?
//   node yardstick.ts --list                         the phases
import { mkdirSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { startOwnPostgres } from '../packages/queue-sql/test/postgres-server.ts'
import { machine } from './src/machine.ts'
import { median } from './src/result.ts'
import { commitOf, OWN_BUILD } from './src/yardstick/processes/build.ts'
import type { Phase, Side } from './src/yardstick/phases/phase.ts'
import { phases } from './src/yardstick/phases/phases.ts'
import { YARD_SETTINGS } from './src/yardstick/yard.ts'
import { ratiosOf, type YardMeasurement, type YardResult } from './src/yardstick/yard-result.ts'

/** Phases of a smoke test that run together. */
const SMOKE_LANES = 4

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '1' },
    pairs: { type: 'string', default: '1' },
    build: { type: 'string' },
    cap: { type: 'string', default: '256' },
    caps: { type: 'string' },
    smoke: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    statements: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
})
const unknown = positionals.filter((name) => !phases.some((each) => each.name === name))
if (unknown.length > 0 || values.list || (positionals.length === 0 && !values.smoke)) {
  console.log(phases.map(({ name, title }) => `${name.padEnd(20)} ${title}`).join('\n'))
  process.exit(values.list ? 0 : 2)
}
const wanted = phases.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
const seconds = values.smoke ? 0.5 : Number(values.minutes) * 60
const other = values.build === undefined ? undefined : resolve(values.build)
const sides: Side[] = [
  { name: 'new', build: OWN_BUILD },
  ...(other === undefined
    ? []
    : [
        { name: 'base', build: other },
        { name: 'base again', build: other },
      ]),
]

const shared = values.smoke ? await startOwnPostgres(YARD_SETTINGS) : undefined
// In a smoke test the phases do not wait for each other: only counts are judged.
const lanes = values.smoke ? SMOKE_LANES : 1
// The last ones take longest.
const queue = values.smoke ? wanted.toReversed() : [...wanted]
await Promise.all(
  Array.from({ length: lanes }, async () => {
    for (let phase = queue.shift(); phase !== undefined; phase = queue.shift()) await run(phase)
  }),
)
await shared?.stop()

async function run(phase: Phase): Promise<void> {
  const measurements: YardMeasurement[] = []
  const skipped: string[] = []
  const load = loadavg()[0] ?? 0
  console.log(`\n${phase.name}: ${phase.title} (load ${load.toFixed(1)})`)
  await phase.run({
    sides,
    pairs: Number(values.pairs),
    seconds,
    cleanSeconds: Math.min(120, seconds),
    warmUpSeconds: values.smoke ? 0.1 : 5,
    isSmoke: values.smoke,
    depth: values.smoke ? 500 : 10_000,
    shared,
    caps: (values.caps ?? (values.smoke ? '64' : '16,64,256,1024')).split(',').map(Number),
    cap: values.smoke ? 64 : Number(values.cap),
    note: (measurement) => {
      measurements.push(measurement)
      console.log(line(measurement))
      if (values.statements) for (const words of statementLines(measurement)) console.log(words)
      if (!values.smoke) save(phase.name, { load, measurements, skipped })
    },
    skip: (words) => {
      skipped.push(words)
      console.log(`  skipped: ${words}`)
    },
  })
  compare(measurements)
  judge(phase.name, { measurements, skipped })
}

function save(phase: string, found: Pick<YardResult, 'load' | 'measurements' | 'skipped'>): void {
  const path = values.out ?? join(import.meta.dirname, `results/yardstick-${phase}.json`)
  const result: YardResult = {
    phase,
    at: new Date().toISOString(),
    command: `node bench/yardstick.ts ${process.argv.slice(2).join(' ')}`,
    commits: Object.fromEntries(sides.map(({ name, build }) => [name, commitOf(build)])),
    machine: machine(),
    settings: YARD_SETTINGS,
    cap: Number(values.cap),
    ...found,
  }
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `${JSON.stringify(result, undefined, 1)}\n`)
}

/** Each cell of one build beside that of the other, in each pair, and the other beside itself. */
function compare(measurements: readonly YardMeasurement[]): void {
  if (sides.length === 1) return
  const figures = ['perSecond', 'clientUs', 'serverUs', 'walBytes'] as const
  for (const cell of new Set(measurements.map((each) => each.cell))) {
    console.log(`  ${cell}, in each pair:`)
    for (const one of ['new', 'base again']) {
      const words = figures.map((figure) => {
        const ratios = ratiosOf(measurements, cell, [one, 'base'], figure)
        const each = ratios.map((ratio) => ratio.toFixed(3)).join(' ')
        return `${figure} ${median(ratios).toFixed(3)}x (${each})`
      })
      console.log(`    ${one} beside base: ${words.join(' · ')}`)
    }
  }
}

/** Nothing may be lost or doubled, and something must have been done. */
function judge(phase: string, { measurements, skipped }: Pick<YardResult, 'measurements' | 'skipped'>): void {
  const sum = (name: string): number => measurements.reduce((all, { more }) => all + (more?.[name] ?? 0), 0)
  const done = measurements.reduce((all, { figures }) => all + figures.perSecond, sum('put'))
  const wrong = [
    ...['lost', 'doubled'].filter((name) => sum(name) > 0).map((name) => `${sum(name)} ${name}`),
    ...(done > 0 || skipped.length > 0 ? [] : ['nothing was done']),
  ]
  if (wrong.length === 0) return
  console.error(`${phase}: ${wrong.join(', ')}`)
  process.exitCode = 1
}

function line({ cell, side, pair, figures, more }: YardMeasurement): string {
  const dead = Object.entries(figures.deadRows ?? {}).map(([table, { most }]) => `${table} ${most}`)
  const shown = [
    `${Math.round(figures.perSecond)}/s`,
    figures.tenths && `tenths ${figures.tenths.map((each) => Math.round(each)).join(' ')}`,
    figures.clientUs && `client ${figures.clientUs.toFixed(1)} us`,
    figures.feederUs && `feeder ${figures.feederUs.toFixed(1)} us`,
    figures.serverUs && `server ${figures.serverUs.toFixed(1)} us`,
    figures.walBytes && `WAL ${Math.round(figures.walBytes)} B`,
    figures.p50Ms && `p50 ${figures.p50Ms.toFixed(0)} ms, p99 ${figures.p99Ms?.toFixed(0)} ms`,
    figures.rssMb && `RSS ${figures.rssMb.toFixed(0)} MB`,
    dead.length > 0 && `dead ${dead.join(', ')}`,
    more && JSON.stringify(more),
  ]
  return `  ${cell.padEnd(24)} ${side.padEnd(6)} #${pair} ${shown.filter(Boolean).join(' · ')}`
}

/** What each statement costs in each part of a window, so that one that slows down is seen. */
function statementLines({ figures }: YardMeasurement): string[] {
  return (figures.statements ?? []).flatMap(({ statement, calls, meanMs, pagesEach }) => [
    `    ${statement}`,
    `      calls ${calls.join(' ')} · ms ${meanMs.map((each) => each.toFixed(2)).join(' ')} · pages ${pagesEach.map((each) => each.toFixed(0)).join(' ')}`,
  ])
}
