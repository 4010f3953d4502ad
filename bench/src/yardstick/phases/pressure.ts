import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { turns, type Phase, type PhaseRun } from './phase.ts'
import { Yard } from '../yard.ts'

/** What ends a pressure. */
type Release = () => Promise<void>

interface Pressure {
  readonly yard: Yard
  readonly cleanPerSecond: number
  readonly seconds: number
}

const BURST = 100_000
const READERS = 4

export const pressures: readonly Phase[] = [
  phaseOf('pressure.idle', 'a writer to a table of its own, idle in its transaction', ({ yard }) =>
    holdTransaction(yard.url),
  ),
  phaseOf('pressure.readers', 'four overlapping REPEATABLE READ readers of our tables', readers),
  phaseOf('pressure.overload', 'one and a half times the clean rate is put', overload),
  phaseOf('pressure.burst', '100,000 items at once, again whenever they are done', burst),
]

/** While it lasts, no row that dies can be vacuumed. */
export async function holdTransaction(url: string): Promise<Release> {
  const client = await connected(url)
  await client.query('create table if not exists of_another (n int)')
  await client.query('begin')
  await client.query('insert into of_another values (1)')
  return async () => {
    await client.query('commit')
    await client.end()
  }
}

/** Each holds its snapshot and its locks for a while; the next begins before it ends, without a gap. */
async function readers({ yard, seconds }: Pressure): Promise<Release> {
  const holdMs = Math.min(20_000, (seconds * 1_000) / 4)
  const stop = new AbortController()
  const reading = Array.from({ length: READERS }, async (_, number) => {
    const client = await connected(yard.url)
    await pause((number * holdMs) / READERS, undefined, { signal: stop.signal }).catch(() => undefined)
    while (!stop.signal.aborted) await readOnce(client, holdMs, stop.signal)
    await client.end()
  })
  return async () => {
    stop.abort()
    await Promise.all(reading)
  }
}

async function readOnce(client: pg.Client, holdMs: number, signal: AbortSignal): Promise<void> {
  await client.query('begin isolation level repeatable read')
  const { rows } = await client.query<{ relname: string }>('select relname from pg_stat_user_tables')
  for (const { relname } of rows.filter(({ relname }) => relname.startsWith('sluice_')))
    await client.query(`select count(*) from (select 1 from ${relname} limit 10000) t`)
  await pause(holdMs, undefined, { signal }).catch(() => undefined)
  await client.query('commit')
}

async function overload({ yard, cleanPerSecond }: Pressure): Promise<Release> {
  await yard.crew.feed({ kind: 'rate', perSecond: 1.5 * cleanPerSecond })
  return async () => undefined
}

async function burst({ yard, cleanPerSecond, seconds }: Pressure): Promise<Release> {
  const items = Math.min(BURST, Math.ceil((cleanPerSecond * seconds) / 2))
  await yard.crew.feed({ kind: 'bursts', items, below: Math.min(yard.depth, items / 10) })
  return async () => undefined
}

export async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return client
}

/** Clean before, the pressure, and clean after it is gone. */
function phaseOf(name: string, title: string, press: (pressure: Pressure) => Promise<Release>): Phase {
  return {
    name,
    title,
    run: async (run) => {
      for (const turn of turns(run)) await under(run, turn, press)
    },
  }
}

type Turn = { readonly name: string; readonly build: string; readonly pair: number }

async function under(
  run: PhaseRun,
  { name: side, build, pair }: Turn,
  press: (pressure: Pressure) => Promise<Release>,
): Promise<void> {
  const yard = await Yard.open({ build, cap: run.cap, depth: run.depth, shared: run.shared })
  await yard.warmUp(run.warmUpSeconds)
  const before = await yard.window(run.cleanSeconds)
  run.note({ cell: 'clean before', side, pair, figures: before })
  const release = await press({ yard, cleanPerSecond: before.perSecond, seconds: run.seconds })
  run.note({ cell: 'pressure', side, pair, figures: await yard.window(run.seconds) })
  await release()
  await yard.recover()
  run.note({ cell: 'clean after', side, pair, figures: await yard.window(run.cleanSeconds) })
  await yard.close()
}
