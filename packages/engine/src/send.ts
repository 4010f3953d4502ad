import type { ItemHead, JsonValue } from '@sluice/core'
import type { Engine } from './engine.js'
import { noteSendFailed } from './sending/send-failure.js'
import type { SendPass } from './sending/send-pass.js'
import { refOf } from './settle.js'

/** An item that is claimed and is to be sent. */
export interface Sending {
  readonly head: ItemHead
  /** Called right before the send; `undefined`: the item has been moved, and nothing is sent. */
  readonly body: () => Promise<JsonValue | undefined>
  readonly again: boolean
}

/**
 * Sends one item that is claimed, unless the pass is halted. Whatever the worker answers, the item stays in PROCESSING: what becomes of one that was
 * not sent is decided when the sends around it have ended.
 */
export async function sendItem(engine: Engine, pass: SendPass, sending: Sending): Promise<void> {
  if (!(await pass.enter())) return
  try {
    await send(engine, pass, sending)
  } catch (error) {
    // Nothing more begins, and what was begun is brought to its end before the pass rejects.
    pass.fail(error)
  } finally {
    pass.leave()
  }
}

async function send(engine: Engine, pass: SendPass, sending: Sending): Promise<void> {
  const { head } = sending
  // Before each send: an engine that can't renew must have stopped before another can take over.
  if (!(await engine.lease.keep())) {
    pass.halt('lease')
    return
  }
  await pass.controlIsCurrent()
  await pass.probe
  if (pass.halted !== undefined) return
  const body = await sending.body()
  if (body === undefined) {
    pass.noteBegun(head)
    return
  }
  // Another send may have met the outage, or an operator's word may have come, while this one waited.
  if (pass.halted !== undefined) return
  pass.noteBegun(head)
  if (!engine.sendState.refused.has(head)) pass.freshSends += 1
  engine.sendState.noteTried(head)
  const { id, uid, attempt, priority } = head
  engine.running.noteSending({ id, uid, attempt })
  try {
    await engine.worker.sendJob(id, body, { uid, attempt, priority, queue: engine.queue.name })
  } catch (error) {
    await noteSendFailed(engine, pass, { head, error })
    return
  }
  engine.sendState.sentWell.note({ id, uid, body })
  engine.sendState.capacity.noteSent()
  engine.sendState.trust.noteSuccess()
  noteSent(engine, pass, sending)
}

/** The worker has a job of it. */
export function noteSent(engine: Engine, { tally }: SendPass, sent: Pick<Sending, 'head' | 'again'>): void {
  const { head, again } = sent
  engine.sendState.refused.forget(head)
  engine.memory.noteSent(head)
  tally.sent += 1
  if (again) tally.resent += 1
  engine.emit({ kind: 'item-sent', job: refOf(head), again })
}
