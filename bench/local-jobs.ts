// Local jobs: `sluice run` with worker-process and a queue in SQLite, of this checkout, of another one such
// as the commit before a change, and GNU parallel with a job log. Every item runs `true`. In each round each
// side runs as many; this side runs twice, which shows what chance does. Ratios are of pairs of one round.
//   node local-jobs.ts --before ../../main                5,000 items, 9 rounds, 16 jobs at once
//   node local-jobs.ts --before ../../main --items 500 --rounds 3 --jobs 64
//   node local-jobs.ts --alone --rounds 1 --items 100000  this checkout alone: what stays on the disk of an item
//   node local-jobs.ts --smoke                            tiny, this checkout on both sides: does it run at all?
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { lstat, mkdir, mkdtemp, opendir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { machine } from './src/machine.ts'

const { values } = parseArgs({
  options: {
    before: { type: 'string' },
    items: { type: 'string', default: '5000' },
    rounds: { type: 'string', default: '9' },
    jobs: { type: 'string', default: '16' },
    alone: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
  },
})

const HERE = join(import.meta.dirname, '..')
const BEFORE = values.before === undefined ? HERE : resolve(values.before)
const ITEMS = values.smoke ? 50 : Number(values.items)
const ROUNDS = values.smoke ? 1 : Number(values.rounds)
const JOBS = Number(values.jobs)

interface Run {
  readonly wallMs: number
  /** Of the side and of all that it starts; absent where there is no control group to count it. */
  readonly cpuMs?: number
}

interface SluiceRun extends Run {
  /** What stays under the folder of the jobs, for each item. */
  readonly inodes: number
  readonly bytes: number
}

type Side = 'before' | 'here' | 'hereToo' | 'parallel'

const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-local-'))
const parallel = versionOfParallel()
console.log(
  JSON.stringify({
    ...machine(),
    sqlite: process.versions['sqlite'],
    parallel: parallel ?? 'not installed',
    items: ITEMS,
    jobs: JOBS,
    before: git(BEFORE),
    here: git(HERE),
  }),
)
try {
  await (values.alone ? measureAlone() : measure())
} finally {
  await rm(dir, { recursive: true, force: true })
}

async function measureAlone(): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const run = await runSluice(HERE)
    console.log(JSON.stringify({ round, ...run, itemsPerSecond: rateOf(run) }))
  }
}

async function measure(): Promise<void> {
  const sides: readonly Side[] = [
    'before',
    'here',
    ...(parallel === undefined ? [] : (['parallel'] as const)),
    'hereToo',
  ]
  const rounds: Partial<Record<Side, Run>>[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const runs: Partial<Record<Side, Run>> = {}
    // In another order in each round: what runs first meets a colder disk.
    for (const side of sides.map((_, at) => sides[(at + round) % sides.length] ?? 'here')) {
      runs[side] = await (side === 'parallel' ? runParallel() : runSluice(side === 'before' ? BEFORE : HERE))
    }
    rounds.push(runs)
    console.log(JSON.stringify({ round, ...runs }))
  }
  const ratios = (over: Side, of: (run: Run) => number | undefined) =>
    spreadOf(rounds.map((runs) => quotient(runs[over], runs.here, of)))
  console.log(
    JSON.stringify({
      itemsPerSecond: spreadOf(rounds.map(({ here }) => (here === undefined ? Number.NaN : rateOf(here)))),
      // Above 1: more items a second than the other, and for CPU less of it.
      rateToBefore: ratios('before', ({ wallMs }) => wallMs),
      rateToParallel: ratios('parallel', ({ wallMs }) => wallMs),
      rateOfSameBuild: ratios('hereToo', ({ wallMs }) => wallMs),
      perCpuToBefore: ratios('before', ({ cpuMs }) => cpuMs),
      perCpuToParallel: ratios('parallel', ({ cpuMs }) => cpuMs),
      perCpuOfSameBuild: ratios('hereToo', ({ cpuMs }) => cpuMs),
    }),
  )
}

function quotient(
  other: Run | undefined,
  here: Run | undefined,
  of: (run: Run) => number | undefined,
): number {
  if (other === undefined || here === undefined) return Number.NaN
  return (of(other) ?? Number.NaN) / (of(here) ?? Number.NaN)
}

function rateOf({ wallMs }: Run): number {
  return Math.round((ITEMS * 1_000) / wallMs)
}

/** The median, and the lowest and highest. */
function spreadOf(numbers: readonly number[]): readonly number[] {
  const sorted = numbers.toSorted((a, b) => a - b)
  const [low = 0, median = 0, high = 0] = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)]
  return [median, low, high].map((number) => Math.round(number * 1_000) / 1_000)
}

async function runSluice(checkout: string): Promise<SluiceRun> {
  const cwd = join(dir, 'queue')
  await rm(cwd, { recursive: true, force: true })
  await mkdir(cwd)
  const config = {
    queue: { package: 'sql', name: 'bench', url: 'sqlite:queue.db' },
    worker: { package: 'process', command: ['true'], dir: 'jobs' },
    processing: { limit: JOBS },
    log: { level: 'error' },
  }
  await writeFile(join(cwd, 'sluice.config.json'), JSON.stringify(config))
  const lines = Array.from({ length: ITEMS }, (_, row) =>
    JSON.stringify({ id: `item-${row}`, body: { row } }),
  )
  await writeFile(join(cwd, 'list.jsonl'), `${lines.join('\n')}\n`)
  const cli = [process.execPath, join(checkout, 'apps/service/dist/cli.js')]
  await measured([...cli, 'load', 'list.jsonl'], cwd)
  const run = await measured([...cli, 'run', '--until-empty', '--fail-if-failed'], cwd)
  const { inodes, bytes } = await usageOf(join(cwd, 'jobs'))
  await rm(cwd, { recursive: true, force: true })
  return { ...run, inodes: round3(inodes / ITEMS), bytes: round3(bytes / ITEMS) }
}

/** As its manual says for many short jobs; the log is what makes it able to resume. */
async function runParallel(): Promise<Run> {
  const log = join(dir, 'parallel.log')
  const script = `seq ${ITEMS} | parallel --will-cite -j${JOBS} --joblog "$0" true '# {}'`
  const run = await measured(['/bin/sh', '-c', script, log], dir)
  const ended = readFileSync(log, 'utf8').split('\n').length - 2
  if (ended !== ITEMS) throw new Error(`GNU parallel ran ${ended} of ${ITEMS} jobs`)
  await rm(log)
  return run
}

async function measured(command: readonly string[], cwd: string): Promise<Run> {
  const group = openGroup()
  const startedAtMs = performance.now()
  const join = group === undefined ? '' : `echo $$ > ${group}/cgroup.procs; `
  const child = spawn('/bin/sh', ['-c', `${join}exec "$@"`, 'sh', ...command], {
    cwd,
    env: { PATH: process.env['PATH'], HOME: cwd },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = await once(child, 'exit')
  const wallMs = Math.round(performance.now() - startedAtMs)
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}`)
  return { wallMs, ...(group === undefined ? {} : { cpuMs: await closeGroup(group) }) }
}

/** A control group of version 2, which counts the CPU of processes that outlive their parent too. */
function openGroup(): string | undefined {
  const root = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find((at) =>
    existsSync(`${at}/cgroup.controllers`),
  )
  const group = `${root}/sluice-bench-${process.pid}-${Math.round(performance.now())}`
  if (root === undefined) return undefined
  try {
    mkdirSync(group)
    return group
  } catch {
    // Not Linux, or not root.
    return undefined
  }
}

async function closeGroup(group: string): Promise<number> {
  for (;;) {
    const usage = /^usage_usec (\d+)$/mu.exec(readFileSync(`${group}/cpu.stat`, 'utf8'))?.[1]
    try {
      // It is busy while processes that the side has left are about to end.
      rmdirSync(group)
      return Math.round(Number(usage) / 1_000)
    } catch {
      await sleep(10)
    }
  }
}

async function usageOf(folder: string): Promise<{ inodes: number; bytes: number }> {
  const sum = { inodes: 0, bytes: 0 }
  for await (const entry of await opendir(folder, { recursive: true })) {
    const { blocks } = await lstat(join(entry.parentPath, entry.name))
    sum.inodes += 1
    sum.bytes += blocks * 512
  }
  return sum
}

function round3(number: number): number {
  return Math.round(number * 1_000) / 1_000
}

function versionOfParallel(): string | undefined {
  try {
    return execFileSync('parallel', ['--version'], { encoding: 'utf8' }).split('\n')[0]
  } catch {
    return undefined
  }
}

function git(checkout: string): string {
  return execFileSync('git', ['-C', checkout, 'rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
}
