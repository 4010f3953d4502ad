import { S3ServiceException } from '@aws-sdk/client-s3'

/** How to continue after an error of the SDK or of the network. */
export type S3Failure = 'retry' | 'slow-down' | 'absent' | 'exists' | 'fatal'

const RETRIED = new Set([
  'ConditionalRequestConflict',
  'InternalError',
  'OperationAborted',
  'RequestTimeout',
  'RequestTimeTooSkewed',
])
/**
 * The key is refused: for its length, its characters, or an object in its way. Some of these are 409, which
 * means "retry" elsewhere.
 */
const KEY_REFUSED = new Set([
  'InvalidObjectName',
  'InvalidURI',
  'KeyTooLong',
  'KeyTooLongError',
  'XMinioInvalidObjectName',
])
const KEY_BLOCKED = new Set([
  'DirectoryObjectContainsData',
  'ExistingObjectIsDirectory',
  'ObjectParentIsFile',
  'XMinioObjectExistsAsDirectory',
  'XMinioParentIsObject',
])
const SLOW = new Set([
  'SlowDown',
  'ServiceUnavailable',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
])

/**
 * Classifies an error of the SDK. An error that doesn't come from the service (refused, reset, timed out,
 * DNS) says nothing about whether the request took effect: `retry`.
 */
export function failureOf(error: unknown): S3Failure {
  if (!(error instanceof S3ServiceException)) return isNetworkError(error) ? 'retry' : 'fatal'
  const status = error.$metadata.httpStatusCode ?? 0
  if (isKeyRefused(error) || isKeyBlocked(error)) return 'fatal'
  if (SLOW.has(error.name) || status === 503 || status === 429) return 'slow-down'
  if (RETRIED.has(error.name) || status === 409 || (status >= 500 && status !== 501)) return 'retry'
  if (status === 412 || error.name === 'PreconditionFailed') return 'exists'
  if (error.name === 'NoSuchKey' || (status === 404 && error.name !== 'NoSuchBucket')) return 'absent'
  return 'fatal'
}

/** The connection was closed under a request: the next one gets another connection. */
export function isConnectionLost(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
}

/** A refusal for lack of permission, not for the credentials, which is 403 too. */
export function isAccessDenied(error: unknown): boolean {
  return error instanceof S3ServiceException && error.name === 'AccessDenied'
}

/** Its name, or the code of a system error, and the HTTP status. */
export function partsOf(error: unknown): { name: string; status?: number } {
  if (!(error instanceof Error)) return { name: 'unknown error' }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  if (!(error instanceof S3ServiceException)) return { name: code ?? error.name }
  const status = error.$metadata.httpStatusCode
  return status === undefined ? { name: error.name } : { name: error.name, status }
}

/** An unknown host is most likely misspelt: retries for `timeoutMs` would only make the caller wait. */
function isNetworkError(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof TypeError || isRegionError(error)) return false
  return error.name !== 'CredentialsProviderError' && partsOf(error).name !== 'ENOTFOUND'
}

/**
 * The SDK has no region, or an invalid one. It is a plain error: only its message tells it from the
 * network's.
 */
export function isRegionError(error: unknown): boolean {
  return error instanceof Error && !(error instanceof S3ServiceException) && /^Region\b/u.test(error.message)
}

/** A refusal of the key itself: no object can ever have it there. */
export function isKeyRefused(error: unknown): boolean {
  return error instanceof S3ServiceException && KEY_REFUSED.has(error.name)
}

/** A refusal of the key for an object that stands in its way. */
export function isKeyBlocked(error: unknown): boolean {
  return error instanceof S3ServiceException && KEY_BLOCKED.has(error.name)
}
