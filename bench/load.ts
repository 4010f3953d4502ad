// `sluice load` of this checkout beside that of another one, such as the commit before a change, into SQLite
// or into a PostgreSQL that it starts, with `fsync` on.
// In each round each side loads a list into a new queue, and this side loads it again with every row there;
// this side is measured twice, which shows what chance does. Ratios are of pairs of one round.
//   node load.ts --before ../../main                     1,000,000 rows, 9 rounds, JSON lines and CSV
//   node load.ts --before ../../main --on postgres       into PostgreSQL, with the CPU of its server
//   node load.ts --before ../../main --formats csv --rounds 3 --rows 200000
//   node load.ts --alone --rounds 1 --rows 10000000      this checkout alone, loaded once and then again: how much memory does it take?
//   node load.ts --smoke                                 tiny, this checkout on both sides: does it run at all?
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { startPostgres } from '../packages/queue-sql/test/postgres-server.ts'
import { machine } from './src/machine.ts'

const { values } = parseArgs({
  options: {
    before: { type: 'string' },
    rows: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '9' },
    formats: { type: 'string', default: 'jsonl,csv' },
    on: { type: 'string', default: 'sqlite' },
    alone: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
  },
})

const HERE = join(import.meta.dirname, '..')
const BEFORE = values.before === undefined ? HERE : resolve(values.before)
const ROWS = values.smoke ? 2_000 : Number(values.rows)
const ROUNDS = values.smoke ? 1 : Number(values.rounds)
const USAGE = pathToFileURL(join(import.meta.dirname, 'src/usage-at-exit.mjs')).href

/** Linux counts in hundredths of a second. */
const TICK_MS = 10

interface Run {
  readonly wallMs: number
  readonly cpuMs: number
  /** Of all processes of a PostgreSQL server. */
  readonly serverCpuMs?: number
  readonly peakKiB: number
}

/** Where each load has a place of its own. */
interface Places {
  readonly flags: (place: string) => string[]
  /** CPU of the servers that have ended and those that run, in ms; absent: there is none. */
  readonly serverCpuMs?: () => Promise<number>
  readonly remove: (place: string) => Promise<void>
  readonly close: () => Promise<void>
}

const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-load-'))
const places = values.on === 'postgres' ? await postgresPlaces() : sqlitePlaces()
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
  await places.close()
  await rm(dir, { recursive: true, force: true })
}

function sqlitePlaces(): Places {
  return {
    flags: (place) => [`queue.url=sqlite:${join(dir, `${place}.db`)}`],
    remove: async (place) => {
      for (const end of ['', '-wal', '-shm']) await rm(join(dir, `${place}.db${end}`), { force: true })
    },
    close: async () => undefined,
  }
}

/** Tables of their own, in one server. */
async function postgresPlaces(): Promise<Places> {
  const server = await startPostgres([])
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  const main = (await statOf(rows[0]?.pid ?? 0)).parent
  return {
    flags: (place) => [`queue.url=${server.url}`, `queue.tablePrefix=${place.toLowerCase()}_`],
    serverCpuMs: async () => {
      const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
      // A process may end meanwhile.
      const stats = await Promise.all(all.map((pid) => statOf(pid).catch(() => undefined)))
      const running = stats
        .filter((stat) => stat?.parent === main)
        .reduce((sum, stat) => sum + (stat?.ownMs ?? 0), 0)
      return running + (await statOf(main)).endedMs
    },
    remove: async (place) => {
      const prefix = `${place.toLowerCase()}_`
      const tables = await client.query<{ name: string }>(
        `select format('%I', tablename) as name from pg_tables where starts_with(tablename, $1)`,
        [prefix],
      )
      if (tables.rows.length > 0)
        await client.query(`drop table ${tables.rows.map(({ name }) => name).join(', ')} cascade`)
      await client.query(
        `drop sequence if exists ${prefix}items_turn; drop function if exists ${prefix}refuse_older; checkpoint`,
      )
    },
    close: async () => {
      await client.end()
      await server.stop()
    },
  }
}

/** @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
async function statOf(pid: number): Promise<{ parent: number; ownMs: number; endedMs: number }> {
  const [, rest = ''] = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')
  const fields = rest.split(' ').map(Number)
  const ms = (first: number) => ((fields[first] ?? 0) + (fields[first + 1] ?? 0)) * TICK_MS
  return { parent: fields[1] ?? 0, ownMs: ms(11), endedMs: ms(13) }
}

/** Of so many rows that a second side takes hours. */
async function measureAlone(format: string): Promise<void> {
  const list = join(dir, `list.${format}`)
  await writeList(list, format)
  for (let round = 0; round < ROUNDS; round++) {
    const database = 'alone'
    for (const run of ['first', 'again']) {
      const { wallMs, cpuMs, serverCpuMs, peakKiB } = await load(HERE, list, database)
      const rowsPerSecond = Math.round((ROWS * 1_000) / wallMs)
      console.log(
        JSON.stringify({
          format,
          round,
          run,
          wallMs,
          cpuMs,
          serverCpuMs,
          rowsPerSecond,
          peakMiB: peakKiB / 1_024,
        }),
      )
    }
    await places.remove(database)
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
      runs[side] = await load(side === 'before' ? BEFORE : HERE, list, side)
      if (side === 'here') runs.again = await load(HERE, list, side)
      await places.remove(side)
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
      perServerCpu: ratios(({ before, here }) => (before.serverCpuMs ?? 1) / (here.serverCpuMs ?? 1)),
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

async function load(checkout: string, list: string, place: string): Promise<Run> {
  const usage = join(dir, 'usage.json')
  const flags = ['queue.package=sql', 'queue.name=bench', ...places.flags(place)].flatMap((each) => [
    '--set',
    each,
  ])
  const serverMs = (await places.serverCpuMs?.()) ?? 0
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
  const serverEndMs = await places.serverCpuMs?.()
  return { wallMs, ...used, ...(serverEndMs === undefined ? {} : { serverCpuMs: serverEndMs - serverMs }) }
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
