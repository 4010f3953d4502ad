import { Crew } from '../crew.ts'
import { LocalPlace, measureHarm, paused, type Harm } from './harm.ts'
import { Helper } from '../processes/helper.ts'
import { turns, type Phase, type PhaseRun, type Side } from './phase.ts'
import { programOf, sluiceCrew } from '../programs.ts'
import type { S3BareSetup } from '../processes/s3-bare-process.ts'
import type { S3Place, S3Reading, S3ServerSetup, S3Trouble } from '../processes/s3-server-process.ts'

const LATENCY_MS = 50
const CONCURRENCY = 128
const BODIES = [64, 1_024, 16_384, 262_144]
const DEPTH = 1_000
const SMOKE_DEPTH = 10
/** Items of one put. */
const BATCH = 500
/** Items for each second of the phase, and the most bytes of bodies: the server keeps them in memory. */
const ITEMS_EACH_SECOND = 100
const MAX_BYTES = 256 * 1_024 ** 2
/** A storm lasts so long, and then it is calm for twice as long. */
const STORM_MS = 5_000

type Turn = Side & { readonly pair: number }

export const s3: readonly Phase[] = [
  {
    name: 's3.clean',
    title: 'a whole life at 50 ms a request, by the size of the body',
    run: async (run) => {
      for (const turn of turns(run))
        for (const bodyBytes of run.isSmoke ? BODIES.slice(0, 1) : BODIES)
          await wholeLife(run, turn, bodyBytes)
    },
  },
  troublePhase('s3.storm', 'all requests are answered 503, 5 of each 15 seconds', storms),
  troublePhase('s3.late', 'each 50th write takes effect after its sender gave up', late),
]

interface Server {
  readonly helper: Helper
  readonly place: S3Place
}

async function serve(build: string, run: PhaseRun): Promise<Server> {
  const setup: S3ServerSetup = { build, latencyMs: run.isSmoke ? 1 : LATENCY_MS }
  const helper = new Helper({ file: programOf('s3-server'), setup })
  return { helper, place: await helper.call<S3Place>('place') }
}

function crewOn({ place }: Server, run: PhaseRun, build: string) {
  const options = { name: 'yard', probe: 'off', concurrency: CONCURRENCY, ...place }
  return {
    queue: { build, package: 'queue-s3', options },
    cap: run.cap,
    leaseTtlMs: run.isSmoke ? 1_000 : undefined,
  }
}

/** The puts alone, then all else alone: each has the requests in flight for itself. */
async function wholeLife(run: PhaseRun, { name: side, build, pair }: Turn, bodyBytes: number): Promise<void> {
  const server = await serve(build, run)
  const feed = { bodyBytes, batch: BATCH, together: 2 }
  const crew = await Crew.start(sluiceCrew({ ...crewOn(server, run, build), feed, services: 0 }))
  const wanted = run.isSmoke ? SMOKE_DEPTH : ITEMS_EACH_SECOND * run.seconds
  const items = Math.ceil(Math.min(wanted, MAX_BYTES / bodyBytes))
  const before = await server.helper.call<S3Reading>('read')
  const putMs = await timed(() => crew.putNow(items))
  const workMs = await timed(async () => {
    await crew.addService()
    await crew.drain(0)
  })
  const after = await server.helper.call<S3Reading>('read')
  await crew.end()
  const requests = after.requests - before.requests
  const bareMs = await bare(server, build, requests)
  const ms = putMs + workMs
  run.note({
    cell: `body of ${bodyBytes} B`,
    side,
    pair,
    figures: { items, seconds: ms / 1_000, perSecond: (items / ms) * 1_000 },
    more: {
      putPerSecond: (items / putMs) * 1_000,
      workPerSecond: (items / workMs) * 1_000,
      requestsEach: requests / items,
      bytesEach: (after.bytes - before.bytes) / items,
      besideBare: bareMs / ms,
    },
  })
  await server.helper.end()
}

async function bare({ place }: Server, build: string, requests: number): Promise<number> {
  const setup: S3BareSetup = { build, place, concurrency: CONCURRENCY }
  const helper = new Helper({ file: programOf('s3-bare'), setup })
  // The first requests of a process are slower than its later ones.
  await helper.call('put', CONCURRENCY)
  const ms = await helper.call<number>('put', requests)
  await helper.end()
  return ms
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

function troublePhase(
  name: string,
  title: string,
  harmOf: (turnTo: (trouble: S3Trouble) => Promise<void>) => Harm<LocalPlace>,
): Phase {
  return {
    name,
    title,
    run: async (run) => {
      for (const turn of turns(run)) {
        const server = await serve(turn.build, run)
        const feed = { batch: BATCH, together: 2 }
        const options = sluiceCrew({ ...crewOn(server, run, turn.build), feed, isCounted: true })
        const place = await LocalPlace.open(options, run.isSmoke ? SMOKE_DEPTH : DEPTH, () =>
          server.helper.end(),
        )
        const harm = harmOf(async (trouble) => {
          await server.helper.call('trouble', trouble)
        })
        await measureHarm(run, turn, { place, harm })
      }
    },
  }
}

function storms(turnTo: (trouble: S3Trouble) => Promise<void>): Harm<LocalPlace> {
  return async (_place, signal) => {
    while (!signal.aborted) {
      await turnTo('storm')
      await paused(STORM_MS, signal)
      await turnTo('none')
      await paused(2 * STORM_MS, signal)
    }
  }
}

function late(turnTo: (trouble: S3Trouble) => Promise<void>): Harm<LocalPlace> {
  return async (_place, signal) => {
    await turnTo('late')
    await paused(3_600_000, signal)
    await turnTo('none')
  }
}
