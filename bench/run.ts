// Measures Sluice beside other queues and beside bare SQL:
//   node run.ts                        every case, 3 repeats; the result goes to results/
//   node run.ts enqueue claim          some cases
//   node run.ts --smoke                everything once and tiny: does every adapter still run?
//   node run.ts --sync off             without waiting for the disk at commit
//   node run.ts --commit-ms 1          as on a disk that takes a millisecond for each commit
import { mkdirSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { startPostgres } from '../packages/queue-sql/test/postgres-server.ts'
import type { Bench } from './src/bench-case.ts'
import { cases } from './src/cases.ts'
import { Grounds } from './src/grounds.ts'
import { commit, machine, versions } from './src/machine.ts'
import { postgresMeter } from './src/meter.ts'
import { startRedis } from './src/redis-server.ts'
import type { Measurement, RunResult } from './src/result.ts'
import { serverSettings } from './src/settings.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    repeats: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '2' },
    sync: { type: 'string', default: 'on' },
    'commit-ms': { type: 'string', default: '0' },
    smoke: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
})
const unknown = positionals.filter((name) => !cases.some((each) => each.name === name))
if (unknown.length > 0) {
  const known = cases.map(({ name }) => name).join(', ')
  throw new TypeError(`no case ${unknown.join(', ')}; there are ${known}`)
}
const wanted = cases.filter(({ name }) => positionals.length === 0 || positionals.includes(name))

const settings = serverSettings(values.sync !== 'off', Number(values['commit-ms']))
const redis = await startRedis()
const skipped = redis === undefined ? ['BullMQ: there is no redis-server on this machine'] : []
for (const each of skipped) console.log(`skipped: ${each}`)
const postgres = await startPostgres(settings)
const meter = await postgresMeter(postgres.url)
const measurements: Measurement[] = []
const loads: Record<string, number> = {}

const bench: Bench = {
  grounds: new Grounds(postgres.url, redis?.port),
  postgres: meter,
  redis,
  isSmoke: values.smoke,
  repeats: values.smoke ? 1 : Number(values.repeats),
  seconds: values.smoke ? 0.3 : Number(values.seconds),
  scale: values.smoke ? 0.002 : 1,
  note: (measurement) => {
    measurements.push(measurement)
    console.log(line(measurement))
  },
}

/**
 * Before each case, and noted nowhere: a process that runs for days has compiled what it calls, and so has
 * every contender here.
 */
const warmUp: Bench = { ...bench, isSmoke: true, repeats: 1, seconds: 1, scale: 0.1, note: () => {} }

const startedAt = performance.now()
const known = await versions(postgres.url, redis?.version)
for (const each of wanted) {
  loads[each.name] = loadavg()[0] ?? 0
  console.log(`\n${each.title} (load ${loads[each.name]?.toFixed(2)})`)
  if (!values.smoke) await each.run(warmUp)
  await each.run(bench)
  // After each case: a run that is ended before its last one has not been for nothing.
  if (values.out !== undefined || !values.smoke)
    save(values.out ?? join(import.meta.dirname, 'results/run.json'))
}
await meter.close()
await postgres.stop()
await redis?.stop()
console.log(
  `\n${measurements.length} measurements in ${Math.round((performance.now() - startedAt) / 1000)} s`,
)

function save(path: string): void {
  const result: RunResult = {
    at: new Date().toISOString(),
    command: `node bench/run.ts ${process.argv.slice(2).join(' ')}`.trim(),
    commit: commit(),
    machine: machine(),
    settings: Object.fromEntries(settings.map((each) => each.split('=', 2))),
    versions: known,
    loads,
    skipped,
    measurements,
  }
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `${JSON.stringify(result, undefined, 1)}\n`)
}

function line({ cell, adapter, repeat, ...cost }: Measurement): string {
  const figures = [
    cost.perSecond === undefined ? '' : `${Math.round(cost.perSecond)}/s`,
    cost.medianMs === undefined ? '' : `${cost.medianMs.toFixed(3)} ms`,
    cost.clientUs === undefined ? '' : `client ${cost.clientUs.toFixed(1)} us`,
    cost.serverUs === undefined ? '' : `server ${cost.serverUs.toFixed(1)} us`,
    cost.walBytes === undefined ? '' : `WAL ${Math.round(cost.walBytes)} B`,
  ]
  const shown = figures.filter((each) => each !== '').join(' · ')
  return `  ${cell.padEnd(28)} ${adapter.padEnd(20)} #${repeat} ${shown}`
}
