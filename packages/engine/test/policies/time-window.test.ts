import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { processingLimit, rateLimit, timeWindow, type DispatchSnapshot } from '../../src/index.js'
import { judge } from '../../src/policies/dispatch-policy.js'
import { parseWindow } from '../../src/policies/windows/week-window.js'
import { WindowTimes } from '../../src/policies/windows/window-times.js'

const MINUTE_MS = 60_000

const at = (nowAt: number, more: Partial<Omit<DispatchSnapshot, 'claims'>> = {}): DispatchSnapshot => ({
  processing: 0,
  orphans: 0,
  limits: {},
  nowAt,
  ...more,
})

const times = (...windows: string[]): WindowTimes => new WindowTimes(windows.map(parseWindow))

/** When windows open and close within a span, as ISO texts. */
function changes(windows: string | string[], from: string, to: string): string[] {
  const state = times(...[windows].flat())
  const found: string[] = []
  for (let now = Date.parse(from); now < Date.parse(to);) {
    const { isOpen, untilAt = Number.POSITIVE_INFINITY } = state.at(now)
    if (untilAt < Date.parse(to))
      found.push(`${isOpen ? 'closes' : 'opens'} ${new Date(untilAt).toISOString().replace(':00.000Z', 'Z')}`)
    now = untilAt
  }
  return found
}

describe('a window', () => {
  test('opens and closes by the wall clock of its zone; its end is not in it', () => {
    const state = times('Mon-Fri 08:00-18:00 Europe/Berlin')
    const isOpen = (instant: string) => state.at(Date.parse(instant)).isOpen
    expect(isOpen('2026-11-30T06:59:59.999Z')).toBe(false)
    expect(isOpen('2026-11-30T07:00:00.000Z')).toBe(true)
    expect(isOpen('2026-11-30T16:59:59.999Z')).toBe(true)
    expect(isOpen('2026-11-30T17:00:00.000Z')).toBe(false)
    // Saturday.
    expect(isOpen('2026-11-28T10:00:00Z')).toBe(false)
  })

  test('over midnight ends on the next day, also over the end of the week', () => {
    expect(changes('Mon-Fri 20:00-06:00 UTC', '2026-12-03T12:00Z', '2026-12-08T12:00Z')).toEqual([
      'opens 2026-12-03T20:00Z',
      'closes 2026-12-04T06:00Z',
      'opens 2026-12-04T20:00Z',
      'closes 2026-12-05T06:00Z',
      'opens 2026-12-07T20:00Z',
      'closes 2026-12-08T06:00Z',
    ])
    expect(changes('Sun 22:00-02:00 UTC', '2026-12-04T00:00Z', '2026-12-11T00:00Z')).toEqual([
      'opens 2026-12-06T22:00Z',
      'closes 2026-12-07T02:00Z',
    ])
  })

  test('days may wrap over the week, be listed, or be left out', () => {
    expect(
      parseWindow('Fri-Mon 01:00-02:00 UTC').spans.map(([start]) => Math.floor(start / 86_400_000)),
    ).toEqual([0, 4, 5, 6])
    expect(parseWindow('sat,SUN 01:00-02:00 UTC').spans).toHaveLength(2)
    expect(parseWindow('01:00-02:00 UTC').spans).toHaveLength(7)
  })

  test('several windows are open while any is, in zones of their own; those that meet are one', () => {
    const windows = ['Mon 08:00-12:00 Europe/Berlin', 'Mon 12:00-14:00 Europe/Berlin', 'Mon 14:00-15:00 UTC']
    expect(changes(windows, '2026-11-30T00:00Z', '2026-12-01T00:00Z')).toEqual([
      'opens 2026-11-30T07:00Z',
      'closes 2026-11-30T13:00Z',
      'opens 2026-11-30T14:00Z',
      'closes 2026-11-30T15:00Z',
    ])
    expect(times('00:00-24:00 Europe/Berlin').at(0)).toEqual({ isOpen: true })
  })
})

describe('where the clocks change', () => {
  test('Europe/Berlin forward, 2026-03-29 02:00 to 03:00: a skipped time opens nothing', () => {
    const day = ['2026-03-28T23:00Z', '2026-03-29T22:00Z'] as const
    expect(changes('02:15-02:45 Europe/Berlin', ...day)).toEqual([])
    expect(changes('01:30-02:30 Europe/Berlin', ...day)).toEqual([
      'opens 2026-03-29T00:30Z',
      'closes 2026-03-29T01:00Z',
    ])
    expect(changes('02:30-04:00 Europe/Berlin', ...day)).toEqual([
      'opens 2026-03-29T01:00Z',
      'closes 2026-03-29T02:00Z',
    ])
    expect(changes('Sat 20:00-06:00 Europe/Berlin', '2026-03-28T12:00Z', day[1])).toEqual([
      'opens 2026-03-28T19:00Z',
      'closes 2026-03-29T04:00Z',
    ])
  })

  test('Europe/Berlin back, 2026-10-25 03:00 to 02:00: a repeated time opens twice', () => {
    const day = ['2026-10-24T22:00Z', '2026-10-25T23:00Z'] as const
    expect(changes('02:15-02:45 Europe/Berlin', ...day)).toEqual([
      'opens 2026-10-25T00:15Z',
      'closes 2026-10-25T00:45Z',
      'opens 2026-10-25T01:15Z',
      'closes 2026-10-25T01:45Z',
    ])
    expect(changes('01:30-03:30 Europe/Berlin', ...day)).toEqual([
      'opens 2026-10-24T23:30Z',
      'closes 2026-10-25T02:30Z',
    ])
  })

  test('America/New_York both ways', () => {
    expect(changes('Sat 22:00-06:00 America/New_York', '2026-03-07T12:00Z', '2026-03-08T20:00Z')).toEqual([
      'opens 2026-03-08T03:00Z',
      'closes 2026-03-08T10:00Z',
    ])
    expect(changes('Sat 22:00-06:00 America/New_York', '2026-10-31T12:00Z', '2026-11-01T20:00Z')).toEqual([
      'opens 2026-11-01T02:00Z',
      'closes 2026-11-01T11:00Z',
    ])
  })

  test('Australia/Lord_Howe by half an hour, both ways', () => {
    // 2026-04-05 02:00 (+11:00) to 01:30 (+10:30).
    expect(changes('01:00-01:45 Australia/Lord_Howe', '2026-04-04T13:00Z', '2026-04-05T13:00Z')).toEqual([
      'opens 2026-04-04T14:00Z',
      'closes 2026-04-04T14:45Z',
      'opens 2026-04-04T15:00Z',
      'closes 2026-04-04T15:15Z',
    ])
    // 2026-10-04 02:00 (+10:30) to 02:30 (+11:00).
    expect(changes('01:45-02:15 Australia/Lord_Howe', '2026-10-03T13:00Z', '2026-10-04T13:00Z')).toEqual([
      'opens 2026-10-03T15:15Z',
      'closes 2026-10-03T15:30Z',
    ])
  })
})

const ZONES = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC']
const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
const window = fc
  .record({
    from: fc.nat(6),
    to: fc.nat(6),
    start: fc.nat(95),
    end: fc.nat(95),
    zone: fc.constantFrom(...ZONES),
  })
  .filter(({ start, end }) => start !== end)
const timeText = (quarter: number) =>
  `${String(Math.floor(quarter / 4)).padStart(2, '0')}:${String((quarter % 4) * 15).padStart(2, '0')}`

test('a model that asks minute by minute agrees, in weeks with and without a change of the clocks', () => {
  const weeks = ['2026-03-06T00:00Z', '2026-03-27T00:00Z', '2026-04-03T00:00Z', '2026-10-02T00:00Z']
  const starts = [...weeks, '2026-10-23T00:00Z', '2026-10-30T00:00Z', '2026-07-01T00:00Z']
  fc.assert(
    fc.property(window, fc.constantFrom(...starts), fc.nat(4 * 1_440), (given, start, minutes) => {
      const { from, to, zone } = given
      const text = `${DAYS[from]}-${DAYS[to]} ${timeText(given.start)}-${timeText(given.end)} ${zone}`
      const now = Date.parse(start) + minutes * MINUTE_MS
      const { isOpen, untilAt = Number.POSITIVE_INFINITY } = times(text).at(now)
      expect(isOpen).toBe(isOpenByModel(given, now))
      for (let minute = now; minute < Math.min(untilAt, now + 2_880 * MINUTE_MS); minute += 15 * MINUTE_MS)
        if (isOpenByModel(given, minute) !== isOpen) throw new Error(`${text} changes at ${minute}`)
      const changesAt = Number.isFinite(untilAt) ? isOpenByModel(given, untilAt) : !isOpen
      expect(changesAt).toBe(!isOpen)
    }),
    { numRuns: 200 },
  )
})

/** By what a clock on the wall shows, and the day before it. */
function isOpenByModel(
  { from, to, start, end, zone }: { from: number; to: number; start: number; end: number; zone: string },
  now: number,
): boolean {
  const text = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).format(now)
  const [, name = '', hour = '', minute = ''] = /^(\w+) (\d+):(\d+)$/u.exec(text.replace(',', '')) ?? []
  const day = DAYS.indexOf(name)
  const quarter = (Number(hour) * 60 + Number(minute)) / 15
  const isDay = (other: number) => (((other - from) % 7) + 7) % 7 <= (((to - from) % 7) + 7) % 7
  if (start < end) return isDay(day) && quarter >= start && quarter < end
  return (isDay(day) && quarter >= start) || (isDay(day - 1) && quarter < end)
}

describe('timeWindow', () => {
  const night = 'Mon-Fri 20:00-06:00 Europe/Berlin'
  const noon = Date.parse('2026-11-30T11:00Z')
  const midnight = Date.parse('2026-11-30T23:00Z')

  test('asks the one policy inside, and the other outside; by default nothing starts there', () => {
    const policy = timeWindow(night, processingLimit(100), processingLimit(2))
    expect(judge(policy, at(midnight)).room).toBe(100)
    expect(judge(policy, at(noon)).room).toBe(2)
    expect(judge(timeWindow(night, processingLimit(100)), at(noon)).room).toBe(0)
  })

  test('says when it opens, and only where it is the window that holds the queue back', () => {
    const policy = timeWindow(night, processingLimit(100))
    expect(judge(policy, at(noon)).holdup).toEqual({
      code: 'outside-window',
      message:
        'outside of the time windows (Mon-Fri 20:00-06:00 Europe/Berlin); the next one opens at 2026-11-30T19:00:00Z',
      untilAt: Date.parse('2026-11-30T19:00Z'),
    })
    expect(judge(policy, at(noon, { processing: 100 })).holdup).toBeUndefined()
    expect(judge(policy, at(midnight, { processing: 100 })).holdup).toBeUndefined()
  })

  test('a live limit replaces the number inside; outside it can only lower it', () => {
    const policy = timeWindow(night, processingLimit(100), processingLimit(5))
    expect(judge(policy, at(midnight, { limits: { maxProcessing: 300 } })).room).toBe(300)
    expect(judge(policy, at(noon, { limits: { maxProcessing: 300 } })).room).toBe(5)
    expect(judge(policy, at(noon, { limits: { maxProcessing: 3 } })).room).toBe(3)
    expect(
      judge(timeWindow(night, processingLimit(9)), at(noon, { limits: { maxProcessing: 3 } })).room,
    ).toBe(0)
  })

  test('a clock that is set back is obeyed', () => {
    const policy = timeWindow(night, processingLimit(1))
    expect([midnight, noon, midnight].map((now) => judge(policy, at(now)).room)).toEqual([1, 0, 1])
  })

  test('it is data, and has the state of its parts', () => {
    const policy = timeWindow(night, rateLimit({ count: 10, perMs: 1_000 }), processingLimit(1))
    expect(policy.settings).toEqual({
      policy: 'timeWindow',
      windows: [night],
      inside: { policy: 'rateLimit', count: 10, perMs: 1_000 },
      outside: { policy: 'processingLimit', maxProcessing: 1 },
    })
    expect(policy.state?.claimsForMs).toBe(1_000)
  })

  test.each([
    ['Mon-Fri 20:00-06:00', 'must be days, times and a time zone'],
    ['Mon-Fri 20:00-06:00 Europe/Berlyn', 'has an unknown time zone'],
    ['Mo-Fr 20:00-06:00 UTC', 'has an unknown day'],
    ['Mon-Tue-Wed 20:00-06:00 UTC', 'has days that can’t be read'],
    ['20:00-24:01 UTC', 'has a time that is not from 00:00 to 24:00'],
    ['20:60-23:00 UTC', 'has a time that is not from 00:00 to 24:00'],
    ['24:00-06:00 UTC', '24:00 can only be an end'],
    ['08:00-08:00 UTC', 'starts and ends at the same time'],
    ['', 'must be days, times and a time zone'],
  ])('%j is refused', (text, why) => {
    expect(() => timeWindow(text, processingLimit(1))).toThrow(TypeError)
    expect(() => timeWindow(text, processingLimit(1))).toThrow(why)
  })

  test('no window is refused', () => {
    expect(() => timeWindow([], processingLimit(1))).toThrow('at least one window')
  })
})
