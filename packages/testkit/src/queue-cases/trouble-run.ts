import { AssertionError } from 'node:assert'
import { isSluiceError, type Queue, type QueueSupports, type SluiceError } from '@sluice/core'
import { check } from '../check.js'
import type { QueueCase, QueueHarness, StorageTrouble, TroubledQueue } from '../queue-harness.js'

const MOST_POINTS = 200
/** A busy machine may be so much late. */
const SLACK_MS = 5_000
/** What has no time limit of its own is ended after so long. */
const UNLIMITED_MS = 1_000

/** How a call ended: with a value, or by an outage. */
export type CallEnd<T> = { readonly value: T } | { readonly error: SluiceError }

/** One call, and what must hold when an operation of the storage went wrong in it. `key` is another one each time: for ids and names. */
export interface TroubledCall<T> {
  /** Brings a healthy queue to where the call begins. */
  readonly prepare?: (healthy: Queue, key: string) => Promise<void>
  readonly call: (troubled: Queue, key: string) => Promise<T>
  /** How many calls of the queue that is. Default 1. */
  readonly calls?: number
  /** It may take as long as it takes, and ends with its Queue object. Default false. */
  readonly unlimited?: boolean
  /** Holds a healthy queue to what the call said, and repeats it there. Others are at work meanwhile only where they have keys of their own. */
  readonly verify: (healthy: Queue, key: string, end: CallEnd<T>) => Promise<void>
  /** Takes away what is left, when all have been verified. */
  readonly finish?: (healthy: Queue, key: string) => Promise<void>
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

export function titleOf(verb: string): string {
  return `whichever storage operation of ${verb} fails, hangs or loses its answer, it ends in time and leaves nothing half done`
}

interface Plan {
  readonly trouble: StorageTrouble
  readonly lasting: boolean
  nextPoint: number
  isOver: boolean
}

interface Run {
  readonly plan: Plan
  readonly point: number
  readonly key: string
  readonly troubled: TroubledQueue
}

/** Makes a call again and again, each of its storage operations going wrong in turn, in each way, once and from there on. */
export async function atEveryTrouble<T>(harness: QueueHarness, one: TroubledCall<T>): Promise<void> {
  const healthy = await harness.open()
  const plans = (['fails', 'hangs', 'answer-lost'] as const).flatMap((trouble) =>
    [false, true].map((lasting): Plan => ({ trouble, lasting, nextPoint: 0, isOver: false })),
  )
  let made = 0
  while (plans.some((plan) => !plan.isOver)) {
    const runs: Run[] = []
    for (const plan of turns(plans, harness.troublesAtOnce ?? 1)) {
      // No key begins with another one.
      const [point, key] = [plan.nextPoint++, `k${made++}.`]
      const { trouble, lasting } = plan
      await one.prepare?.(healthy, key)
      const troubled = await harness.openTroubled?.({ trouble, lasting, point })
      if (troubled === undefined) return
      runs.push({ plan, point, key, troubled })
    }
    await runAll(healthy, one, runs)
  }
}

/** The plans whose turn it is, each as often as there is room: its next points are tried at once then. */
function turns(plans: readonly Plan[], count: number): Plan[] {
  const open = plans.filter((plan) => !plan.isOver)
  return Array.from({ length: count }, (_, index) => open[index % open.length]).filter(
    (plan) => plan !== undefined,
  )
}

async function runAll<T>(healthy: Queue, one: TroubledCall<T>, runs: readonly Run[]): Promise<void> {
  const ends = await Promise.all(
    runs.map(async (run) => ({ run, end: await told(run, () => endOf(one, run)) })),
  )
  for (const { run, end } of ends) await told(run, () => one.verify(healthy, run.key, end))
  for (const { run } of ends) {
    await told(run, async () => one.finish?.(healthy, run.key))
    run.plan.isOver ||= !run.troubled.reached()
    if (run.point > MOST_POINTS)
      throw new Error(`a call has over ${MOST_POINTS} storage operations: does reached() ever say false?`)
  }
}

async function endOf<T>(one: TroubledCall<T>, { troubled, key }: Run): Promise<CallEnd<T>> {
  const { queue, reached, callMs } = troubled
  const limitMs = callMs * (one.calls ?? 1) + SLACK_MS
  const call = ended(one.call(queue, key))
  const end =
    one.unlimited === true ? await endByClose(queue, call, limitMs) : await inTime(call, limitMs, 'it')
  const wentWrong = reached()
  await inTime(queue.close(), limitMs, 'close()')
  if ('value' in end) return end
  const { error } = end
  check(wentWrong, 'with no operation that went wrong it is done', shown(error))
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

async function endByClose<T>(queue: Queue, call: Promise<T>, limitMs: number): Promise<T> {
  const early = await orLate(call, UNLIMITED_MS)
  if (early !== undefined) return early.value
  await inTime(queue.close(), limitMs, 'close()')
  return inTime(call, limitMs, 'after close() it')
}

async function inTime<T>(call: Promise<T>, limitMs: number, what: string): Promise<T> {
  const end = await orLate(call, limitMs)
  check(end !== undefined, `${what} ends within the time that the queue states, and ${SLACK_MS} ms`)
  if (end === undefined) throw new Error('unreachable')
  return end.value
}

async function orLate<T>(call: Promise<T>, ms: number): Promise<{ readonly value: T } | undefined> {
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(late.resolve, ms, undefined)
  try {
    return await Promise.race([call.then((value) => ({ value })), late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** Says of a failure where it happened. */
async function told<T>({ plan, point }: Run, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    const which = plan.lasting ? `from storage operation ${point} on` : `at storage operation ${point}`
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
