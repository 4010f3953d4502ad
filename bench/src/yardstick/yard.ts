import { setTimeout as pause } from 'node:timers/promises'
import { startOwnPostgres, type OwnPostgresServer } from '../../../packages/queue-sql/test/postgres-server.ts'
import { statement } from '../grounds.ts'
import { postgresMeter, serverCost } from '../meter.ts'
import { serverSettings } from '../settings.ts'
import { Crew, figuresOf, type CrewOptions, type CrewReading } from './crew.ts'
import { sluiceCrew, type SluiceOptions } from './programs.ts'
import { costsOf, ServerState, walkedBetween } from './server-state.ts'
import type { Place } from './phases/harm.ts'
import type { WindowFigures } from './yard-result.ts'

export interface YardOptions extends Omit<SluiceOptions, 'queue'> {
  readonly build: string
  readonly depth: number
  readonly shared?: OwnPostgresServer | undefined
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

let serial = 0

/** A PostgreSQL server of its own, or a database of its own on one that is shared, and a crew on it. */
export class Yard implements Place {
  readonly url: string
  readonly server: OwnPostgresServer
  readonly crew: Crew
  readonly depth: number
  readonly #isShared: boolean

  private constructor(
    server: OwnPostgresServer,
    crew: Crew,
    { url, depth, isShared }: { url: string; depth: number; isShared: boolean },
  ) {
    this.server = server
    this.crew = crew
    this.url = url
    this.depth = depth
    this.#isShared = isShared
  }

  /** With Sluice of a build. */
  static open({ build, shared, depth, ...options }: YardOptions): Promise<Yard> {
    return Yard.with({ shared, depth }, (url) => {
      const queue = { build, package: 'queue-sql', options: { name: 'yard', url, timeoutMs: 60_000 } }
      return sluiceCrew({ ...options, queue })
    })
  }

  /** With the crew that the url of the database makes. */
  static async with(
    { shared, depth }: Pick<YardOptions, 'shared' | 'depth'>,
    crewOf: (url: string) => CrewOptions,
  ): Promise<Yard> {
    const server = shared ?? (await startOwnPostgres(YARD_SETTINGS))
    const url = new URL(server.url)
    if (shared !== undefined) {
      const name = `yard_${serial++}`
      await statement(server.url, `create database ${name}`)
      url.pathname = `/${name}`
    }
    const crew = await Crew.start(crewOf(url.href))
    return new Yard(server, crew, { url: url.href, depth, isShared: shared !== undefined })
  }

  /** Runs unmeasured, as what a process compiled and the server cached is part of no window. */
  async warmUp(seconds: number): Promise<void> {
    await this.crew.feed({ kind: 'depth', items: this.depth })
    await pause(seconds * 1_000)
    await statement(this.url, 'checkpoint')
  }

  /** After pressure: what it left is vacuumed, and the backlog is as deep as before. */
  async recover(): Promise<void> {
    await this.crew.feed({ kind: 'depth', items: this.depth })
    await statement(this.url, 'vacuum')
    await statement(this.url, 'checkpoint')
    await this.crew.drain(2 * this.depth)
  }

  /** Measures for so long, whatever goes on. */
  async window(seconds: number): Promise<WindowFigures> {
    const [meter, state] = [await postgresMeter(this.url), await ServerState.open(this.url)]
    try {
      const [used, walked] = [await meter.read(), await state.walked()]
      const { timeline, statements } = await this.#watch(state, seconds)
      const figures = figuresOf(timeline)
      return {
        ...figures,
        ...serverCost(used, await meter.read(), figures.items),
        statements,
        deadRows: state.takeDeadRows(),
        walkedDead: walkedBetween(walked, await state.walked(), figures.items),
        diskMb: (await state.diskBytes()) / 1e6,
      }
    } finally {
      await meter.close()
      await state.close()
    }
  }

  async close(): Promise<void> {
    await this.crew.end()
    if (!this.#isShared) await this.server.stop()
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
