/** A span of the week in one time zone. */
export interface WeekWindow {
  /** As it was given. */
  readonly text: string
  readonly zone: string
  /** From the start of Monday, by the wall clock, in ms: the end is not in it; it may be after the week's. */
  readonly spans: readonly (readonly [start: number, end: number])[]
}

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const
const MINUTE_MS = 60_000
export const DAY_MS = 86_400_000
export const WEEK_MS = 7 * DAY_MS

const FORM = /^(?:(\S+)\s+)?(\d{1,2}:\d{2})-(\d{1,2}:\d{2})\s+(\S+)$/u
const EXAMPLE = 'such as "Mon-Fri 20:00-06:00 Europe/Berlin"'

/**
 * Reads a window such as `Mon-Fri 20:00-06:00 Europe/Berlin`: days (`Mon`, `Mon-Fri`, `Fri-Mon`, `Sat,Sun`;
 * without any, every day), from when to when (up to `24:00`; an end that is not after the start is on the
 * next day), and an IANA time zone.
 *
 * @throws TypeError that says what is wrong
 */
export function parseWindow(text: string): WeekWindow {
  const found = FORM.exec(text.trim())
  if (found === null) throw wrong(text, `must be days, times and a time zone, ${EXAMPLE}`)
  const [, days, from = '', to = '', zone = ''] = found
  assertZone(text, zone)
  const [start, end] = [minuteOf(text, from), minuteOf(text, to)]
  if (start === 1_440)
    throw wrong(text, '24:00 can only be an end; a window that starts then starts at 00:00')
  if (start === end) throw wrong(text, 'starts and ends at the same time; a whole day is 00:00-24:00')
  const lengthMs = ((end > start ? end : end + 1_440) - start) * MINUTE_MS
  const spans = daysOf(text, days).map((day) => {
    const startMs = day * DAY_MS + start * MINUTE_MS
    return [startMs, startMs + lengthMs] as const
  })
  return { text: text.trim(), zone, spans }
}

function daysOf(text: string, days: string | undefined): number[] {
  if (days === undefined) return DAYS.map((_, day) => day)
  const chosen = days.split(',').flatMap((part) => {
    const [first = '', last = first, ...more] = part.split('-')
    const [from, to] = [dayOf(text, first), dayOf(text, last)]
    if (more.length > 0) throw wrong(text, `has days that can’t be read, ${EXAMPLE}`)
    return Array.from({ length: ((to - from + 7) % 7) + 1 }, (_, index) => (from + index) % 7)
  })
  return [...new Set(chosen)].toSorted((a, b) => a - b)
}

function dayOf(text: string, name: string): number {
  const day = DAYS.findIndex((each) => each.toLowerCase() === name.toLowerCase())
  if (day === -1) throw wrong(text, `has an unknown day: use ${DAYS.join(', ')}`)
  return day
}

function minuteOf(text: string, time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number)
  const minute = hours * 60 + minutes
  if (minutes > 59 || minute > 1_440) throw wrong(text, 'has a time that is not from 00:00 to 24:00')
  return minute
}

function assertZone(text: string, zone: string): void {
  if (!isZone(zone))
    throw wrong(text, 'has an unknown time zone: use an IANA name such as Europe/Berlin, or UTC')
}

function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: zone }).resolvedOptions().timeZone !== ''
  } catch {
    // A RangeError: the zone is unknown.
    return false
  }
}

/** What is wrong with a window, without its text; `undefined` where nothing is. */
export function windowProblem(text: string): string | undefined {
  try {
    parseWindow(text)
    return undefined
  } catch (error) {
    if (error instanceof WindowError) return error.problem
    throw error
  }
}

class WindowError extends TypeError {
  readonly problem: string

  constructor(text: string, problem: string) {
    super(`the time window ${JSON.stringify(text)} ${problem}`)
    this.problem = problem
  }
}

function wrong(text: string, problem: string): WindowError {
  return new WindowError(text, problem)
}
