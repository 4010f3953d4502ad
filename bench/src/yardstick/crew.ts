import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Stage } from '@sluice/core'
import { removeFolder, temporaryFolder } from '../temporary.ts'
import { JOB_MS, programOf } from './programs.ts'
import type { Feed } from './processes/feeding.ts'
import { Helper, type Program } from './processes/helper.ts'
import type { JobServerReading, JobServerSetup } from './processes/job-server-process.ts'
import { quantile, type Histogram } from './processes/latency.ts'
import type { FeederReading, RunnerReading } from './processes/readings.ts'

/** Nothing more is done after so long without anything. */
const STUCK_MS = 120_000
/** Ms between two reports of what is done to the feeder, which keeps the depth by them. */
const REPORT_MS = 50

export interface CrewOptions {
  readonly feeder: Program
  /** Given the socket of the jobs, where they are counted. */
  readonly service: (socket: string | undefined) => Program
  /** Default 1. */
  readonly services?: number
  /** Whether jobs are in a process of their own, which counts their starts. Default false. */
  readonly isCounted?: boolean
}

/** All since the start. */
export interface CrewReading {
  readonly atMonotonic: number
  readonly done: number
  readonly put: number
  readonly latencies: Histogram
  /** Of the services that run now. */
  readonly clientUs: number
  readonly feederUs: number
  readonly rssBytes: number
}

/** What was counted outside of what is measured, once all was done. */
export interface Verdict {
  readonly put: number
  /** Items that were put and are not in SUCCESS, or whose job was never started. */
  readonly lost: number
  /** Items whose job was started more than once, and items beyond those that were put. */
  readonly doubled: number
  readonly resent: number
}

/** The processes at work on one queue: a feeder, services, and a server of jobs if they are counted. */
export class Crew {
  readonly #options: CrewOptions
  readonly #folder = temporaryFolder('yard')
  readonly #jobs: Helper | undefined
  readonly #feeder: Helper
  readonly #services: Helper[] = []
  #isEnding = false
  #reporting: Promise<void> | undefined

  private constructor(options: CrewOptions) {
    this.#options = options
    if (options.isCounted) {
      const setup: JobServerSetup = { path: this.#socket, jobMs: JOB_MS }
      this.#jobs = new Helper({ file: programOf('job-server'), setup })
    }
    this.#feeder = new Helper(options.feeder)
  }

  static async start(options: CrewOptions): Promise<Crew> {
    const crew = new Crew(options)
    await crew.#jobs?.call('read')
    await crew.#feeder.call('read')
    for (let count = 0; count < (options.services ?? 1); count++) await crew.addService()
    crew.#reporting = crew.#report()
    return crew
  }

  get #socket(): string {
    return join(this.#folder, 'jobs.sock')
  }

  /** Resolves once it is up. */
  async addService(): Promise<void> {
    const { service: of, isCounted } = this.#options
    const service = new Helper(of(isCounted ? this.#socket : undefined))
    this.#services.push(service)
    await service.call('read')
  }

  /** Kills the service that dispatches, or the oldest where none does; another takes its place. */
  async killDispatcher(): Promise<void> {
    const readings = await Promise.all(this.#services.map((each) => each.call<RunnerReading>('read')))
    await this.killService(
      Math.max(
        0,
        readings.findIndex(({ isDispatcher }) => isDispatcher),
      ),
    )
  }

  /** Kills one, the oldest first; another takes its place. */
  async killService(index = 0): Promise<void> {
    const [killed] = this.#services.splice(index, 1)
    await killed?.kill()
    await this.addService()
  }

  async feed(feed: Feed): Promise<void> {
    await this.#feeder.call('feed', feed)
  }

  async putNow(count: number): Promise<void> {
    await this.#feeder.call('putNow', count)
  }

  async read(): Promise<CrewReading> {
    const [feeder, counted, services] = await Promise.all([
      this.#feeder.call<FeederReading>('read'),
      this.#jobs?.call<JobServerReading>('read'),
      this.#readServices(),
    ])
    const { done, latencies } = counted ?? services[0] ?? { done: 0, latencies: {} }
    return {
      atMonotonic: performance.now(),
      done,
      put: feeder.put,
      latencies,
      clientUs: services.reduce((sum, { cpuUs }) => sum + cpuUs, 0),
      feederUs: feeder.cpuUs,
      rssBytes: Math.max(0, ...services.map(({ rssBytes }) => rssBytes)),
    }
  }

  async #report(): Promise<void> {
    while (!this.#isEnding) {
      const of = this.#jobs ?? this.#services[0]
      // A service that is killed meanwhile has nothing to report.
      const done = await of?.call<number>('done').catch(() => undefined)
      if (done !== undefined) await this.#feeder.call('done', done)
      await pause(REPORT_MS)
    }
  }

  /** Without those that are killed meanwhile. */
  async #readServices(): Promise<RunnerReading[]> {
    const readings = await Promise.all(
      this.#services.map((each) => each.call<RunnerReading>('read').catch(() => undefined)),
    )
    return readings.filter((each) => each !== undefined)
  }

  /** Resolves when at most so many wait or run; or with `false` when nothing was done for a long time. */
  async drain(left: number): Promise<boolean> {
    let [done, changedAt] = [-1, performance.now()]
    while (performance.now() - changedAt < STUCK_MS) {
      const reading = await this.read()
      if (reading.put - reading.done <= left) return true
      if (reading.done !== done) [done, changedAt] = [reading.done, performance.now()]
      await pause(50)
    }
    return false
  }

  /** Feeds no more, and waits until all is done. */
  async verdict(): Promise<Verdict> {
    await this.feed({ kind: 'off' })
    const isDrained = await this.drain(0)
    const sizes = await this.#feeder.call<Record<Stage, number>>('sizes')
    const { put } = await this.read()
    const jobs = await this.#jobs?.call<JobServerReading>('read')
    // While items move, one of them may be counted in two stages.
    const all = isDrained ? Object.values(sizes).reduce((sum, size) => sum + size, 0) : 0
    return {
      put,
      lost: put - Math.min(sizes.SUCCESS, jobs?.started ?? Infinity, jobs?.done ?? Infinity),
      doubled: (jobs?.doubled ?? 0) + Math.max(0, all - put),
      resent: jobs?.resent ?? 0,
    }
  }

  async end(): Promise<void> {
    this.#isEnding = true
    await this.#reporting
    await this.#feeder.end()
    for (const service of this.#services) await service.end()
    await this.#jobs?.end()
    removeFolder(this.#folder)
  }
}

/** What a crew did from `before` to `after`, as {@link WindowFigures}. */
export function figuresOf(timeline: readonly CrewReading[]) {
  const [before, after] = [timeline[0], timeline.at(-1)]
  if (before === undefined || after === undefined) throw new TypeError('a window needs readings')
  const seconds = (after.atMonotonic - before.atMonotonic) / 1_000
  const items = after.done - before.done
  const latency = (q: number): number => quantile(before.latencies, after.latencies, q)
  return {
    seconds,
    items,
    perSecond: items / seconds,
    tenths: tenthsOf(timeline),
    clientUs: (after.clientUs - before.clientUs) / items,
    feederUs: (after.feederUs - before.feederUs) / items,
    p50Ms: latency(0.5),
    p99Ms: latency(0.99),
    rssMb: Math.max(...timeline.map(({ rssBytes }) => rssBytes)) / 1e6,
  }
}

/** The rate of each tenth of a window. */
function tenthsOf(timeline: readonly CrewReading[]): number[] {
  const steps = Math.min(10, timeline.length - 1)
  const ends = Array.from({ length: steps + 1 }, (_, step) =>
    timeline.at(Math.round((step * (timeline.length - 1)) / steps)),
  )
  return ends.slice(1).map((to, index) => {
    const from = ends[index]
    return from === undefined || to === undefined ? 0 : rateBetween(from, to)
  })
}

/** Items a second. */
export function rateBetween(from: CrewReading, to: CrewReading): number {
  return ((to.done - from.done) / (to.atMonotonic - from.atMonotonic)) * 1_000
}
