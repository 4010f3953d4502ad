import { SluiceError } from '@sluice/core'
import { expect, test } from 'vitest'
import { sendTrouble } from '../../src/sending/send-trouble.js'

const unavailable = 'SLUICE_WORKER_UNAVAILABLE'
const denied = 'SLUICE_WORKER_DENIED'

test.each([
  [new SluiceError('SLUICE_JOB_REJECTED', ''), 'rejected'],
  [new SluiceError('SLUICE_JOB_REJECTED', '', { concerns: 'worker' }), 'rejected'],
  [new SluiceError('SLUICE_WORKER_CLOSED', ''), 'fatal'],
  [new SluiceError('SLUICE_QUEUE_UNAVAILABLE', ''), 'fatal'],
  [new SluiceError(unavailable, '', { concerns: 'item' }), 'item'],
  [new SluiceError(unavailable, '', { concerns: 'worker' }), 'worker'],
  [new SluiceError(unavailable, '', { concerns: 'capacity' }), 'capacity'],
  [new SluiceError(unavailable, ''), 'unknown'],
  [new SluiceError(unavailable, '', { retryAfterMs: 1_000 }), 'unknown'],
  [new SluiceError(denied, '', { concerns: 'item' }), 'item'],
  [new SluiceError(denied, ''), 'worker'],
  [new SluiceError('SLUICE_CONFIG_INVALID', ''), 'unknown'],
  [new RangeError('odd'), 'unknown'],
  ['not an error', 'unknown'],
] as const)('%o is trouble of kind %s', (error, kind) => {
  expect(sendTrouble(error)).toBe(kind)
})
