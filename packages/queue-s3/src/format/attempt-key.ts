import { MAX_PRIORITY } from '@sluice/core'
import { MAX_ADDITIONS_BYTES, MAX_KEY_BYTES } from './key-encoding.js'

/** The longest uid: that of a UUID. A longer one, which only another program can have written, makes a name that is none of ours. */
const MAX_UID_BYTES = 36

/**
 * What the name of a attempt says. A attempt is one stay of an item from WAITING through PROCESSING to the end of that attempt; its
 * objects have the same name under each stage's prefix, and no two attempts of any items ever have the same name: the uid is in it, and
 * the attempt.
 */
export interface AttemptKey {
  /** Two hex digits, the same for all attempts of an item. */
  readonly shard: string
  readonly priority: number
  /** Epoch ms of the store's clock. */
  readonly availableAt: number
  /** Not given out before `availableAt`; otherwise that instant is only its place in the order. */
  readonly delayed: boolean
  /** Grows within one process: the order of two attempts of the same instant. */
  readonly turn: number
  /** The attempt that its claim makes, 1 or more; 0 of an item that was put into SUCCESS, which has this one name and is never claimed. */
  readonly attempt: number
  /** How often the item was updated so far. */
  readonly updates: number
  readonly uncounted: number
  /** Its objects hold a `retryState`: a listing reads those of no others. */
  readonly hasRetryState: boolean
  /** Which index object of the id is this item's: 1, and one more each time the id was removed and put again. */
  readonly generation: number
  readonly uid: string
  /** `name=value` pairs, separated by commas, of a later version: unknown here, and kept in each name that follows. Empty: none. */
  readonly additions: string
  /** The encoded id, or its hash. */
  readonly key: string
}

/** Digits of a number in a name, zeros in front; more only where the number needs them. So all names of an item have the same length. */
const DIGITS = 5
const NUMBER = String.raw`(\d{5}|[1-9]\d{5,9})`
const KEY = '(?:[a-z0-9-]|_[0-9a-f]{2})+|_h[0-9a-f]{64}'
const PAIR = '[a-z][a-z0-9]*=[a-z0-9_-]*'
const ADDITIONS = String.raw`(?:(?=[^.]{1,${MAX_ADDITIONS_BYTES - 1}}\.)(${PAIR}(?:,${PAIR})*)\.)?`
const OF_ITEM = String.raw`\.${NUMBER}\.([0-9a-z-]{1,${MAX_UID_BYTES}})\.${ADDITIONS}(?=.{1,${MAX_KEY_BYTES}}$)(${KEY})$`
const PATTERN = new RegExp(
  String.raw`^([0-9a-f]{2})\/([0-9a-f]{8})\.(\d{16})([dn])\.([0-9a-z]{8})\.${NUMBER}\.${NUMBER}([.-])${NUMBER}${OF_ITEM}`,
)
/** In place of the priority in the name of an item that was put into SUCCESS. A program that does not know it takes such a name for none. */
const DONE = 'done'
const DONE_PATTERN = new RegExp(
  String.raw`^([0-9a-f]{2})\/${DONE}\.(\d{16})\.([0-9a-z]{8})\.([0-9a-f]{8})${OF_ITEM}`,
)

/**
 * The name, such that the order of names is the order of giving out: priority downwards, then the instant, then the turn. All names of an item
 * have the same length, so that a store which takes the first takes those that follow: `-` for a `.` says that there is a `retryState`, behind all
 * that the order goes by.
 */
export function attemptKeyText(attemptKey: AttemptKey): string {
  const { shard, delayed, hasRetryState, uid, additions, key } = attemptKey
  const [at, turn] = [instantText(attemptKey.availableAt), attemptKey.turn.toString(36).padStart(8, '0')]
  const item = `${digits(attemptKey.generation)}.${uid}.${additions === '' ? '' : `${additions}.`}${key}`
  if (isPutDone(attemptKey))
    return `${shard}/${DONE}.${at}.${turn}.${priorityText(attemptKey.priority)}.${item}`
  const order = `${priorityText(attemptKey.priority)}.${at}${delayed ? 'd' : 'n'}.${turn}`
  const updates = `${digits(attemptKey.updates)}${hasRetryState ? '-' : '.'}`
  return `${shard}/${order}.${digits(attemptKey.attempt)}.${updates}${digits(attemptKey.uncounted)}.${item}`
}

function instantText(at: number): string {
  return at.toString().padStart(16, '0')
}

function digits(number: number): string {
  return number.toString().padStart(DIGITS, '0')
}

/** `undefined` for a name that isn't ours. */
export function parseAttemptKey(name: string): AttemptKey | undefined {
  const match = PATTERN.exec(name)
  if (match === null) return parseDone(name)
  const [, shard = '', priority = '', at, hold, turn = '', attempt, updates, state, ...rest] = match
  const [uncounted, generation, uid = '', additions = '', key = ''] = rest
  // That of an item put into SUCCESS has the other form.
  if (Number(attempt) === 0) return undefined
  return {
    shard,
    priority: priorityIn(priority),
    availableAt: Number(at),
    delayed: hold === 'd',
    turn: Number.parseInt(turn, 36),
    attempt: Number(attempt),
    updates: Number(updates),
    uncounted: Number(uncounted),
    hasRetryState: state === '-',
    generation: Number(generation),
    uid,
    additions,
    key,
  }
}

function parseDone(name: string): AttemptKey | undefined {
  const match = DONE_PATTERN.exec(name)
  if (match === null) return undefined
  const [, shard = '', at, turn = '', priority = '', generation, uid = '', ...rest] = match
  const [additions = '', key = ''] = rest
  return {
    shard,
    priority: priorityIn(priority),
    availableAt: Number(at),
    delayed: false,
    turn: Number.parseInt(turn, 36),
    attempt: 0,
    updates: 0,
    uncounted: 0,
    hasRetryState: false,
    generation: Number(generation),
    uid,
    additions,
    key,
  }
}

/** Whether it is the one name of an item that was put into SUCCESS [Q-PUT-5]: under that stage alone, and under LEFT once it is removed. */
export function isPutDone({ attempt }: Pick<AttemptKey, 'attempt'>): boolean {
  return attempt === 0
}

/** One more with each name of an item: a new attempt, or an update. */
export function stepOf({ attempt, updates }: Pick<AttemptKey, 'attempt' | 'updates'>): number {
  return attempt + updates
}

/** Whether it is the name that its index object has: the objects of all others hold a state of their own. */
export function isFirst(attemptKey: Pick<AttemptKey, 'attempt' | 'updates'>): boolean {
  return stepOf(attemptKey) === 1
}

/** Whether two names of an item stand at the same place in the order. */
export function isInPlace(one: AttemptKey, other: AttemptKey): boolean {
  return one.priority === other.priority && isAvailableAlike(one, other)
}

/** Whether two names of an item have the same instant and turn, be it in another priority. */
export function isAvailableAlike(one: AttemptKey, other: AttemptKey): boolean {
  return one.availableAt === other.availableAt && one.turn === other.turn && one.delayed === other.delayed
}

/** Names of a lower priority than this one's, or of its own and given out later, are above it. */
export function orderOf(name: string): string {
  return name.slice(3)
}

/** Above every name of the shard and priority of this one, and below those of the next lower priority. */
export function afterPriority(attemptKey: AttemptKey): string {
  return `${groupOf(attemptKey)}/`
}

/** Below every name of this one's shard and priority from that instant on, and above those before it. */
export function instantIn(attemptKey: AttemptKey, at: number): string {
  return `${groupOf(attemptKey)}.${instantText(at)}`
}

/** What the names of a shard begin with that are in the order of their instants. */
function groupOf(attemptKey: AttemptKey): string {
  return `${attemptKey.shard}/${isPutDone(attemptKey) ? DONE : priorityText(attemptKey.priority)}`
}

/** Inverted, so that higher comes first: 0 for the highest. */
function priorityText(priority: number): string {
  return (MAX_PRIORITY - priority).toString(16).padStart(8, '0')
}

function priorityIn(text: string): number {
  return MAX_PRIORITY - Number.parseInt(text, 16)
}
