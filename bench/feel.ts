// What people feel first: the time and the memory of a command, the memory of a waiting service, the size of
// an install. Beside the same of another checkout, in turns:
//   node bench/feel.ts --before ../main             ../main is built (`npm test` builds); the result is printed
//   node bench/feel.ts --before ../main --rounds 15 --items 1000000 --out bench/results/feel.json
//   node bench/feel.ts --before ../main --only far  commands for a PostgreSQL that is 5 ms away, and nothing else
//   node bench/feel.ts --smoke                      this checkout beside itself, once and tiny
// Both are packed and installed as by a user: service, SQL and process. Bounds are of the issue; the second
// install of this checkout is the A/A pair, by which noise is told from a change.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { commit, machine } from './src/machine.ts'
import { median } from './src/result.ts'
import { startPostgres } from '../packages/queue-sql/test/postgres-server.ts'
import { temporaryFolder } from './src/temporary.ts'

const { values } = parseArgs({
  options: {
    before: { type: 'string' },
    rounds: { type: 'string', default: '11' },
    items: { type: 'string', default: '1000000' },
    only: { type: 'string' },
    'trip-ms': { type: 'string', default: '5' },
    out: { type: 'string' },
    smoke: { type: 'boolean', default: false },
  },
})
const PACKAGES = ['core', 'engine', 'testkit', 'queue-sql', 'worker-process', 'service']
const here = resolve(import.meta.dirname, '..')
const before = resolve(values.before ?? here)
const rounds = values.smoke ? 1 : Number(values.rounds)
const items = values.smoke ? 100 : Number(values.items)
const home = temporaryFolder('feel')

/** An install, by what it is compared as. */
interface Install {
  readonly name: string
  readonly folder: string
  readonly readings: Map<string, number[]>
}

interface Usage {
  readonly peakMb: number
  readonly cpuMs: number
}

/** JavaScript, since what strips types would be measured with it. Not `maxRSS`: see src/peak-memory.ts. */
const PROBE = join(home, 'probe.cjs')
writeFileSync(
  PROBE,
  `process.on('exit', () => {
    const { readFileSync, writeFileSync } = require('node:fs')
    const kib = /VmHWM:\\s+(\\d+)/u.exec(readFileSync('/proc/self/status', 'utf8'))[1]
    const { user, system } = process.cpuUsage()
    writeFileSync('usage.json', JSON.stringify({ peakMb: kib * 1.024e-3, cpuMs: (user + system) / 1e3 }))
  })`,
)

const COMMANDS = [['status'], ['--help'], ['--version']] as const
/** The bound of each figure, as a share of the other checkout's; `undefined` for one that only informs. */
const BOUNDS: Readonly<Record<string, number>> = {
  'install MB': 0.6,
  'status ms': 0.4,
  'status MB': 0.65,
  '--help ms': 0.5,
  '--version ms': 0.5,
  'service MB': 0.7,
}

const places = values.smoke ? { now: here } : { before, now: here, again: here }
const installs = Object.entries(places).map(([name, checkout]) => install(name, checkout))
if (values.only !== 'far') await measureHere()
await measureFar()
report()

async function measureHere(): Promise<void> {
  for (const one of installs) fill(one)
  inTurns(rounds, (one) => {
    for (const args of COMMANDS) measureCommand(one, args)
  })
  for (let round = 0; round < Math.ceil(rounds / 3); round++)
    for (const one of round % 2 === 0 ? installs : installs.toReversed()) await measureService(one)
}

/** The order changes with each round. */
function inTurns(times: number, measure: (one: Install, round: number) => void): void {
  for (let round = 0; round < times; round++)
    for (const one of round % 2 === 0 ? installs : installs.toReversed()) measure(one, round)
}

/** Commands for a queue in PostgreSQL at the far end of a slow way, each install in tables of its own. */
async function measureFar(): Promise<void> {
  const server = await startPostgres([])
  const relay = spawn(
    process.execPath,
    [join(import.meta.dirname, 'src/far-relay-process.ts'), server.url, values['trip-ms']],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  const [url] = (await once(relay.stdout, 'data')).map(String)
  const asFar = (one: Install): readonly string[] => ['--config', writeFarConfig(one, url ?? '')]
  for (const one of installs) sluice(one, ['put', 'first', '1', ...asFar(one)])
  inTurns(rounds, (one, round) => {
    const { readings } = one
    note(readings, 'far status ms', sluice(one, ['status', ...asFar(one)]))
    note(readings, 'far put ms', sluice(one, ['put', `item-${round}`, '1', ...asFar(one)]))
  })
  relay.stdin.end()
  await server.stop()
}

function writeFarConfig({ name, folder }: Install, url: string): string {
  const file = join(folder, 'far.config.json')
  const queue = { package: 'sql', name: 'far', url, tablePrefix: `${name}_` }
  writeFileSync(file, JSON.stringify({ queue }))
  return file
}

function install(name: string, checkout: string): Install {
  const folder = join(home, name)
  const tarballs = join(folder, 'tarballs')
  mkdirSync(tarballs, { recursive: true })
  const env = { ...process.env, SLUICE_BUILT: '1' }
  execFileSync(process.execPath, [join(checkout, 'scripts/pack.mjs'), tarballs, ...PACKAGES], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  const files = readdirSync(tarballs).map((file) => join(tarballs, file))
  const npm = ['install', '--omit=dev', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']
  const path = `${dirname(process.execPath)}:${process.env['PATH']}`
  execFileSync('npm', [...npm, ...files], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, PATH: path },
  })
  const found = sizeOf(join(folder, 'node_modules'))
  const readings = new Map([
    ['install MB', [found.bytes / 1e6]],
    ['install packages', [found.packages]],
  ])
  return { name, folder, readings }
}

/** Bytes on disk, in blocks as `du` counts them, and packages. */
function sizeOf(folder: string): { bytes: number; packages: number } {
  let bytes = 0
  let packages = 0
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    bytes += statSync(join(entry.parentPath, entry.name)).blocks * 512
    if (entry.name === 'package.json' && /node_modules\/(?:@[^/]+\/)?[^/]+$/u.test(entry.parentPath))
      packages++
  }
  return { bytes, packages }
}

/** A SQLite queue with items that wait, and a worker that is never started: the limit is 0. */
function fill({ folder }: Install): void {
  const config = { queue: { package: 'sql', name: 'feel', url: 'sqlite:feel.db', synchronous: 'NORMAL' } }
  const worker = { package: 'process', command: ['true'] }
  writeFileSync(
    join(folder, 'sluice.config.json'),
    JSON.stringify({ ...config, worker, processing: { limit: 0 } }),
  )
  const list = join(folder, 'items.jsonl')
  const lines = Array.from({ length: items }, (_, index) => `{"id":"item-${index}","body":{"n":${index}}}\n`)
  writeFileSync(list, lines.join(''))
  execFileSync(process.execPath, [cliOf(folder), 'load', list], { cwd: folder, stdio: 'ignore' })
}

function cliOf(folder: string): string {
  return join(folder, 'node_modules/@sluice/service/dist/cli.js')
}

function measureCommand({ folder, readings }: Install, args: readonly string[]): void {
  const ms = sluice({ folder }, args)
  // In a run of its own: what reads it takes some time.
  spawnSync(process.execPath, ['--require', PROBE, cliOf(folder), ...args], { cwd: folder })
  const { peakMb, cpuMs }: Usage = JSON.parse(readFileSync(join(folder, 'usage.json'), 'utf8'))
  const command = args.join(' ')
  note(readings, `${command} ms`, ms)
  note(readings, `${command} CPU ms`, cpuMs)
  note(readings, `${command} MB`, peakMb)
}

/** How long it took, in ms. */
function sluice({ folder }: Pick<Install, 'folder'>, args: readonly string[]): number {
  const startedAt = performance.now()
  const plain = spawnSync(process.execPath, [cliOf(folder), ...args], { cwd: folder })
  const ms = performance.now() - startedAt
  if (plain.status !== 0)
    throw new Error(`sluice ${args.join(' ')} ended with ${plain.status}: ${plain.stderr.toString()}`)
  return ms
}

/** The memory of a service that has ticked for a while, as the kernel counts it. */
async function measureService({ folder, readings }: Install): Promise<void> {
  const args = [cliOf(folder), 'run', '--log-format', 'json']
  const service = spawn(process.execPath, args, { cwd: folder, stdio: 'ignore' })
  const ended = once(service, 'exit')
  await sleep(values.smoke ? 3_000 : 15_000)
  const status = readFileSync(`/proc/${service.pid}/status`, 'utf8')
  service.kill('SIGTERM')
  await ended
  const mb = (name: string): number =>
    (Number(new RegExp(`${name}:\\s+(\\d+)`, 'u').exec(status)?.[1]) * 1024) / 1e6
  note(readings, 'service MB', mb('VmRSS'))
  note(readings, 'service peak MB', mb('VmHWM'))
  note(readings, 'service own MB', mb('RssAnon'))
}

function note(readings: Map<string, number[]>, name: string, value: number): void {
  readings.set(name, [...(readings.get(name) ?? []), value])
}

/** A line for each figure: the medians, the ratio, its bound, and the ratio of the A/A pair. */
function report(): void {
  const [first, ...others] = installs
  const figures = [...(first?.readings.keys() ?? [])].map((name) => {
    const [base = 0, now = 0, again = 0] = [first, ...others].map((one) => medianOf(one, name))
    return { name, before: base, now, ratio: now / base, bound: BOUNDS[name], same: again / now }
  })
  for (const { name, before: base, now, ratio, bound, same } of figures)
    console.log(
      others.length === 0
        ? `${name}: ${base.toFixed(1)}`
        : `${name}: ${base.toFixed(1)} → ${now.toFixed(1)}, ${ratio.toFixed(2)}x${boundText(ratio, bound)}, A/A ${same.toFixed(2)}x`,
    )
  if (values.out === undefined) return
  const facts = { at: new Date().toISOString(), commit: commit(), machine: machine(), rounds, items }
  writeFileSync(values.out, `${JSON.stringify({ ...facts, figures }, undefined, 1)}\n`)
}

function medianOf(one: Install | undefined, name: string): number {
  return median(one?.readings.get(name) ?? [])
}

function boundText(ratio: number, bound: number | undefined): string {
  if (bound === undefined) return ''
  return ` (${ratio <= bound ? 'within' : 'PAST'} ${bound}x)`
}
