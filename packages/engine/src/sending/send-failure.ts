import { isSluiceError, type ItemSummary, type SluiceError } from '@sluice/core'
import { isOutage, oddWorkerError } from '../engine-errors.js'
import type { Tick } from '../tick/tick.js'
import { refOf } from '../settling/settle.js'
import { rejected } from '../settling/settlement.js'
import { noteCapacity } from './note-capacity.js'
import { probeWorker } from './probe.js'
import type { SendPass } from '../dispatch/send-pass.js'
import { sendTrouble } from './send-trouble.js'

interface FailedSend {
  readonly item: ItemSummary
  readonly error: unknown
}

/** Sends of one call that was rejected as a whole. */
interface FailedSends {
  readonly items: readonly ItemSummary[]
  readonly rejection: unknown
}

/**
 * Notes a failed send in the pass. The item is judged once the sends around it have ended; only a rejection,
 * which is final, is decided here.
 */
export async function noteSendFailed(tick: Tick, pass: SendPass, failed: FailedSend): Promise<void> {
  const { item, error } = failed
  const trouble = sendTrouble(error)
  if (trouble === 'fatal') throw error
  if (trouble === 'rejected') {
    const reason = isSluiceError(error) ? error.message : ''
    pass.noteRejected({ settlement: rejected(item, reason), why: 'rejected' })
    return
  }
  tick.memory.noteUnsent(item)
  tick.logger.debug({ ...refOf(item), err: asOutage(error) }, 'a job could not be sent')
  if (trouble === 'item' || trouble === 'unknown') await suspect(tick, pass, failed)
  else noteKept(tick, pass, failed)
  noteRefused(tick, error)
  if (trouble === 'unknown' && !tick.sendState.refused.has(item))
    tick.backpressure.noteUnclear(asOutage(error))
  if (tick.sendState.retryAfter.note(error, tick.runtime.monotonicMs())) pass.halt('retry-after')
}

/**
 * Notes a call for many jobs that was rejected as a whole. Where it is the worker's trouble, or its limit,
 * that holds for each of them. Anything else may be the trouble of one of them: they keep their claims, and
 * are sent again one by one, which shows whose it is.
 */
export async function noteSendsFailed(tick: Tick, pass: SendPass, failed: FailedSends): Promise<void> {
  const { items, rejection: error } = failed
  const { sendState, memory, runtime, calls, logger, reported } = tick
  const trouble = sendTrouble(error)
  if (trouble === 'fatal' || trouble === 'worker' || trouble === 'capacity') {
    for (const item of items) await noteSendFailed(tick, pass, { item, error })
    return
  }
  const nowMonotonic = runtime.monotonicMs()
  for (const item of items) {
    memory.noteUnsent(item)
    sendState.refused.noteRejectedTogether(item, nowMonotonic)
  }
  // The calls of an engine that was given up are rejected by itself.
  const level = reported.sendManyFailing || calls.isAbandoned ? 'debug' : 'warn'
  reported.sendManyFailing = true
  logger[level](
    { err: error, items: items.length },
    'the worker rejected many sends as a whole; they are sent one by one',
  )
  noteRefused(tick, error)
  if (sendState.retryAfter.note(error, nowMonotonic)) {
    pass.halt('retry-after')
    return
  }
  pass.halt('doubt')
  pass.tally.nextDelayMs = 0
}

/** An overloaded worker refuses sends as its own trouble, or asks for a pause. One that is full works. */
function noteRefused({ backpressure }: Tick, error: unknown): void {
  if (!isSluiceError(error)) return
  const trouble = sendTrouble(error)
  if (trouble === 'worker' || error.retryAfterMs !== undefined) backpressure.noteRefused(error)
  else if (trouble === 'capacity') backpressure.noteFull(error)
}

/** The worker's trouble, or its limit: the item keeps its claim, and the try doesn't count. */
function noteKept(tick: Tick, pass: SendPass, { item, error }: FailedSend): void {
  tick.sendState.refused.noteOutage(item, tick.runtime.monotonicMs())
  pass.keep(1)
  const outage = asOutage(error)
  if (outage.concerns === 'capacity') noteCapacity(tick, pass, outage)
  else pass.noteOutage(outage)
}

/**
 * The item's trouble, unless others fail too. When the first few have failed and no send succeeded, a probe
 * tells an outage from items that no worker accepts; without a probe it is an outage.
 */
async function suspect(tick: Tick, pass: SendPass, { item, error }: FailedSend): Promise<void> {
  const { trust } = tick.sendState
  trust.noteFailure(item.uid)
  pass.noteSuspect({ item, error, successes: trust.successes })
  const isProbed = pass.probe !== undefined
  if (!isProbed && !trust.isSuspect) return
  const answer = await probeWorker(tick, pass)
  if (answer === 'failed') pass.noteOutage(asOutage(error))
  else if (trust.isExhausted && answer === 'well') pass.halt('doubt')
  else if (trust.isExhausted) pass.noteOutage(asOutage(error), 'unknown words')
}

function asOutage(error: unknown): SluiceError {
  return isOutage(error) || isSluiceError(error) ? error : oddWorkerError('sendJob', error)
}
