import { setTimeout as pause } from 'node:timers/promises'
import { figuresOf, rateBetween, type CrewReading } from './crew.ts'
import { turns, type Phase, type PhaseRun, type Side } from './phase.ts'
import { connected } from './pressure.ts'
import { Yard } from './yard.ts'

/** Does its harm until the signal aborts; what it resolves with undoes the rest. */
type Harm = (yard: Yard, signal: AbortSignal) => Promise<(() => Promise<void>) | undefined>

const KILL_EVERY_MS = 10_000
const IDLE_CONNECTIONS = 300
/** Recovered is who makes so much of the clean rate again in a second. */
const RECOVERED = 0.8

export const chaos: readonly Phase[] = [
  phaseOf('chaos.restart', 'PostgreSQL is killed and started again', 1, async ({ server }) => {
    await server.kill()
    return undefined
  }),
  phaseOf('chaos.terminate', 'a random backend is terminated each second', 1, terminate),
  phaseOf('chaos.connections', '300 idle connections', 1, crowd),
  phaseOf('chaos.kill', 'the service that dispatches, of two, is killed', 2, async ({ crew }) => {
    await crew.killDispatcher()
    return undefined
  }),
  phaseOf('chaos.kills', 'one of two services in turn is killed every 10 seconds', 2, killOften),
]

async function terminate({ url }: Yard, signal: AbortSignal): Promise<undefined> {
  const client = await connected(url)
  while (!signal.aborted) {
    await client.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'sluice' order by random() limit 1`)
    await pause(1_000, undefined, { signal }).catch(() => undefined)
  }
  await client.end()
}

async function crowd({ url }: Yard, signal: AbortSignal): Promise<undefined> {
  const clients = []
  for (let count = 0; count < IDLE_CONNECTIONS && !signal.aborted; count++) {
    const client = await connected(url)
    await client.query('select 1')
    clients.push(client)
  }
  await pause(3_600_000, undefined, { signal }).catch(() => undefined)
  await Promise.all(clients.map((client) => client.end()))
}

async function killOften({ crew }: Yard, signal: AbortSignal): Promise<undefined> {
  while (!signal.aborted) {
    await crew.killService()
    await pause(KILL_EVERY_MS, undefined, { signal }).catch(() => undefined)
  }
}

function phaseOf(name: string, title: string, services: number, harm: Harm): Phase {
  return {
    name,
    title,
    run: async (run) => {
      for (const turn of turns(run)) await under(run, turn, { services, harm })
    },
  }
}

async function under(
  run: PhaseRun,
  { name: side, build, pair }: Side & { readonly pair: number },
  { services, harm }: { readonly services: number; readonly harm: Harm },
): Promise<void> {
  const yard = await Yard.open({
    build,
    cap: run.cap,
    services,
    isCounted: true,
    leaseTtlMs: run.isSmoke ? 1_000 : undefined,
  })
  await yard.warmUp(run.warmUpSeconds)
  const before = await yard.window(run.cleanSeconds)
  run.note({ cell: 'clean before', side, pair, figures: before })
  const timeline = await harmed(yard, harm, run.seconds)
  const wanted = run.isSmoke ? 1 : RECOVERED * before.perSecond
  const recoveredSeconds = await recovery(yard, wanted)
  run.note({ cell: 'chaos', side, pair, figures: figuresOf(timeline), more: { recoveredSeconds } })
  await yard.recover()
  const after = await yard.window(run.cleanSeconds)
  const verdict = await yard.crew.verdict()
  run.note({ cell: 'clean after', side, pair, figures: after, more: { ...verdict } })
  await yard.close()
}

/** The harm begins at once, and ends with the window. */
async function harmed(yard: Yard, harm: Harm, seconds: number): Promise<CrewReading[]> {
  const stop = new AbortController()
  const harming = harm(yard, stop.signal)
  const timeline = [await yard.crew.read()]
  for (const endsAt = performance.now() + seconds * 1_000; performance.now() < endsAt;) {
    await pause(Math.min(1_000, Math.max(1, endsAt - performance.now())))
    timeline.push(await yard.crew.read())
  }
  stop.abort()
  const undo = await harming
  await undo?.()
  return timeline
}

/** How long after the harm ended a second of such a rate was seen; `NaN` if it was not. */
async function recovery({ crew }: Yard, perSecond: number): Promise<number> {
  const startedAt = performance.now()
  let last = await crew.read()
  while (performance.now() - startedAt < 120_000) {
    await pause(1_000)
    const reading = await crew.read()
    if (rateBetween(last, reading) >= perSecond) return (last.atMonotonic - startedAt) / 1_000
    last = reading
  }
  return Number.NaN
}
