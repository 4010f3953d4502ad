import { SluiceError, type ErrorCode } from '@sluice/core'
import type { Trouble } from './verdict.js'

const CODES = {
  absent: 'SLUICE_WORKER_UNAVAILABLE',
  unknown: 'SLUICE_WORKER_UNAVAILABLE',
  unavailable: 'SLUICE_WORKER_UNAVAILABLE',
  misdirected: 'SLUICE_WORKER_UNAVAILABLE',
  'namespace-missing': 'SLUICE_WORKER_UNAVAILABLE',
  refused: 'SLUICE_WORKER_UNAVAILABLE',
  rejected: 'SLUICE_JOB_REJECTED',
  denied: 'SLUICE_WORKER_DENIED',
} as const satisfies Record<Trouble['kind'], ErrorCode>

const ADVICE = {
  absent: '',
  unknown: ' It can be tried again.',
  unavailable: ' It can be tried again.',
  misdirected: ' That is no Argo Server: check baseUrl, and the path that a proxy serves it under.',
  'namespace-missing':
    ' Correct `namespace` (`worker.namespace`), or create it; the work goes on by itself once it is there.',
  refused: ' It can be tried again.',
  rejected: '',
  denied:
    ' Check the token and the permissions of its account; the work goes on by itself once they are right.',
} as const satisfies Record<Trouble['kind'], string>

/**
 * Argo's answer as an error of ours: the one place where its answers become errors.
 *
 * @param doing what was attempted, on what, as in `submit workflow x`
 */
export function argoFailure(trouble: Trouble, doing: string, itemId?: string): SluiceError {
  const { kind, why, concerns, retryAfterMs } = trouble
  return new SluiceError(CODES[kind], `Argo could not ${doing}: ${ended(why)}${ADVICE[kind]}`, {
    ...(itemId === undefined ? {} : { itemId }),
    ...(concerns === undefined ? {} : { concerns }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

function ended(text: string): string {
  return /[.!?]$/u.test(text) ? text : `${text}.`
}
