import type { Crew } from '../crew.ts'
import { measureHarm, paused, type Harm } from './harm.ts'
import { turns, type Phase } from './phase.ts'
import { connected } from './pressure.ts'
import { Yard } from '../yard.ts'

const RESTART = 'chaos.restart'
const KILL_EVERY_MS = 10_000
const IDLE_CONNECTIONS = 300

export const chaos: readonly Phase[] = [
  phaseOf(RESTART, 'PostgreSQL is killed and started again', 1, ({ server }) => server.kill()),
  phaseOf('chaos.terminate', 'a random backend is terminated each second', 1, terminate),
  phaseOf('chaos.connections', '300 idle connections', 1, crowd),
  phaseOf('chaos.kill', 'the service that dispatches, of two, is killed', 2, ({ crew }) =>
    crew.killDispatcher(),
  ),
  phaseOf('chaos.kills', 'one of two services in turn is killed every 10 seconds', 2, killOften),
]

async function terminate({ url }: Yard, signal: AbortSignal): Promise<void> {
  const client = await connected(url)
  while (!signal.aborted) {
    await client.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'sluice' and datname = current_database() order by random() limit 1`)
    await paused(1_000, signal)
  }
  await client.end()
}

async function crowd({ url }: Yard, signal: AbortSignal): Promise<void> {
  const clients = []
  for (let count = 0; count < IDLE_CONNECTIONS && !signal.aborted; count++) {
    const client = await connected(url)
    await client.query('select 1')
    clients.push(client)
  }
  await paused(3_600_000, signal)
  await Promise.all(clients.map((client) => client.end()))
}

export async function killOften({ crew }: { readonly crew: Crew }, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await crew.killService()
    await paused(KILL_EVERY_MS, signal)
  }
}

function phaseOf(name: string, title: string, services: number, harm: Harm<Yard>): Phase {
  return {
    name,
    title,
    run: async (run) => {
      for (const turn of turns(run)) {
        const harmsServer = name === RESTART
        const options = { services, isCounted: true, leaseTtlMs: run.isSmoke ? 1_000 : undefined }
        const yard = await Yard.open({
          build: turn.build,
          cap: run.cap,
          depth: run.depth,
          shared: harmsServer ? undefined : run.shared,
          ...options,
        })
        await measureHarm(run, turn, { place: yard, harm })
      }
    },
  }
}
