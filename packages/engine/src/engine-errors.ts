import { SluiceError, isSluiceError } from '@sluice/core'
import { sendTrouble } from './sending/send-trouble.js'

/** Whether the other side can't be used now, and may be later: no item fails for it. */
export function isOutage(error: unknown): error is SluiceError {
  return isSluiceError(error) && (error.retryable || error.code === 'SLUICE_WORKER_DENIED')
}

/** The side of an outage. */
export function sideOf(error: SluiceError): 'queue' | 'worker' {
  return isQueueError(error) ? 'queue' : 'worker'
}

function isQueueError(error: unknown): boolean {
  return isSluiceError(error) && error.code.startsWith('SLUICE_QUEUE_')
}

/** An undocumented error of a worker, as an outage. */
export function oddWorkerError(call: string, error: unknown): SluiceError {
  const name = error instanceof Error ? error.name : typeof error
  const attempted = `${call} of the worker failed with ${name}, which is none of its documented errors`
  return new SluiceError('SLUICE_WORKER_UNAVAILABLE', `${attempted}: see its cause; it is tried again`, {
    cause: error,
  })
}

/** Calls a worker; every error is then an outage, or fatal. */
export async function callWorker<T>(call: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (isOutage(error) || sendTrouble(error) === 'fatal') throw error
    throw oddWorkerError(call, error)
  }
}
