import { setTimeout as pause } from 'node:timers/promises'
import { startOwnPostgres, type OwnPostgresServer } from '../../../packages/queue-sql/test/postgres-server.ts'
import { statement } from '../grounds.ts'
import { postgresMeter, serverCost } from '../meter.ts'
import { serverSettings } from '../settings.ts'
import { Crew, figuresOf, type CrewOptions, type CrewReading } from './crew.ts'
import { sluiceCrew, type SluiceOptions } from './programs.ts'
import { costsOf, ServerState } from './server-state.ts'
import type { WindowFigures } from './yard-result.ts'

/** Waiting items that a feeder keeps: many times what one tick claims. */
export const DEPTH = 10_000

export interface YardOptions extends Omit<SluiceOptions, 'queue'> {
  readonly build: string
}

/** The statements of a window are counted for so many parts of it. */
const PARTS = 10

/** Those of the other benches, room for idle connections, and the statistics of statements. */
export const YARD_SETTINGS = [
  ...serverSettings(true),
  'max_connections=500',
  'shared_preload_libraries=pg_stat_statements',
  'pg_stat_statements.track_utility=off',
]

/** A PostgreSQL server of its own, and a crew of a build on it. */
export class Yard {
  readonly url: string
  readonly server: OwnPostgresServer
  readonly crew: Crew

  private constructor(server: OwnPostgresServer, crew: Crew) {
    this.server = server
    this.url = server.url
    this.crew = crew
  }

  /** With Sluice of a build. */
  static open({ build, ...options }: YardOptions): Promise<Yard> {
    return Yard.with((url) => {
      const queue = { build, package: 'queue-sql', options: { name: 'yard', url, timeoutMs: 60_000 } }
      return sluiceCrew({ ...options, queue })
    })
  }

  /** With the crew that the url of the server makes. */
  static async with(crewOf: (url: string) => CrewOptions | Promise<CrewOptions>): Promise<Yard> {
    const server = await startOwnPostgres(YARD_SETTINGS)
    return new Yard(server, await Crew.start(await crewOf(server.url)))
  }

  /** Runs unmeasured, as what a process compiled and the server cached is part of no window. */
  async warmUp(seconds: number): Promise<void> {
    await this.crew.feed({ kind: 'depth', items: DEPTH })
    await pause(seconds * 1_000)
    await statement(this.url, 'checkpoint')
  }

  /** After pressure: what it left is vacuumed, and the backlog is as deep as before. */
  async recover(): Promise<void> {
    await this.crew.feed({ kind: 'depth', items: DEPTH })
    await statement(this.url, 'vacuum')
    await statement(this.url, 'checkpoint')
    await this.crew.drain(2 * DEPTH)
  }

  /** Measures for so long, whatever goes on. */
  async window(seconds: number): Promise<WindowFigures> {
    const [meter, state] = [await postgresMeter(this.url), await ServerState.open(this.url)]
    try {
      const used = await meter.read()
      const { timeline, statements } = await this.#watch(state, seconds)
      const figures = figuresOf(timeline)
      return {
        ...figures,
        ...serverCost(used, await meter.read(), figures.items),
        statements,
        deadRows: state.takeDeadRows(),
        diskMb: (await state.diskBytes()) / 1e6,
      }
    } finally {
      await meter.close()
      await state.close()
    }
  }

  async close(): Promise<void> {
    await this.crew.end()
    await this.server.stop()
  }

  async #watch(state: ServerState, seconds: number) {
    const statements = [await state.statements()]
    const timeline: CrewReading[] = [await this.crew.read()]
    const [startedAt, partMs] = [performance.now(), (seconds * 1_000) / PARTS]
    const endsAt = startedAt + seconds * 1_000
    while (performance.now() < endsAt) {
      await pause(Math.min(1_000, Math.max(1, endsAt - performance.now())))
      await state.note()
      timeline.push(await this.crew.read())
      if (performance.now() >= startedAt + statements.length * partMs)
        statements.push(await state.statements())
    }
    return { timeline, statements: costsOf(statements) }
  }
}
