import { modulo, WallClock } from './wall-clock.js'
import { WEEK_MS, type WeekWindow } from './week-window.js'

/** Whether windows are open, and until when. */
export interface WindowState {
  readonly isOpen: boolean
  /** When that changes, epoch ms; `undefined`: not in the next two weeks. */
  readonly untilAt?: number
}

/** A window that no week has opens never; one that a change of the clocks skips opens in the next week. */
const AHEAD_MS = 2 * WEEK_MS

interface Zoned {
  readonly clock: WallClock
  readonly spans: WeekWindow['spans']
  /** Where a span begins or ends, within the week. */
  readonly bounds: readonly number[]
}

/**
 * When any of several windows is open: while the wall clock of its zone shows a time within it. An hour that
 * the clocks skip is in no window, and one that they repeat is in it twice.
 */
export class WindowTimes {
  readonly #zones: readonly Zoned[]

  constructor(windows: readonly WeekWindow[]) {
    const byZone = Map.groupBy(windows, ({ zone }) => zone)
    this.#zones = [...byZone].map(([zone, those]) => {
      const spans = those.flatMap((window) => window.spans)
      const bounds = spans.flat().map((bound) => bound % WEEK_MS)
      return { clock: new WallClock(zone), spans, bounds: [...new Set(bounds)] }
    })
  }

  at(instant: number): WindowState {
    const isOpen = this.#isOpen(instant)
    let at = instant
    while (at < instant + AHEAD_MS) {
      at = this.#mayChangeAt(at)
      if (this.#isOpen(at) !== isOpen) return { isOpen, untilAt: at }
    }
    return { isOpen }
  }

  #isOpen(instant: number): boolean {
    return this.#zones.some(({ clock, spans }) => {
      const { ofWeekMs } = clock.at(instant)
      return spans.some(([start, end]) => modulo(ofWeekMs - start, WEEK_MS) < end - start)
    })
  }

  /** The next bound, or change of the clocks, in any of the zones. */
  #mayChangeAt(instant: number): number {
    return Math.min(
      ...this.#zones.map(({ clock, bounds }) => {
        const { ofWeekMs, offsetMs } = clock.at(instant)
        const next =
          instant + Math.min(...bounds.map((bound) => modulo(bound - ofWeekMs, WEEK_MS) || WEEK_MS))
        return clock.at(next).offsetMs === offsetMs ? next : clock.changeIn(instant, next)
      }),
    )
  }
}
