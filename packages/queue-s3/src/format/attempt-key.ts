import { MAX_PRIORITY } from '@sluice/core'
import { MAX_ADDITIONS_BYTES, MAX_KEY_BYTES } from './key-encoding.js'

/** The longest uid: that of a UUID. A longer one, written by another program, makes a foreign name. */
const MAX_UID_BYTES = 36

/**
 * What the name of an attempt says. An attempt is one stay of an item from WAITING through PROCESSING to its
 * end; its objects have the same name under each stage's prefix. No two attempts of any items have the same
 * name: it holds the uid and the attempt.
 */
export interface AttemptKey {
  /** Two hex digits, the same for all attempts of an item. */
  readonly shard: string
  readonly priority: number
  /** Epoch ms of the store's clock. */
  readonly availableAt: number
  /** Not claimable before `availableAt`; otherwise that instant is only its place in the order. */
  readonly delayed: boolean
  /** Grows within one process: the order of two attempts of the same instant. */
  readonly turn: number
  /**
   * The attempt that its claim makes, 1 or more; 0 for an item put into SUCCESS, which has only this name and
   * is never claimed.
   */
  readonly attempt: number
  /** How often the item was updated so far. */
  readonly updates: number
  readonly uncounted: number
  /** Its objects hold a `retryState`: a listing reads only those. */
  readonly hasRetryState: boolean
  /**
   * Which index object of the id is this item's: 1, and one more each time the id was removed and put again.
   */
  readonly generation: number
  readonly uid: string
  /**
   * `name=value` pairs, separated by commas: `s` is the tag of its selection (see `tagOf`); those of a later
   * version are ignored. Each following name keeps them. Empty: none.
   */
  readonly additions: string
  /** The encoded id, or its hash. */
  readonly key: string
}

/**
 * Digits of a number in a name, padded with zeros; more only where the number needs them. So all names of an
 * item have the same length.
 */
const DIGITS = 5
const NUMBER = String.raw`(\d{5}|[1-9]\d{5,9})`
const KEY = '(?:[a-z0-9-]|_[0-9a-f]{2})+|_h[0-9a-f]{64}'
const PAIR = '[a-z][a-z0-9]*=[a-z0-9_-]*'
const ADDITIONS = String.raw`(?:(?=[^.]{1,${MAX_ADDITIONS_BYTES - 1}}\.)(${PAIR}(?:,${PAIR})*)\.)?`
const OF_ITEM = String.raw`\.${NUMBER}\.([0-9a-z-]{1,${MAX_UID_BYTES}})\.${ADDITIONS}(?=.{1,${MAX_KEY_BYTES}}$)(${KEY})$`
const PATTERN = new RegExp(
  String.raw`^([0-9a-f]{2})\/([0-9a-f]{8})\.(\d{16})([dn])\.([0-9a-z]{8})\.${NUMBER}\.${NUMBER}([.-])${NUMBER}${OF_ITEM}`,
)
/** In place of the priority in the name of an item put into SUCCESS. */
const DONE = 'done'
const DONE_PATTERN = new RegExp(
  String.raw`^([0-9a-f]{2})\/${DONE}\.(\d{16})\.([0-9a-z]{8})\.([0-9a-f]{8})${OF_ITEM}`,
)

/**
 * The name. Names sort in the order of claims: by priority downwards, then by instant, then by turn. All
 * names of an item have the same length, so that a store which accepts the first accepts the others: `-` for
 * a `.` says that there is a `retryState`, behind all parts that define the order.
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

/** `undefined` for a foreign name. */
export function parseAttemptKey(name: string): AttemptKey | undefined {
  const match = PATTERN.exec(name)
  if (match === null) return parseDone(name)
  const [, shard = '', priority = '', at, hold, turn = '', attempt, updates, state, ...rest] = match
  const [uncounted, generation, uid = '', additions = '', key = ''] = rest
  // An item put into SUCCESS has the other form.
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

/**
 * Whether it is the only name of an item put into SUCCESS [Q-PUT-5]: under that stage alone, and under LEFT
 * during its removal.
 */
export function isPutDone({ attempt }: Pick<AttemptKey, 'attempt'>): boolean {
  return attempt === 0
}

/** One more with each name of an item: a new attempt, or an update. */
export function stepOf({ attempt, updates }: Pick<AttemptKey, 'attempt' | 'updates'>): number {
  return attempt + updates
}

/** Whether it is the name in its index object: the objects of all others hold a state of their own. */
export function isFirst(attemptKey: Pick<AttemptKey, 'attempt' | 'updates'>): boolean {
  return stepOf(attemptKey) === 1
}

/** Whether two names of an item have the same place in the order. */
export function isInPlace(one: AttemptKey, other: AttemptKey): boolean {
  return one.priority === other.priority && isAvailableAlike(one, other)
}

/** Whether two names of an item have the same instant and turn, possibly with another priority. */
export function isAvailableAlike(one: AttemptKey, other: AttemptKey): boolean {
  return one.availableAt === other.availableAt && one.turn === other.turn && one.delayed === other.delayed
}

/** Sorts below that of every name of a lower priority, or of the same priority and a later place. */
export function orderOf(name: string): string {
  return name.slice(3)
}

/** Above every name of this shard and priority, and below those of the next lower priority. */
export function afterPriority(attemptKey: AttemptKey): string {
  return `${groupOf(attemptKey)}/`
}

/** Below every name of this shard and priority from that instant on, and above those before it. */
export function instantIn(attemptKey: AttemptKey, at: number): string {
  return `${groupOf(attemptKey)}.${instantText(at)}`
}

/** The common prefix of the names of a shard that sort by instant. */
function groupOf(attemptKey: AttemptKey): string {
  return `${attemptKey.shard}/${isPutDone(attemptKey) ? DONE : priorityText(attemptKey.priority)}`
}

/** Inverted, so that the highest comes first: 0 for the highest. */
function priorityText(priority: number): string {
  return (MAX_PRIORITY - priority).toString(16).padStart(8, '0')
}

function priorityIn(text: string): number {
  return MAX_PRIORITY - Number.parseInt(text, 16)
}
