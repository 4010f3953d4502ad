import { setTimeout as pause } from 'node:timers/promises'
import { Crew, figuresOf, rateBetween, type CrewOptions, type CrewReading } from '../crew.ts'
import type { PhaseRun, Side } from './phase.ts'
import type { WindowFigures } from '../yard-result.ts'

/** Where a crew is measured. */
export interface Place {
  readonly crew: Crew
  /** Runs unmeasured. */
  warmUp(seconds: number): Promise<void>
  window(seconds: number): Promise<Partial<WindowFigures> & { readonly perSecond: number }>
  /** Brings it back to where it was before the harm. */
  recover(): Promise<void>
  close(): Promise<void>
}

/** Does its harm until the signal aborts, and undoes what would outlast it. */
export type Harm<P extends Place> = (place: P, signal: AbortSignal) => Promise<void>

/** Recovered is who makes so much of the clean rate again in a second. */
const RECOVERED = 0.8
const MAX_RECOVERY_MS = 120_000

/** Clean before, the harm, clean after, and what was lost or doubled over it all. */
export async function measureHarm<P extends Place>(
  run: PhaseRun,
  { name: side, pair }: Side & { readonly pair: number },
  { place, harm }: { readonly place: P; readonly harm: Harm<P> },
): Promise<void> {
  await place.warmUp(run.warmUpSeconds)
  const before = await place.window(run.cleanSeconds)
  run.note({ cell: 'clean before', side, pair, figures: before })
  const { timeline, sinceMonotonic } = await harmed(place, harm, run.seconds)
  const wanted = run.isSmoke ? 1 : RECOVERED * before.perSecond
  const recoveredSeconds = await recovery(place.crew, { timeline, sinceMonotonic, wanted })
  run.note({ cell: 'chaos', side, pair, figures: figuresOf(timeline), more: { recoveredSeconds } })
  await place.recover()
  const after = await place.window(run.cleanSeconds)
  const verdict = await place.crew.verdict()
  run.note({ cell: 'clean after', side, pair, figures: after, more: { ...verdict } })
  await place.close()
}

interface Harmed {
  readonly timeline: readonly CrewReading[]
  /** When harm that is done once began, or when harm that goes on ended. */
  readonly sinceMonotonic: number
}

/** The harm begins at once, and ends with the window. */
async function harmed<P extends Place>(place: P, harm: Harm<P>, seconds: number): Promise<Harmed> {
  const stop = new AbortController()
  const beganAtMonotonic = performance.now()
  const once = harm(place, stop.signal).then(() => !stop.signal.aborted)
  const timeline = await watched(place.crew, seconds)
  stop.abort()
  return { timeline, sinceMonotonic: (await once) ? beganAtMonotonic : performance.now() }
}

/**
 * How long it took to a second of the wanted rate again; 0 where it never fell far below, `NaN` if too long.
 */
async function recovery(
  crew: Crew,
  { timeline, sinceMonotonic, wanted }: Harmed & { readonly wanted: number },
): Promise<number> {
  const readings = timeline.filter(({ atMonotonic }) => atMonotonic >= sinceMonotonic)
  readings.push(await crew.read())
  let hasFallen = timeline.length > 1 && readings.length === 1
  for (let at = 1; performance.now() - sinceMonotonic < MAX_RECOVERY_MS; at++) {
    if (at === readings.length && at > 1 && !hasFallen) return 0
    if (at === readings.length) {
      await pause(1_000)
      readings.push(await crew.read())
    }
    const [from, to] = [readings[at - 1], readings[at]]
    if (from === undefined || to === undefined) break
    const rate = rateBetween(from, to)
    if (rate < wanted / 2) hasFallen = true
    else if (hasFallen && rate >= wanted) return (from.atMonotonic - sinceMonotonic) / 1_000
  }
  return Number.NaN
}

/** What a crew says each second. */
async function watched(crew: Crew, seconds: number): Promise<CrewReading[]> {
  const timeline = [await crew.read()]
  for (const endsAt = performance.now() + seconds * 1_000; performance.now() < endsAt;) {
    await pause(Math.min(1_000, Math.max(1, endsAt - performance.now())))
    timeline.push(await crew.read())
  }
  return timeline
}

/** Ends early, and does not reject, when the signal aborts. */
export async function paused(ms: number, signal: AbortSignal): Promise<void> {
  // The only rejection is that of the signal.
  await pause(ms, undefined, { signal }).catch(() => undefined)
}

/** A crew on a store that is no server of the bench, or on one whose costs are read by its phase. */
export class LocalPlace implements Place {
  readonly crew: Crew
  readonly #depth: number
  readonly #leave: () => Promise<void> | void

  private constructor(crew: Crew, depth: number, leave: () => Promise<void> | void) {
    this.crew = crew
    this.#depth = depth
    this.#leave = leave
  }

  /** @param leave takes the store away */
  static async open(
    options: CrewOptions,
    depth: number,
    leave: () => Promise<void> | void,
  ): Promise<LocalPlace> {
    return new LocalPlace(await Crew.start(options), depth, leave)
  }

  async warmUp(seconds: number): Promise<void> {
    await this.recover()
    await pause(seconds * 1_000)
  }

  async window(seconds: number) {
    return figuresOf(await watched(this.crew, seconds))
  }

  async recover(): Promise<void> {
    await this.crew.feed({ kind: 'depth', items: this.#depth })
  }

  async close(): Promise<void> {
    await this.crew.end()
    await this.#leave()
  }
}
