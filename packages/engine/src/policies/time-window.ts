import {
  assertPolicy,
  judge,
  settingsOf,
  stateOf,
  withSettings,
  type DispatchPolicy,
  type DispatchRoom,
  type DispatchSnapshot,
} from './dispatch-policy.js'
import { anyItem, type ItemSelection } from '../selection/item-selection.js'
import { unlimited } from './processing-limit.js'
import { parseWindow } from './windows/week-window.js'
import { WindowTimes, type WindowState } from './windows/window-times.js'

/**
 * One policy within time windows, another one outside of them [E-WINDOW-1]. Jobs that run when a window
 * closes go on to their ends. Outside, a live limit can only lower what `outside` allows.
 *
 * The clock is the wall clock of the machine of the service. A window is open while the clock of its zone
 * shows a time within it: where the clocks go forward, a skipped hour is in no window; where they go back, a
 * repeated hour is in it twice.
 *
 * @param windows such as `Mon-Fri 20:00-06:00 Europe/Berlin`, or several: days (`Mon`, `Mon-Fri`, `Sat,Sun`;
 * none for every day), times up to `24:00` (an end that is not after the start is on the next day), and an
 * IANA time zone
 * @param inside while any of them is open
 * @param outside Default: nothing starts
 * @throws TypeError for a window that can't be read
 */
export function timeWindow(
  windows: string | readonly string[],
  inside: DispatchPolicy,
  outside: DispatchPolicy = nothing,
): DispatchPolicy {
  const parsed = (typeof windows === 'string' ? [windows] : windows).map(parseWindow)
  if (parsed.length === 0) throw new TypeError('timeWindow needs at least one window')
  assertPolicy(inside, 'inside of timeWindow')
  assertPolicy(outside, 'outside of timeWindow')
  const texts = parsed.map(({ text }) => text)
  const stateAt = remembering(new WindowTimes(parsed))
  const settings = {
    policy: 'timeWindow',
    windows: texts,
    inside: settingsOf(inside),
    outside: settingsOf(outside),
  }
  const decide = (snapshot: DispatchSnapshot): DispatchRoom => {
    const { isOpen, untilAt } = stateAt(snapshot.nowAt)
    const within = judge(inside, snapshot)
    if (isOpen) return within
    const room = outsideRoom(outside, snapshot)
    // Where the other policy allows no more, it is not the window that holds the queue back.
    if (room.room >= within.room && within.room === 0) return within
    return { room: room.room, holdup: closedHoldup(texts, untilAt) }
  }
  const selection = eitherOf(inside.selection, outside.selection, (nowAt) => stateAt(nowAt).isOpen)
  return withSettings(decide, settings, { state: stateOf([inside, outside]), selection })
}

/** What the policy that holds now chooses. */
function eitherOf(
  inside: ItemSelection | undefined,
  outside: ItemSelection | undefined,
  isOpen: (nowAt: number) => boolean,
): ItemSelection | undefined {
  if (inside === undefined && outside === undefined) return undefined
  const [within, without] = [inside ?? anyItem, outside ?? anyItem]
  return { begin: (snapshot) => (isOpen(snapshot.nowAt) ? within : without).begin(snapshot) }
}

const nothing = withSettings(() => 0, { policy: 'nothing' })
const liveLimit = unlimited()

/** A live limit replaces the number of `processingLimit`, and must not open a window by that. */
function outsideRoom(outside: DispatchPolicy, snapshot: DispatchSnapshot): DispatchRoom {
  const own = judge(outside, { ...snapshot, limits: {} })
  const live = judge(liveLimit, snapshot)
  return live.room < own.room ? live : own
}

function closedHoldup(texts: readonly string[], untilAt: number | undefined) {
  const opens = untilAt === undefined ? '' : `; the next one opens at ${isoText(untilAt)}`
  const message = `outside of the time windows (${texts.join('; ')})${opens}`
  return { code: 'outside-window', message, ...(untilAt === undefined ? {} : { untilAt }) } as const
}

function isoText(instant: number): string {
  return new Date(instant).toISOString().replace('.000Z', 'Z')
}

/** It is asked several times in each tick, and changes twice a day. */
function remembering(times: WindowTimes): (instant: number) => WindowState {
  let known: WindowState = { isOpen: false }
  let [fromAt, untilAt] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  return (instant) => {
    if (instant >= fromAt && instant < untilAt) return known
    known = times.at(instant)
    fromAt = instant
    // A window that is always open is looked at again once a day.
    untilAt = known.untilAt ?? instant + 86_400_000
    return known
  }
}
