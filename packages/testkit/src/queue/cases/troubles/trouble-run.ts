import { AssertionError } from 'node:assert'
import { setTimeout as pause } from 'node:timers/promises'
import { isSluiceError, type Queue, type QueueSupports, type SluiceError } from '@sluice/core'
import { check } from '../../../check.js'
import type { QueueCase, QueueHarness, StorageTrouble, TroubledQueue } from '../../queue-harness.js'
import { checkListed } from '../moves/one-stage.js'

const TROUBLES: readonly StorageTrouble[] = ['fails', 'hangs', 'answer-lost']
const MOST_POINTS = 200
const MOST_LATE = 10
/** A busy machine may be so much late. */
const SLACK_MS = 5_000
const STEP_MS = 50
/** What has no time limit of its own is ended so long after an operation went wrong. */
const UNLIMITED_MS = 1_000

/** How a call ended: with a value, or by an outage. */
export type CallEnd<T> = { readonly value: T } | { readonly error: SluiceError }

/**
 * One call, and what must hold when an operation of the storage went wrong in it. It is made many times,
 * partly at once; `key` is another one each time: for ids and names.
 */
export interface TroubledCall<T> {
  /** Brings a healthy queue to where the calls begin. */
  readonly prepare?: (healthy: Queue, keys: readonly string[]) => Promise<void>
  readonly call: (troubled: Queue, key: string) => Promise<T>
  /**
   * How many may be under way at once, where they are in each other's way. Default as many as the harness
   * allows.
   */
  readonly atMost?: number
  /** Default all three. */
  readonly troubles?: readonly StorageTrouble[]
  /** How many calls of the queue that is. Default 1. */
  readonly calls?: number
  /** It may take as long as it takes, and ends with its Queue object. Default false. */
  readonly unlimited?: boolean
  /** The items of a key: the lists are held against lookup by them. Default none. */
  readonly ids?: (key: string) => readonly string[]
  /** With a healthy queue, what the call left. */
  readonly inspect?: (healthy: Queue, key: string, end: CallEnd<T>) => Promise<void>
  /** With a healthy queue, the call again, and what that left; one key after the other. */
  readonly repeat: (healthy: Queue, key: string, end: CallEnd<T>) => Promise<void>
  /** Takes away what is left. */
  readonly finish?: (healthy: Queue, keys: readonly string[]) => Promise<void>
}

/** The `needs` of a case that lets operations of the storage go wrong. */
export function needsTrouble(_: QueueSupports, harness: QueueHarness): string | undefined {
  return harness.openTroubled === undefined
    ? 'the harness can’t let single operations of the storage go wrong'
    : undefined
}

/** A case of one call; `make` is called for each harness. */
export function troubleCase<T>(
  id: string,
  verb: string,
  make: (harness: QueueHarness) => TroubledCall<T>,
): QueueCase {
  return {
    id,
    title: titleOf(verb),
    needs: needsTrouble,
    run: (harness) => atEveryTrouble(harness, make(harness)),
  }
}

export function titleOf(verb: string, trouble?: StorageTrouble): string {
  const what = trouble === undefined ? 'fails, hangs or loses its answer' : WORDS[trouble]
  return `whichever storage operation of ${verb} ${what}, it ends in time and leaves nothing half done`
}

const WORDS: Readonly<Record<StorageTrouble, string>> = {
  fails: 'fails',
  hangs: 'hangs',
  'answer-lost': 'loses its answer',
}

interface Plan {
  readonly trouble: StorageTrouble
  readonly lasting: boolean
  nextPoint: number
  /** How often it ended in an outage with no operation that went wrong. */
  late: number
  isOver: boolean
}

interface Run {
  readonly plan: Plan
  readonly point: number
  readonly key: string
  readonly troubled: TroubledQueue
}

/**
 * Makes a call again and again, each of its storage operations going wrong in turn, in each way, once and
 * from there on.
 */
export async function atEveryTrouble<T>(harness: QueueHarness, one: TroubledCall<T>): Promise<void> {
  const healthy = await harness.open()
  const atOnce = Math.min(harness.troublesAtOnce ?? 1, one.atMost ?? Infinity)
  const plans = (one.troubles ?? TROUBLES).flatMap((trouble) =>
    [false, true].map((lasting): Plan => ({ trouble, lasting, nextPoint: 0, late: 0, isOver: false })),
  )
  let made = 0
  while (plans.some((plan) => !plan.isOver)) {
    // No key begins with another one.
    const runs = turns(plans, atOnce).map((plan) => ({
      plan,
      point: takePoint(plan),
      key: `k${made++}.`,
    }))
    await one.prepare?.(
      healthy,
      runs.map(({ key }) => key),
    )
    const opened: Run[] = []
    // One after the other: their timeouts are short, and opening may be many operations.
    for (const run of runs) opened.push(await openFor(harness, run))
    await runAll(healthy, one, opened)
  }
}

/** The plans whose turn it is, each as often as there is room: its next points are tried at once then. */
function turns(plans: readonly Plan[], count: number): Plan[] {
  const open = plans.filter((plan) => !plan.isOver)
  return Array.from({ length: count }, (_, index) => open[index % open.length]).filter(
    (plan) => plan !== undefined,
  )
}

/**
 * Each point for an operation that goes wrong alone. What goes on to go wrong is an outage that begins there,
 * and where exactly matters less the later it begins: those points lie further and further apart, since each
 * of them may cost the whole of a call's time.
 */
function takePoint(plan: Plan): number {
  const point = plan.nextPoint
  plan.nextPoint += plan.lasting ? Math.max(1, Math.floor(point / 2)) : 1
  return point
}

async function openFor(harness: QueueHarness, run: Omit<Run, 'troubled'>): Promise<Run> {
  const { point, plan } = run
  const { trouble, lasting } = plan
  const troubled = await harness.openTroubled?.({ trouble, lasting, point })
  if (troubled === undefined) throw new Error('the harness can’t let an operation of the storage go wrong')
  return { ...run, troubled }
}

async function runAll<T>(healthy: Queue, one: TroubledCall<T>, runs: readonly Run[]): Promise<void> {
  const ends = await Promise.all(
    runs.map(async (run) => ({ run, key: run.key, end: await told(run, () => endOf(one, run)) })),
  )
  const ids = ends.flatMap(({ key }) => one.ids?.(key) ?? [])
  await Promise.all(ends.map(({ run, key, end }) => told(run, async () => one.inspect?.(healthy, key, end))))
  if (ids.length > 0) await checkListed(healthy, ids)
  for (const { run, key, end } of ends) await told(run, () => one.repeat(healthy, key, end))
  await one.finish?.(
    healthy,
    ends.map(({ key }) => key),
  )
  for (const { run, end } of ends) {
    // The last plan has all the turns to itself, so some of its points lie far beyond the end of the call.
    if (!run.troubled.reached()) await told(run, async () => concluded(run.plan, end))
    else if (run.point > MOST_POINTS)
      throw new Error(`a call has over ${MOST_POINTS} storage operations: does reached() ever say false?`)
  }
}

/**
 * No operation went wrong: the call is done, and has no more of them. On a machine that is too busy for short
 * timeouts it may end in an outage all the same: then nothing is known, and the next point is tried.
 */
function concluded(plan: Plan, end: CallEnd<unknown>): void {
  if ('value' in end) plan.isOver = true
  else plan.late += 1
  check(
    plan.late <= MOST_LATE,
    'with no operation that went wrong it is done',
    'error' in end && shown(end.error),
  )
}

async function endOf<T>(one: TroubledCall<T>, { troubled, key }: Run): Promise<CallEnd<T>> {
  const { queue, callMs } = troubled
  const limitMs = callMs * (one.calls ?? 1) + SLACK_MS
  const call = ended(one.call(queue, key))
  const end =
    one.unlimited === true ? await endByClose(troubled, call, limitMs) : await inTime(call, limitMs, 'it')
  await inTime(queue.close(), limitMs, 'close()')
  if ('value' in end) return end
  const { error } = end
  check(isSluiceError(error), 'it rejects with a SluiceError', shown(error))
  if (!isSluiceError(error)) throw error
  const isClosed = one.unlimited === true && error.code === 'SLUICE_QUEUE_CLOSED'
  const isOutage = error.code === 'SLUICE_QUEUE_UNAVAILABLE' && error.retryable
  check(isOutage || isClosed, 'it rejects SLUICE_QUEUE_UNAVAILABLE, retryable', shown(error))
  check(error.message.includes(queue.name), 'its message names the queue', error.message)
  return { error }
}

type AnyEnd<T> = { readonly value: T } | { readonly error: unknown }

async function ended<T>(call: Promise<T>): Promise<AnyEnd<T>> {
  return call.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
}

/**
 * Closes the queue once the call has gone on for a while after an operation went wrong; without one it may
 * take longer.
 */
async function endByClose<T>(
  { queue, reached }: TroubledQueue,
  call: Promise<T>,
  limitMs: number,
): Promise<T> {
  for (let [spentMs, wentWrong] = [0, false]; spentMs < limitMs && !wentWrong; spentMs += UNLIMITED_MS) {
    wentWrong = reached()
    const end = await orLate(call, UNLIMITED_MS)
    if (end !== undefined) return end.value
  }
  await inTime(queue.close(), limitMs, 'close()')
  return inTime(call, limitMs, 'after close() it')
}

async function inTime<T>(call: Promise<T>, limitMs: number, what: string): Promise<T> {
  const end = await orLate(call, limitMs)
  check(end !== undefined, `${what} ends within the time that the queue states, and ${SLACK_MS} ms`)
  if (end === undefined) throw new Error('unreachable')
  return end.value
}

/**
 * Time counts in steps: while this process does not run, neither the call nor its timeouts get on, so that a
 * late step is no longer than another.
 */
async function orLate<T>(call: Promise<T>, ms: number): Promise<{ readonly value: T } | undefined> {
  const ended = new AbortController()
  const late = async () => {
    for (let spentMs = 0; spentMs < ms && !ended.signal.aborted; spentMs += STEP_MS) await pause(STEP_MS)
    return undefined
  }
  try {
    return await Promise.race([call.then((value) => ({ value })), late()])
  } finally {
    ended.abort()
  }
}

/** Says of a failure where it happened. */
async function told<T>({ plan, point }: Run, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    const which = plan.lasting ? `each storage operation from ${point} on` : `storage operation ${point}`
    const what = { fails: 'it is refused', hangs: 'it hangs', 'answer-lost': 'its answer is lost' }[
      plan.trouble
    ]
    const message = error instanceof Error ? error.message : String(error)
    throw new AssertionError({ message: `where ${which} ${what}: ${message}` })
  }
}

function shown(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
