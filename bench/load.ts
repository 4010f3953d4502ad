// `sluice load` of this checkout beside that of another one, such as the commit before a change, into SQLite.
// In each round each side loads a list into a new queue, and this side loads it again with every row there;
// this side is measured twice, which shows what chance does. Ratios are of pairs of one round.
//   node load.ts --before ../../main                     1,000,000 rows, 9 rounds, JSON lines and CSV
//   node load.ts --before ../../main --formats csv --rounds 3 --rows 200000
//   node load.ts --alone --rounds 1 --rows 10000000      this checkout alone, loaded once and then again: how much memory does it take?
//   node load.ts --smoke                                 tiny, this checkout on both sides: does it run at all?
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { machine } from './src/machine.ts'

const { values } = parseArgs({
  options: {
    before: { type: 'string' },
    rows: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '9' },
    formats: { type: 'string', default: 'jsonl,csv' },
    alone: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
  },
})

const HERE = join(import.meta.dirname, '..')
const BEFORE = values.before === undefined ? HERE : resolve(values.before)
const ROWS = values.smoke ? 2_000 : Number(values.rows)
const ROUNDS = values.smoke ? 1 : Number(values.rounds)
const USAGE = pathToFileURL(join(import.meta.dirname, 'src/usage-at-exit.mjs')).href

interface Run {
  readonly wallMs: number
  readonly cpuMs: number
  readonly peakKiB: number
}

const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-load-'))
console.log(
  JSON.stringify({
    ...machine(),
    sqlite: process.versions['sqlite'],
    rows: ROWS,
    before: await commitOf(BEFORE),
    here: await commitOf(HERE),
  }),
)
try {
  for (const format of values.formats.split(','))
    await (values.alone ? measureAlone(format) : measure(format))
} finally {
  await rm(dir, { recursive: true, force: true })
}

/** Of so many rows that a second side takes hours. */
async function measureAlone(format: string): Promise<void> {
  const list = join(dir, `list.${format}`)
  await writeList(list, format)
  for (let round = 0; round < ROUNDS; round++) {
    const database = join(dir, 'alone.db')
    for (const run of ['first', 'again']) {
      const { wallMs, cpuMs, peakKiB } = await load(HERE, list, database)
      const rowsPerSecond = Math.round((ROWS * 1_000) / wallMs)
      console.log(
        JSON.stringify({ format, round, run, wallMs, cpuMs, rowsPerSecond, peakMiB: peakKiB / 1_024 }),
      )
    }
    for (const end of ['', '-wal', '-shm']) await rm(`${database}${end}`, { force: true })
  }
  await rm(list)
}

async function measure(format: string): Promise<void> {
  const list = join(dir, `list.${format}`)
  await writeList(list, format)
  const rounds: Record<'before' | 'here' | 'hereToo' | 'again', Run>[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const runs: Partial<Record<'before' | 'here' | 'hereToo' | 'again', Run>> = {}
    // In another order in each round: what runs first meets a colder disk.
    const order = (['before', 'here', 'hereToo'] as const).map(
      (_, at, all) => all[(at + round) % all.length] ?? 'here',
    )
    for (const side of order) {
      const database = join(dir, `${side}.db`)
      runs[side] = await load(side === 'before' ? BEFORE : HERE, list, database)
      if (side === 'here') runs.again = await load(HERE, list, database)
      for (const end of ['', '-wal', '-shm']) await rm(`${database}${end}`, { force: true })
    }
    const { before, here, hereToo, again } = runs
    if (before === undefined || here === undefined || hereToo === undefined || again === undefined) continue
    rounds.push({ before, here, hereToo, again })
    console.log(JSON.stringify({ format, round, ...runs }))
  }
  const ratios = (of: (round: (typeof rounds)[number]) => number) => spreadOf(rounds.map(of))
  console.log(
    JSON.stringify({
      format,
      // Above 1: faster than before, and for CPU less of it.
      rate: ratios(({ before, here }) => before.wallMs / here.wallMs),
      rateOfSameBuild: ratios(({ here, hereToo }) => hereToo.wallMs / here.wallMs),
      perCpu: ratios(({ before, here }) => before.cpuMs / here.cpuMs),
      perCpuOfSameBuild: ratios(({ here, hereToo }) => hereToo.cpuMs / here.cpuMs),
      againToFirstRate: ratios(({ here, again }) => here.wallMs / again.wallMs),
      againToFirstPerCpu: ratios(({ here, again }) => here.cpuMs / again.cpuMs),
      moreMemoryMiB: ratios(({ before, here }) => (here.peakKiB - before.peakKiB) / 1_024),
    }),
  )
}

/** The median, and the lowest and highest. */
function spreadOf(numbers: readonly number[]): readonly number[] {
  const sorted = numbers.toSorted((a, b) => a - b)
  const [low = 0, median = 0, high = 0] = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)]
  return [median, low, high].map((number) => Math.round(number * 1_000) / 1_000)
}

async function load(checkout: string, list: string, database: string): Promise<Run> {
  const usage = join(dir, 'usage.json')
  const flags = ['queue.package=sql', 'queue.name=bench', `queue.url=sqlite:${database}`].flatMap((each) => [
    '--set',
    each,
  ])
  const startedAtMs = performance.now()
  const child = spawn(
    process.execPath,
    ['--import', USAGE, join(checkout, 'apps/service/dist/cli.js'), 'load', list, '--json', ...flags],
    {
      cwd: dir,
      env: { PATH: process.env['PATH'], USAGE_FILE: usage },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`sluice load of ${checkout} ended with ${code}`)
  const wallMs = performance.now() - startedAtMs
  const used: Omit<Run, 'wallMs'> = JSON.parse(await readFile(usage, 'utf8'))
  return { wallMs, ...used }
}

async function writeList(path: string, format: string): Promise<void> {
  const out = createWriteStream(path)
  if (format === 'csv') out.write('id,url,size,name\n')
  for (let row = 0; row < ROWS; row++) {
    const [id, url, size, name] = [
      `tile-${row}`,
      `s3://maps/2024/tiles/${row % 97}/${row}.tif`,
      row * 7,
      `tile ${row}`,
    ]
    const line =
      format === 'csv' ? `${id},${url},${size},${name}` : JSON.stringify({ id, body: { url, size, name } })
    if (!out.write(`${line}\n`)) await once(out, 'drain')
  }
  out.end()
  await once(out, 'finish')
}

async function commitOf(checkout: string): Promise<string> {
  const git = spawn('git', ['-C', checkout, 'rev-parse', '--short', 'HEAD'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [text] = await Promise.all([git.stdout.toArray(), once(git, 'exit')])
  return Buffer.concat(text).toString().trim()
}
