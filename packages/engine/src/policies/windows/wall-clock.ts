import { DAY_MS, WEEK_MS } from './week-window.js'

/** The wall clock of a time zone at an instant. */
export interface WallTime {
  /** From the start of Monday, in ms. */
  readonly ofWeekMs: number
  /** What the zone is ahead of UTC, in ms. */
  readonly offsetMs: number
}

/** 1970-01-01 was a Thursday. */
const EPOCH_OF_WEEK_MS = 3 * DAY_MS

/** The wall clock of a time zone, by the time zone data of Node. */
export class WallClock {
  readonly #format: Intl.DateTimeFormat

  /** @throws RangeError for an unknown zone */
  constructor(zone: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  }

  at(instant: number): WallTime {
    const parts: Record<string, number> = {}
    for (const { type, value } of this.#format.formatToParts(instant)) parts[type] = Number(value)
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
    const wholeSecond = Math.floor(instant / 1_000) * 1_000
    const offsetMs = Date.UTC(year, month - 1, day, hour, minute, second) - wholeSecond
    return { offsetMs, ofWeekMs: modulo(instant + offsetMs + EPOCH_OF_WEEK_MS, WEEK_MS) }
  }

  /** The first whole ms after `from` with another offset than at `from`, given that `to` has another one. */
  changeIn(from: number, to: number): number {
    const { offsetMs } = this.at(from)
    let [before, after] = [from, to]
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2)
      if (this.at(middle).offsetMs === offsetMs) before = middle
      else after = middle
    }
    return after
  }
}

export function modulo(value: number, size: number): number {
  return ((value % size) + size) % size
}
