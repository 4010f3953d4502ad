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
  const timeline = await harmed(place, harm, run.seconds)
  const wanted = run.isSmoke ? 1 : RECOVERED * before.perSecond
  const recoveredSeconds = await recovery(place.crew, wanted)
  run.note({ cell: 'chaos', side, pair, figures: figuresOf(timeline), more: { recoveredSeconds } })
  await place.recover()
  const after = await place.window(run.cleanSeconds)
  const verdict = await place.crew.verdict()
  run.note({ cell: 'clean after', side, pair, figures: after, more: { ...verdict } })
  await place.close()
}

/** The harm begins at once, and ends with the window. */
async function harmed<P extends Place>(place: P, harm: Harm<P>, seconds: number): Promise<CrewReading[]> {
  const stop = new AbortController()
  const harming = harm(place, stop.signal)
  const timeline = await watched(place.crew, seconds)
  stop.abort()
  await harming
  return timeline
}

/** How long after the harm ended a second of such a rate was seen; `NaN` if it was not. */
async function recovery(crew: Crew, perSecond: number): Promise<number> {
  const startedAt = performance.now()
  let last = await crew.read()
  while (performance.now() - startedAt < MAX_RECOVERY_MS) {
    await pause(1_000)
    const reading = await crew.read()
    if (rateBetween(last, reading) >= perSecond) return (last.atMonotonic - startedAt) / 1_000
    last = reading
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
