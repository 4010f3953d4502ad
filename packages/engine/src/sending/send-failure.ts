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
  readonly head: ItemSummary
  readonly error: unknown
}

/**
 * Notes what a failed send means for the pass. What becomes of the item is decided once the sends around it have ended; only one that the worker
 * can never accept is decided here.
 */
export async function noteSendFailed(tick: Tick, pass: SendPass, failed: FailedSend): Promise<void> {
  const { head, error } = failed
  const trouble = sendTrouble(error)
  if (trouble === 'fatal') throw error
  if (trouble === 'rejected') {
    const reason = isSluiceError(error) ? error.message : ''
    pass.noteRejected({ settlement: rejected(head, reason), why: 'rejected' })
    return
  }
  tick.memory.noteUnsent(head)
  tick.logger.debug({ ...refOf(head), err: asOutage(error) }, 'a job could not be sent')
  if (trouble === 'item' || trouble === 'unknown') await suspect(tick, pass, failed)
  else noteKept(tick, pass, failed)
  if (tick.sendState.leaveAlone.note(error, tick.runtime.monotonicMs())) pass.halt('retry-after')
}

/** The worker's trouble, or its limit: the item keeps its claim, and no try counts. */
function noteKept(tick: Tick, pass: SendPass, { head, error }: FailedSend): void {
  tick.sendState.refused.noteOutage(head, tick.runtime.monotonicMs())
  const outage = asOutage(error)
  if (outage.concerns === 'capacity') noteCapacity(tick, pass, outage)
  else pass.noteOutage(outage)
}

/**
 * The item's trouble, unless others fail too. When the first few have failed and none was sent well, a probe tells an outage from items that
 * nobody takes; where there is none, it is an outage.
 */
async function suspect(tick: Tick, pass: SendPass, { head, error }: FailedSend): Promise<void> {
  const { trust } = tick.sendState
  trust.noteFailure(head.uid)
  pass.noteSuspect({ head, error, successes: trust.successes })
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
