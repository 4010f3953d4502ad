import { MAX_PRIORITY } from '@sluice/core'

/**
 * What the name of a stint says. A stint is one stay of an item from WAITING through PROCESSING to the end of that attempt; its
 * objects have the same name under each stage's prefix, and no two stints of any items ever have the same name: the uid is in it, and
 * the attempt.
 */
export interface Stint {
  /** Two hex digits, the same for all stints of an item. */
  readonly lane: string
  readonly priority: number
  /** Epoch ms of the store's clock. */
  readonly availableAt: number
  /** Not given out before `availableAt`; otherwise that instant is only its place in the order. */
  readonly delayed: boolean
  /** Grows within one process: the order of two stints of the same instant. */
  readonly turn: number
  /** The attempt that its claim makes, 1 or more. */
  readonly attempt: number
  readonly refunds: number
  /** Which index object of the id is this item's: 1, and one more each time the id was removed and put again. */
  readonly generation: number
  readonly uid: string
  /** The encoded id. */
  readonly key: string
}

const PATTERN =
  /^([0-9a-f]{2})\/([0-9a-f]{8})\.(\d{16})([dn])\.([0-9a-z]{8})\.(\d{1,10})\.(\d{1,10})\.(\d{1,10})\.([0-9a-z-]{1,64})\.([A-Za-z0-9_-]{1,200})$/

/** The name, such that the order of names is the order of giving out: priority downwards, then the instant, then the turn. */
export function stintName(stint: Stint): string {
  const { lane, priority, availableAt, delayed, turn, attempt, refunds, generation, uid, key } = stint
  const at = availableAt.toString().padStart(16, '0')
  const order = `${priorityText(priority)}.${at}${delayed ? 'd' : 'n'}.${turn.toString(36).padStart(8, '0')}`
  return `${lane}/${order}.${attempt}.${refunds}.${generation}.${uid}.${key}`
}

/** `undefined` for a name that isn't ours. */
export function parseStint(name: string): Stint | undefined {
  const match = PATTERN.exec(name)
  if (match === null) return undefined
  const [, lane = '', priority = '', at, hold, turn = '', attempt, refunds, generation, uid = '', key = ''] =
    match
  return {
    lane,
    priority: MAX_PRIORITY - Number.parseInt(priority, 16),
    availableAt: Number(at),
    delayed: hold === 'd',
    turn: Number.parseInt(turn, 36),
    attempt: Number(attempt),
    refunds: Number(refunds),
    generation: Number(generation),
    uid,
    key,
  }
}

/** Names of a lower priority than this one's, or of its own and given out later, are above it. */
export function orderOf(name: string): string {
  return name.slice(3)
}

/** Above every name of the lane and priority of this one, and below those of the next lower priority. */
export function afterPriority(stint: Stint): string {
  return `${stint.lane}/${priorityText(stint.priority)}/`
}

/** Inverted, so that higher comes first: 0 for the highest. */
function priorityText(priority: number): string {
  return (MAX_PRIORITY - priority).toString(16).padStart(8, '0')
}
