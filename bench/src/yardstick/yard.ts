import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startOwnPostgres, type OwnPostgresServer } from '../../../packages/queue-sql/test/postgres-server.ts'
import { statement } from '../grounds.ts'
import { postgresMeter, serverCost } from '../meter.ts'
import { serverSettings } from '../settings.ts'
import type { QueueSetup } from './build.ts'
import type { Feed, FeederReading } from './feeder-process.ts'
import { Helper } from './helper.ts'
import { quantile } from './latency.ts'
import { costsBetween, ServerState } from './server-state.ts'
import type { ServiceReading, ServiceSetup } from './service-process.ts'
import type { WindowFigures } from './yard-result.ts'

const QUEUE = 'yard'
const SERVICE = join(import.meta.dirname, 'service-process.ts')
const FEEDER = join(import.meta.dirname, 'feeder-process.ts')
/** Waiting items that a feeder keeps: many times what one tick claims. */
export const DEPTH = 10_000

export interface YardOptions {
  readonly build: string
  readonly cap: number
}

type Meter = Awaited<ReturnType<typeof postgresMeter>>

interface Parts {
  readonly server: OwnPostgresServer
  readonly meter: Meter
  readonly state: ServerState
  readonly feeder: Helper
  readonly service: Helper
}

interface Reading {
  readonly atMonotonic: number
  readonly service: ServiceReading
  readonly feeder: FeederReading
}

/** A PostgreSQL server of its own, the service of a build on it, and a feeder. */
export class Yard {
  readonly url: string
  readonly #parts: Parts

  private constructor(parts: Parts) {
    this.#parts = parts
    this.url = parts.server.url
  }

  static async open({ build, cap }: YardOptions): Promise<Yard> {
    const server = await startOwnPostgres(YARD_SETTINGS)
    const queue: QueueSetup = {
      build,
      package: 'queue-sql',
      options: { name: QUEUE, url: server.url, timeoutMs: 60_000 },
    }
    const feeder = new Helper(FEEDER, queue)
    await feeder.call('read')
    const setup: ServiceSetup = { queue, name: QUEUE, cap, jobMs: 1 }
    const service = new Helper(SERVICE, setup)
    await service.call('read')
    const [meter, state] = [await postgresMeter(server.url), await ServerState.open(server.url)]
    return new Yard({ server, meter, state, feeder, service })
  }

  async feed(feed: Feed): Promise<void> {
    await this.#parts.feeder.call('feed', feed)
  }

  /** Runs unmeasured, as what a process compiled and the server cached is part of no window. */
  async warmUp(seconds: number): Promise<void> {
    await this.feed({ kind: 'depth', items: DEPTH })
    await pause(seconds * 1_000)
    await statement(this.url, 'checkpoint')
  }

  /** Waits until hardly anything waits, which takes a second or so at the given rate. */
  async drain(perSecond: number): Promise<void> {
    const [patienceMs, startedAt] = [120_000, performance.now()]
    for (let before = await this.#read(); ; before = await this.#read()) {
      const waiting = before.feeder.put - before.service.done
      if (waiting < perSecond / 10 || performance.now() - startedAt > patienceMs) return
      await pause(100)
    }
  }

  /** After pressure: what it left is vacuumed, and the backlog is as deep as before. */
  async recover(): Promise<void> {
    await this.feed({ kind: 'depth', items: DEPTH })
    await statement(this.url, 'vacuum')
    await statement(this.url, 'checkpoint')
  }

  /** Measures for so long, whatever goes on. */
  async window(seconds: number): Promise<WindowFigures> {
    const { meter, state } = this.#parts
    state.takeDeadRows()
    const [usage, before, first] = [await meter.read(), await this.#read(), await state.statements()]
    const sliceMs = Math.min(10, seconds / 4) * 1_000
    const endsAt = before.atMonotonic + seconds * 1_000
    const timeline = [before]
    let [early, late] = [first, first]
    while (performance.now() < endsAt) {
      await pause(Math.min(1_000, Math.max(1, endsAt - performance.now())))
      await state.note()
      timeline.push(await this.#read())
      const now = performance.now()
      if (early === first && now >= before.atMonotonic + sliceMs) early = await state.statements()
      if (late === first && now >= endsAt - sliceMs) late = await state.statements()
    }
    const last = await state.statements()
    const [after, used] = [await this.#read(), await meter.read()]
    const items = after.service.done - before.service.done
    return {
      ...figuresOf(before, after, timeline),
      ...serverCost(usage, used, items),
      deadRows: state.takeDeadRows(),
      diskMb: (await state.diskBytes()) / 1e6,
      statements: { first: costsBetween(first, early), last: costsBetween(late, last) },
    }
  }

  async close(): Promise<void> {
    const { server, meter, state, feeder, service } = this.#parts
    await feeder.end()
    await service.end()
    await meter.close()
    await state.close()
    await server.stop()
  }

  async #read(): Promise<Reading> {
    const { service, feeder } = this.#parts
    const [atService, atFeeder] = await Promise.all([
      service.call<ServiceReading>('read'),
      feeder.call<FeederReading>('read'),
    ])
    return { atMonotonic: performance.now(), service: atService, feeder: atFeeder }
  }
}

/** Those of the other benches, and the statistics of statements. */
export const YARD_SETTINGS = [
  ...serverSettings(true),
  'shared_preload_libraries=pg_stat_statements',
  'pg_stat_statements.track_utility=off',
]

function figuresOf(before: Reading, after: Reading, timeline: readonly Reading[]) {
  const seconds = (after.atMonotonic - before.atMonotonic) / 1_000
  const items = after.service.done - before.service.done
  const latency = (q: number): number => quantile(before.service.latencies, after.service.latencies, q)
  return {
    seconds,
    items,
    perSecond: items / seconds,
    tenths: tenthsOf(timeline),
    clientUs: (after.service.cpuUs - before.service.cpuUs) / items,
    feederUs: (after.feeder.cpuUs - before.feeder.cpuUs) / items,
    p50Ms: latency(0.5),
    p99Ms: latency(0.99),
    rssMb: Math.max(...timeline.map(({ service }) => service.rssBytes)) / 1e6,
  }
}

/** The rate of each tenth of a window. */
function tenthsOf(timeline: readonly Reading[]): number[] {
  const steps = Math.min(10, timeline.length - 1)
  return Array.from({ length: steps }, (_, step) => {
    const at = (index: number): Reading | undefined =>
      timeline[Math.round((index * (timeline.length - 1)) / steps)]
    const [from, to] = [at(step), at(step + 1)]
    if (from === undefined || to === undefined) return 0
    return ((to.service.done - from.service.done) / (to.atMonotonic - from.atMonotonic)) * 1_000
  })
}
