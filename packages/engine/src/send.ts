import { isSluiceError, type ItemHead, type JsonValue } from '@sluice/core'
import type { Engine } from './engine.js'
import { isOutage, oddWorkerError, sendTrouble } from './engine-errors.js'
import { refOf, type DecidedSettlement } from './settle.js'
import { rejected } from './settlement.js'
import type { Tally } from './tick-result.js'

/** The sends of one tick. */
export interface SendPass {
  readonly tally: Tally
  readonly rejected: DecidedSettlement[]
  /** Nothing more is sent in this tick: the worker can't be used, or the lease is gone. */
  halted: boolean
}

/** The sends of a tick that begins. */
export function newSendPass(tally: Tally): SendPass {
  return { tally, rejected: [], halted: false }
}

interface FailedSend {
  readonly head: ItemHead
  readonly error: unknown
}

export interface Sending {
  readonly head: ItemHead
  readonly body: JsonValue
  readonly again: boolean
}

/**
 * Sends one item that is claimed. Whatever the worker answers, the item stays in PROCESSING: only one that it can never accept is
 * noted as rejected, to fail.
 */
export async function sendItem(engine: Engine, pass: SendPass, sending: Sending): Promise<void> {
  if (engine.stop.requested) pass.halted = true
  if (pass.halted) return
  // Before each send: an engine that can't renew must have stopped before another can take over.
  if (!(await engine.lease.keep())) {
    pass.halted = true
    return
  }
  // Another send may have met the outage, or the stop come, while this one waited for the lease.
  if (pass.halted || engine.stop.requested) return
  const { id, uid, attempt, priority } = sending.head
  engine.unsent.noteBegun(sending.head)
  engine.running.noteSending({ id, uid, attempt })
  try {
    await engine.worker.sendJob(id, sending.body, { uid, attempt, priority, queue: engine.queue.name })
  } catch (error) {
    noteTrouble(engine, pass, { head: sending.head, error })
    return
  }
  noteSent(engine, pass.tally, sending)
}

function noteSent(engine: Engine, tally: Tally, { head, again }: Sending): void {
  engine.memory.noteSent(head)
  tally.sent += 1
  if (again) tally.resent += 1
  engine.emit({ kind: 'item-sent', job: refOf(head), again })
}

function noteTrouble(engine: Engine, pass: SendPass, { head, error }: FailedSend): void {
  const trouble = sendTrouble(error)
  if (trouble === 'fatal') throw error
  if (trouble === 'rejected') {
    const reason = isSluiceError(error) ? error.message : ''
    pass.rejected.push({ settlement: rejected(head, reason), why: 'rejected' })
    return
  }
  engine.memory.noteSendFailed(head, engine.clock.monotonicMs())
  if (trouble === 'outage') pass.halted = true
  const outage = isOutage(error) ? error : oddWorkerError('sendJob', error)
  pass.tally.unavailable ??= outage
  engine.logger.debug({ ...refOf(head), err: outage }, 'a job could not be sent; the item keeps its claim')
}
