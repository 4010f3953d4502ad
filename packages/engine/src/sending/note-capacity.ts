import type { SluiceError } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import type { SendPass } from '../dispatch/send-pass.js'

/** The worker is full: the pass ends. Logged and reported when it begins. */
export function noteCapacity(tick: Tick, pass: SendPass, error: SluiceError): void {
  const { sendState, runtime, logger, emit } = tick
  pass.halt('capacity')
  if (!sendState.capacity.noteRefused(error, runtime.monotonicMs())) return
  logger.info({ err: error }, 'the worker accepts no more jobs for now; sends slow down to its rate')
  emit({ kind: 'capacity', message: error.message })
}

/** At the end of a pass. */
export function noteCapacityOver(
  { sendState, backpressure, runtime, logger, emit }: Tick,
  { unsent }: SendPass,
): void {
  if (!sendState.capacity.endPass(unsent.length > 0, runtime.monotonicMs())) return
  backpressure.noteFullOver()
  logger.info({}, 'the worker accepts jobs again')
  emit({ kind: 'capacity-over' })
}
