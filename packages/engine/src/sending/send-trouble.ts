import { isSluiceError, type TroubleConcerns } from '@sluice/core'

/**
 * Whose trouble a failed send is. `rejected`: the item fails at once · `item`, `unknown`: the item's, unless
 * others fail too · `worker`: an outage · `capacity`: the worker is full · `fatal`: this program can't go on.
 */
export type SendTrouble = TroubleConcerns | 'rejected' | 'unknown' | 'fatal'

/**
 * Attributes the error of a send [W-SEND-2]. A table:
 *
 * | error | concerns | trouble |
 * |---|---|---|
 * | SLUICE_JOB_REJECTED | | rejected |
 * | SLUICE_WORKER_CLOSED, SLUICE_QUEUE_… | | fatal |
 * | any other SluiceError | item, worker, capacity | as it says |
 * | SLUICE_WORKER_DENIED | absent | worker |
 * | any other SluiceError | absent | unknown |
 * | anything else | | unknown |
 */
export function sendTrouble(error: unknown): SendTrouble {
  if (!isSluiceError(error)) return 'unknown'
  if (error.code === 'SLUICE_JOB_REJECTED') return 'rejected'
  if (error.code === 'SLUICE_WORKER_CLOSED' || error.code.startsWith('SLUICE_QUEUE_')) return 'fatal'
  if (error.concerns !== undefined) return error.concerns
  return error.code === 'SLUICE_WORKER_DENIED' ? 'worker' : 'unknown'
}
