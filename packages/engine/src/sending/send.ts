import type { ItemSummary, JsonValue } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import type { Flight } from './flights.js'
import { noteSendFailed } from './send-failure.js'
import type { SendPass } from '../dispatch/send-pass.js'
import { refOf } from '../settling/settle.js'

/** An item that is claimed and is to be sent. */
export interface Sending {
  readonly head: ItemSummary
  /** Called right before the send; `undefined`: the item has been moved, and nothing is sent. */
  readonly body: () => Promise<JsonValue | undefined>
  readonly again: boolean
  /** It has its place in flight, or gets none in this pass. */
  readonly onEntered?: () => void
}

/**
 * Sends one item that is claimed, unless the pass is halted. Whatever the worker answers, the item stays in PROCESSING: what becomes of one that was
 * not sent is decided when the sends around it have ended.
 */
export async function sendItem(tick: Tick, pass: SendPass, sending: Sending): Promise<void> {
  const hasEntered = await pass.enter()
  sending.onEntered?.()
  if (!hasEntered) return
  try {
    await send(tick, pass, sending)
  } catch (error) {
    // Nothing more begins, and what was begun is brought to its end before the pass rejects.
    pass.fail(error)
  } finally {
    pass.leave()
  }
}

async function send(tick: Tick, pass: SendPass, sending: Sending): Promise<void> {
  const { head } = sending
  // Before each send: an engine that can't renew must have stopped before another can take over.
  if (!(await tick.lease.keep())) {
    pass.halt('lease')
    return
  }
  await pass.controlIsCurrent()
  await pass.probe
  if (pass.halted !== undefined) return
  const body = await sending.body()
  if (body === undefined) {
    noteBegun(tick, pass, head)
    return
  }
  // Another send may have met the outage, or an operator's word may have come, while this one waited.
  if (pass.halted !== undefined) return
  noteBegun(tick, pass, head)
  if (!tick.sendState.refused.has(head)) pass.freshSends += 1
  const flight = tick.sendState.flights.begin(head, {
    beganMs: tick.runtime.monotonicMs(),
    syncs: pass.control.syncs ?? 0,
  })
  await pass.untilLeft(flight, deliver(tick, flight, { head, body, again: sending.again }))
}

/** From now on it may have a job, or is known to be somebody else's to deal with. */
function noteBegun({ unsent }: Tick, pass: SendPass, head: ItemSummary): void {
  unsent.noteBegun(head)
  pass.noteBegun(head)
}

interface Delivery extends Omit<Sending, 'body' | 'onEntered'> {
  readonly body: JsonValue
}

/** Never rejects. What comes of it is noted with the pass that is then the latest: it may take longer than its own. */
async function deliver(tick: Tick, flight: Flight, sending: Delivery): Promise<void> {
  const { sendState, runtime } = tick
  try {
    const isWell = await callSend(tick, flight, sending)
    if (!isWell) return
    sendState.noteDuration(flight.beganMs, runtime.monotonicMs())
    sendState.capacity.noteSent()
    sendState.trust.noteSuccess()
    if (sendState.pass !== undefined) noteSent(tick, sendState.pass, sending)
  } catch (error) {
    sendState.pass?.fail(error)
  } finally {
    sendState.pass?.wake()
  }
}

/** @returns whether the worker took it */
async function callSend(tick: Tick, flight: Flight, { head, body }: Delivery): Promise<boolean> {
  const { sendState, worker, queue, running, record } = tick
  const { id, uid, attempt, priority } = head
  running.noteSending({ id, uid, attempt })
  try {
    await worker.sendJob(id, body, { uid, attempt, priority, queue: queue.name })
  } catch (error) {
    if (!sendState.flights.end(flight) || sendState.pass === undefined) return false
    await noteSendFailed(tick, sendState.pass, { head, error })
    return false
  }
  sendState.sentWell.note({ id, uid, body })
  record.noteSentWell({ id, uid })
  return sendState.flights.end(flight)
}

/** The worker has a job of it. */
export function noteSent(tick: Tick, { tally }: SendPass, sent: Pick<Sending, 'head' | 'again'>): void {
  const { head, again } = sent
  tick.sendState.refused.forget(head)
  tick.guards.noteSuccess('send')
  tick.memory.noteSent(head)
  tally.sent += 1
  if (again) tally.resent += 1
  tick.emit({ kind: 'item-sent', job: refOf(head), again })
}
