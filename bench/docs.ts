// Writes docs/benchmarks.md and its charts, and docs/yardstick.md, out of the results of runs:
//   node docs.ts            writes
//   node docs.ts --check    fails when what is there isn't what the results say
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { barChart } from './src/chart.ts'
import { page } from './src/page.ts'
import type { RunResult } from './src/result.ts'
import { scaleChart, type ScaleResult } from './src/scale-result.ts'
import { summarize, type Summary } from './src/summary.ts'
import { yardPage } from './src/yardstick/yard-page.ts'
import type { YardResult } from './src/yardstick/yard-result.ts'

const here = import.meta.dirname
const docs = join(here, '../docs')
const check = process.argv.includes('--check')
let stale = 0

const run = read('run.json')
const scale = read('scale.json')
const others = [
  {
    run: read('run-slow.json'),
    column: 'at 1 ms a commit',
    meaning: 'a run in which a commit takes a millisecond, as on the disk of those earlier measurements',
    how: 'PostgreSQL’s `commit_delay` plays a slower disk: commits that wait for it share it, as they share a real one.',
  },
  {
    run: read('run-async.json'),
    column: 'without waiting for the disk',
    meaning: 'a run with `synchronous_commit` off, in which only CPU counts',
    how: 'A commit is on the disk some moments after it was acknowledged: what a queue costs beside the disk.',
  },
].flatMap(({ run: other, ...words }) => (other === undefined ? [] : [{ ...words, run: other }]))
if (run === undefined) throw new Error('there is no results/run.json: run the bench first')
const summaries = summarize(run)
hold('benchmarks.md', page({ run, summaries, others, scale }))
for (const [name, cells] of Object.entries({
  enqueue: ['batch 1, 4 clients', 'batch 1000, 1 clients', 'batch 1000, 4 clients'],
  claim: ['batch 1, 4 clients', 'batch 100, 1 clients', 'batch 100, 4 clients', 'batch 1000, 1 clients'],
  callers: ['put', 'success'],
  dispatch: ['no-op handler'],
})) {
  hold(`benchmarks-${name}.svg`, barChart(barsOf(summaries, name, cells), 'items a second →'))
}
if (scale !== undefined) {
  for (const { store } of scale.stores) hold(`benchmarks-scale-${store}.svg`, scaleChart(scale, store))
}
const phases = globSync('results/yardstick-*.json', { cwd: here }).map((path): YardResult => {
  // Written by yardstick.ts of this folder.
  const result: YardResult = JSON.parse(readFileSync(join(here, path), 'utf8'))
  return result
})
if (phases.length > 0) hold('yardstick.md', yardPage(phases))
console.log(`docs: ${stale} ${check ? 'out of date' : 'written'}`)
if (check && stale > 0) process.exitCode = 1

function barsOf(all: readonly Summary[], name: string, cells: readonly string[]) {
  return all.flatMap(({ case: of, cell, adapter, perSecond }) =>
    of === name && cells.includes(cell) && perSecond !== undefined
      ? [{ cell, adapter, value: perSecond }]
      : [],
  )
}

/** What the programs of this folder leave in results/. */
interface Results {
  readonly 'run.json': RunResult
  readonly 'run-slow.json': RunResult
  readonly 'run-async.json': RunResult
  readonly 'scale.json': ScaleResult
}

function read<Name extends keyof Results>(name: Name): Results[Name] | undefined {
  const file = join(here, 'results', name)
  if (!existsSync(file)) return undefined
  // Written by run.ts or scale.ts of this folder.
  const results: Results[Name] = JSON.parse(readFileSync(file, 'utf8'))
  return results
}

function hold(name: string, wanted: string): void {
  const file = join(docs, name)
  if (existsSync(file) && readFileSync(file, 'utf8') === wanted) return
  stale += 1
  if (!check) writeFileSync(file, wanted)
  else console.error(`docs/${name} is out of date: run \`node bench/docs.ts\``)
}
