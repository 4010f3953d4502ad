import { SluiceError } from '@sluice/core'
import { callText, type CallWatch, type OpenCall } from './call-watch.js'

/** A tick that was given up, since a call of it never ended. */
export interface Stall {
  readonly stuck: OpenCall
  /** Of the engine that was given up: idle once all of its calls have ended. */
  readonly calls: CallWatch
  /** This engine does nothing before, so that another can take over. */
  readonly untilMonotonic: number
  readonly error: SluiceError
}

/** The error of all calls of a stalled tick: no item's trouble, and none that ends the program yet. */
export function stalledError({ call, forMs }: OpenCall): SluiceError {
  const what = `${callText(call)} has not ended for ${seconds(forMs)} s`
  const message = `${what}: it is given up, and the lease with it, so that another process can go on`
  return call.of === 'queue'
    ? new SluiceError('SLUICE_QUEUE_UNAVAILABLE', message)
    : new SluiceError('SLUICE_WORKER_UNAVAILABLE', message, { concerns: 'worker' })
}

/** The error of all calls of a tick that a stop has cut off. */
export function lateError(late: OpenCall | undefined): SluiceError {
  const of = late?.call.of ?? 'worker'
  const what = late === undefined ? 'a tick' : callText(late.call)
  const code = of === 'queue' ? 'SLUICE_QUEUE_UNAVAILABLE' : 'SLUICE_WORKER_UNAVAILABLE'
  return new SluiceError(code, `${what} did not end before the deadline of the stop: it is given up`)
}

/** The error that ends the run: the call still hangs, and with it all that it holds. */
export function hangingError({ stuck: { call, forMs } }: Stall, waitedMs: number): SluiceError {
  const code = call.of === 'queue' ? 'SLUICE_QUEUE_UNAVAILABLE' : 'SLUICE_WORKER_UNAVAILABLE'
  const what = `${callText(call)} has not ended for ${seconds(forMs + waitedMs)} s, though it was given up`
  return new SluiceError(code, `${what}: end this process and start it again; nothing is lost by it`, {
    retryable: false,
  })
}

function seconds(ms: number): number {
  return Math.round(ms / 1_000)
}
