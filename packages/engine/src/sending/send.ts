import type { ItemSummary, NewJob, ParsedBody } from '@sluice/core'
import { overridesFor } from '../policies/escalation.js'
import type { SendPass } from '../dispatch/send-pass.js'
import { forEachParallel } from '../parallel.js'
import { invalidBody } from '../settling/send-settlements.js'
import { refOf } from '../settling/settle.js'
import { overdue } from '../settling/settlement.js'
import type { Tick } from '../tick/tick.js'
import type { Flight } from './flights.js'
import { noteSendFailed, noteSendsFailed } from './send-failure.js'

/**
 * The body to send, or why it does not fit the schema; `moved`: the item is no longer claimed by this engine
 * · `unknown`: the schema failed.
 */
export type SendBody = ParsedBody<unknown> | 'moved' | 'unknown'

/** A claimed item that is to be sent. */
export interface Sending {
  readonly item: ItemSummary
  /** Called right before the send. */
  readonly body: () => Promise<SendBody>
  readonly again: boolean
  /** It has its place in flight, or gets none in this pass. */
  readonly onEntered?: () => void
}

/** An item whose send begins. */
interface Departure extends Pick<Sending, 'item' | 'again'> {
  readonly body: unknown
}

interface Departed extends Departure {
  readonly flight: Flight
}

/**
 * Sends claimed items, in one call as far as there are places, unless the pass is halted. Whatever the worker
 * answers, the items stay in PROCESSING: failures are judged when the sends around them have ended.
 */
export async function sendBatch(tick: Tick, pass: SendPass, batch: readonly Sending[]): Promise<void> {
  for (let rest = batch; rest.length > 0;) {
    const places = await pass.enter(rest.length)
    const entered = places === 0 ? rest : rest.slice(0, places)
    for (const { onEntered } of entered) onEntered?.()
    if (places === 0) return
    rest = rest.slice(places)
    try {
      await send(tick, pass, entered)
    } catch (error) {
      // No more sends begin, and those under way end before the pass rejects.
      pass.fail(error)
    } finally {
      pass.leave(places)
    }
  }
}

async function send(tick: Tick, pass: SendPass, batch: readonly Sending[]): Promise<void> {
  const { lease, sendState, runtime } = tick
  // Before each send: an engine that can't renew must have stopped before another can take over.
  if (!(await lease.keep())) pass.halt('lease')
  await pass.controlIsCurrent()
  await pass.probe
  if (pass.halted !== undefined) return
  const departures = await departuresOf(tick, pass, batch)
  if (!lease.held) pass.halt('lease')
  // Another send may have met an outage, or an operator may have paused the queue, meanwhile.
  if (pass.halted !== undefined || departures.length === 0) return
  const start = { beganAtMonotonic: runtime.monotonicMs(), syncs: pass.control.syncs ?? 0 }
  const departed = departures.map((departure) => {
    noteBegun(tick, pass, departure.item)
    if (!sendState.refused.has(departure.item)) pass.freshSends += 1
    return { ...departure, flight: sendState.flights.begin(departure.item, start) }
  })
  const flights = departed.map(({ flight }) => flight)
  await pass.untilLeft(flights, deliver(tick, departed))
}

/** Those of a batch that can be sent now, in its order. */
async function departuresOf(tick: Tick, pass: SendPass, batch: readonly Sending[]): Promise<Departure[]> {
  const bodies = new Map<Sending, SendBody>()
  await forEachParallel(batch, tick.sendConcurrency, async (sending) => {
    bodies.set(sending, await sending.body())
  })
  return batch.flatMap((sending) =>
    departureOf(tick, pass, { sending, body: bodies.get(sending) ?? 'unknown' }),
  )
}

function departureOf(
  tick: Tick,
  pass: SendPass,
  { sending: { item, again }, body }: { sending: Sending; body: SendBody },
): Departure[] {
  if (tick.clocks?.isOverdue(item) === true) {
    noteBegun(tick, pass, item)
    pass.noteInvalid({ settlement: overdue(item, tick.rules.itemMs ?? 0), why: 'overdue' })
    return []
  }
  if (body === 'unknown') return []
  if (body !== 'moved' && body.reason === undefined) return [{ item, again, body: body.body }]
  noteBegun(tick, pass, item)
  if (body !== 'moved') pass.noteInvalid({ settlement: invalidBody(item, body.reason), why: 'invalid-body' })
  return []
}

/** From now on it may have a job, or is no longer this engine's. */
function noteBegun({ unsent }: Tick, pass: SendPass, item: ItemSummary): void {
  unsent.noteBegun(item)
  pass.noteBegun(item)
}

/**
 * Never rejects. The outcomes are noted with the pass that is then the latest: a send may outlast its own.
 */
async function deliver(tick: Tick, departed: readonly Departed[]): Promise<void> {
  const { sendState } = tick
  try {
    const outcomes = await callSend(tick, departed)
    if ('rejection' in outcomes) {
      const items = ended(tick, departed).map(({ item }) => item)
      if (sendState.pass !== undefined) await noteSendsFailed(tick, sendState.pass, { ...outcomes, items })
      return
    }
    if (departed.length > 1) tick.reported.sendManyFailing = false
    noteSuccesses(
      tick,
      departed.filter((_, at) => outcomes.errors[at] === undefined),
    )
    const failed = departed.flatMap((one, at) => {
      const error = outcomes.errors[at]
      return error === undefined ? [] : [{ ...one, error }]
    })
    for (const { item, error } of ended(tick, failed))
      if (sendState.pass !== undefined) await noteSendFailed(tick, sendState.pass, { item, error })
  } catch (error) {
    sendState.pass?.fail(error)
  } finally {
    sendState.pass?.wake()
  }
}

/** Those whose sends were not given up before; none of them is in flight any more. */
function ended<T extends Departed>({ sendState }: Tick, departed: readonly T[]): T[] {
  return departed.filter(({ flight }) => sendState.flights.end(flight))
}

/**
 * One outcome for each, in order; or none, since the call was rejected as a whole, and nothing is known to
 * have been sent [W-SEND-3].
 */
type Outcomes = { readonly errors: readonly unknown[] } | { readonly rejection: unknown }

async function callSend(
  { worker, queue, running, rules }: Tick,
  departed: readonly Departed[],
): Promise<Outcomes> {
  const { escalations } = rules.retry
  const jobs = departed.map(({ item, body }): NewJob<unknown> => {
    const { id, uid, attempt, priority } = item
    running.noteSending({ id, uid, attempt })
    const overrides = worker.supports.overrides === true ? overridesFor(escalations, item) : undefined
    const job = { uid, attempt, priority, queue: queue.name }
    return { id, body, job: overrides === undefined ? job : { ...job, overrides } }
  })
  const [first] = jobs
  try {
    if (first !== undefined && jobs.length === 1) {
      await worker.sendJob(first.id, first.body, first.job)
      return { errors: [undefined] }
    }
    const errors = await worker.sendMany?.(jobs)
    // Without one outcome for each job, none is known to have been sent.
    if (!Array.isArray(errors) || errors.length !== jobs.length)
      throw new TypeError('not one outcome for each job')
    return { errors }
  } catch (error) {
    if (jobs.length === 1) return { errors: [error] }
    return { rejection: error }
  }
}

function noteSuccesses(tick: Tick, departed: readonly Departed[]): void {
  const { sendState, runtime, record } = tick
  for (const { item, body } of departed) {
    sendState.sentWell.note({ id: item.id, uid: item.uid, body })
    record.noteSentWell(item)
  }
  const [first] = departed
  const noted = ended(tick, departed)
  if (first !== undefined && noted.length > 0) {
    sendState.noteDuration(first.flight.beganAtMonotonic, runtime.monotonicMs())
    tick.backpressure.noteSent(noted.length, first.flight.beganAtMonotonic)
  }
  for (const departure of noted) {
    sendState.capacity.noteSent()
    sendState.trust.noteSuccess()
    if (sendState.pass !== undefined) noteSent(tick, sendState.pass, departure)
  }
}

/** The worker has accepted it. */
export function noteSent(tick: Tick, { tally }: SendPass, sent: Pick<Sending, 'item' | 'again'>): void {
  const { item, again } = sent
  tick.sendState.refused.drop(item)
  tick.guards.noteSuccess('send')
  tick.memory.noteSent(item)
  tally.sent += 1
  if (again) tally.resent += 1
  tick.emit({ kind: 'item-sent', job: refOf(item), again })
}
