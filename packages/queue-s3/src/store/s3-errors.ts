import { S3ServiceException, type _Error as DeleteError } from '@aws-sdk/client-s3'
import { SluiceError, isSluiceError, type ErrorCode } from '@sluice/core'
import { DoubtfulAnswer } from './answer-proof.js'
import { failureOf, isKeyBlocked, isKeyRefused, isRegionError, partsOf } from './s3-failures.js'

/** The request and its place, for messages. */
export interface S3Place {
  readonly bucket: string
  /** Without credentials; absent for AWS's own. */
  readonly endpoint?: string
  /** The prefix of the queue's keys. */
  readonly root: string
}

interface Known {
  readonly code: ErrorCode
  readonly what: string
}

const denied = (what: string): Known => ({ code: 'SLUICE_QUEUE_DENIED', what })
const invalid = (what: string): Known => ({ code: 'SLUICE_CONFIG_INVALID', what })
const unavailable = (what: string): Known => ({ code: 'SLUICE_QUEUE_UNAVAILABLE', what })

const EXPIRED = denied('the credentials have expired. Renew them')
const REFUSED_KEY = invalid(
  'the store refuses the name of an object, which is too long for it or has characters that it does not take. ' +
    'Choose a shorter or plainer `prefix`, queue `name` or item id',
)
const BLOCKED_KEY = invalid(
  'an object stands where the store needs a folder, or the reverse. Choose another `prefix`, or delete that object',
)
const MALFORMED = denied('the authorization header was refused. Correct `region`, or the access key')
const FULL = unavailable('the store has no room left, or the quota is used up. Make room, or raise the quota')

const KNOWN: Readonly<Record<string, Known>> = {
  NoSuchBucket: denied('there is no such bucket. Make it, or correct `bucket`, `endpoint` or `region`'),
  AccessDenied: denied(
    'permission was refused. The queue needs s3:GetObject, s3:PutObject, s3:DeleteObject on its keys and s3:ListBucket on the bucket',
  ),
  InvalidAccessKeyId: denied('the access key is unknown there. Correct the credentials'),
  SignatureDoesNotMatch: denied('the signature was refused. Correct the secret key, or the region'),
  ExpiredToken: EXPIRED,
  ExpiredTokenException: EXPIRED,
  TokenRefreshRequired: EXPIRED,
  InvalidToken: denied('the session token is not valid. Renew the credentials'),
  CredentialsProviderError: denied(
    'no credentials were found. Set `credentials`, the AWS_ variables, a profile or a role',
  ),
  PermanentRedirect: invalid('the bucket is in another region. Correct `region` or `endpoint`'),
  AuthorizationHeaderMalformed: invalid('the bucket is in another region. Correct `region`'),
  IllegalLocationConstraintException: invalid('the bucket is in another region. Correct `region`'),
  RequestTimeTooSkewed: denied(
    "this machine's clock is too far from the store's. Set it, by NTP for instance",
  ),
  NotImplemented: invalid(
    'the store does not know PUT If-None-Match, without which a queue is not safe there. Use another store',
  ),
  InvalidBucketName: invalid('no bucket can have this name. Correct `bucket`'),
  QuotaExceeded: FULL,
  XMinioAdminBucketQuotaExceeded: FULL,
  XMinioStorageFull: FULL,
  Unexplained: denied(
    'the request was refused without a reason. Check the credentials, `region` and `endpoint`',
  ),
  SlowDown: unavailable('the store keeps asking to slow down. Try later'),
}

const STATUS: Readonly<Record<number, string>> = {
  301: 'PermanentRedirect',
  400: 'Unexplained',
  405: 'Unexplained',
  403: 'AccessDenied',
  501: 'NotImplemented',
  503: 'SlowDown',
}

function knownOf(name: string, status: number | undefined, error: unknown): Known | undefined {
  if (isKeyRefused(error)) return REFUSED_KEY
  if (isKeyBlocked(error)) return BLOCKED_KEY
  // AWS names the right region. Without one the access key may be malformed instead.
  if (name === 'AuthorizationHeaderMalformed' && regionText(error) === '') return MALFORMED
  const byStatus = name.startsWith('Unknown') || status === 403 ? STATUS[status ?? 0] : undefined
  return KNOWN[name] ?? KNOWN[byStatus ?? '']
}

/**
 * Converts an error of the SDK or of the network. The message names the object; it holds neither its content
 * nor credentials.
 */
export function s3Error(error: unknown, what: string, place: S3Place): SluiceError {
  if (isSluiceError(error)) return error
  const { name, status } = partsOf(error)
  const known = knownOf(name, status, error)
  const head = `Cannot ${what} in ${placeText(place)}`
  if (known !== undefined) {
    const said = `${head}: ${known.what}${regionText(error)} (${name}${status ? `, ${status}` : ''})`
    return new SluiceError(known.code, said, { cause: error })
  }
  if (error instanceof Error && isRegionError(error)) {
    const said = `${head}: there is no usable region (${error.message}). Set \`region\` or AWS_REGION, such as eu-central-1`
    return new SluiceError('SLUICE_CONFIG_INVALID', said, { cause: error })
  }
  if (failureOf(error) === 'fatal' && status !== undefined) {
    return new SluiceError(
      'SLUICE_QUEUE_CORRUPT',
      `${head}: the store answered ${status} ${name}. Is it an S3 store, and \`endpoint\` right?`,
      {
        cause: error,
      },
    )
  }
  const text = error instanceof DoubtfulAnswer ? doubtText(error) : outageText(name, status)
  return new SluiceError('SLUICE_QUEUE_UNAVAILABLE', `${head}: ${text}`, { cause: error })
}

/**
 * While a queue is opened, a missing bucket is a wrong setting. Later it is a bucket that was removed and may
 * come back, as permissions may.
 */
export function openingError(error: unknown): unknown {
  if (!isSluiceError(error) || !(error.cause instanceof S3ServiceException)) return error
  if (error.cause.name !== 'NoSuchBucket') return error
  return new SluiceError('SLUICE_CONFIG_INVALID', error.message, { cause: error.cause })
}

function doubtText({ message }: DoubtfulAnswer): string {
  return `its answer can't be the store's: ${message}. Is there a proxy or gateway that answers in its place? Check \`endpoint\`, or try later`
}

function outageText(name: string, status: number | undefined): string {
  if (name === 'EPROTO' || name.startsWith('ERR_SSL'))
    return `it does not speak TLS (${name}). Is \`endpoint\` http:// rather than https://?`
  if (name === 'AbortError' || name === 'TimeoutError')
    return 'no answer came in time. Is the network slow, or `endpoint` wrong? Give a longer `timeoutMs`, or try later'
  if (name === 'ENOTFOUND') return 'no host of that name is known (ENOTFOUND). Check `endpoint`, or `region`'
  const said = status === undefined ? `it could not be reached (${name})` : `it answered ${status} ${name}`
  return `${said}. Check \`endpoint\` and the network, or try later`
}

/** AWS names the right region. */
function regionText(error: unknown): string {
  if (!(error instanceof Error) || !('Region' in error) || typeof error.Region !== 'string') return ''
  return /^[a-z0-9-]{1,40}$/.test(error.Region) ? ` to ${error.Region}` : ''
}

/** SLUICE_QUEUE_CLOSED, for a call that was under way. */
export function closedMeanwhile(what: string, place: S3Place): SluiceError {
  return new SluiceError(
    'SLUICE_QUEUE_CLOSED',
    `Cannot ${what} in ${placeText(place)}: the queue was closed meanwhile. Open it again to go on`,
  )
}

/** A bucket that answers HEAD or GET of a missing key with 403. */
export function missingListPermission(place: S3Place, cause: unknown): SluiceError {
  return new SluiceError(
    'SLUICE_QUEUE_DENIED',
    `Cannot open a queue in ${placeText(place)}: a missing key is answered 403, so s3:ListBucket is not permitted on the bucket. Permit it`,
    { cause },
  )
}

/** SLUICE_CONFIG_INVALID for a store on which a queue is not safe: what was seen, and what to do about it. */
export function storeLies(
  place: S3Place,
  { seen, advice }: { readonly seen: string; readonly advice: string },
): SluiceError {
  return new SluiceError(
    'SLUICE_CONFIG_INVALID',
    `Cannot keep a queue in ${placeText(place)}: ${seen}. ${advice}`,
  )
}

/** SLUICE_QUEUE_UNAVAILABLE for keys that an answered DELETE refuses. */
export function keysRefused(place: S3Place, refused: readonly DeleteError[]): SluiceError {
  const [first] = refused
  const others = refused.length > 1 ? ` and ${refused.length - 1} more` : ''
  return new SluiceError(
    'SLUICE_QUEUE_UNAVAILABLE',
    `Cannot delete the object ${JSON.stringify(first?.Key)}${others} in ${placeText(place)}: the store answers ${first?.Code ?? 'an error'}. ` +
      'Is it locked or retained? Nothing depends on its deletion: the next move or `sweep` tries again',
  )
}

/** SLUICE_QUEUE_CORRUPT for an object that is missing, or contradicts the others of its item. */
export function outOfStep(place: S3Place, key: string): SluiceError {
  return new SluiceError(
    'SLUICE_QUEUE_CORRUPT',
    `Cannot go on in ${placeText(place)}: the object ${JSON.stringify(key)} is missing, or not as the other objects of its item say. ` +
      'Was it deleted or changed manually? Restore it, or remove the item and put it again; the other items are not affected',
  )
}

/** SLUICE_QUEUE_UNAVAILABLE for a change that other processes always made first. */
export function contended(place: S3Place, prefix: string): SluiceError {
  return new SluiceError(
    'SLUICE_QUEUE_UNAVAILABLE',
    `Cannot change ${JSON.stringify(prefix)} in ${placeText(place)}: other processes change it faster than it can be read. Try later`,
  )
}

/** SLUICE_QUEUE_UNAVAILABLE for a listing of which no name could be claimed. */
export function claimsLost(place: S3Place, prefix: string): SluiceError {
  return new SluiceError(
    'SLUICE_QUEUE_UNAVAILABLE',
    `Cannot claim an item under ${JSON.stringify(prefix)} in ${placeText(place)}: one after the other, the attempts that are listed there were ` +
      'claimed by other processes or are over. Is the listing of the store late? Try later',
  )
}

/** SLUICE_QUEUE_CORRUPT for a listing that makes no progress. */
export function listStandsStill(place: S3Place, prefix: string): SluiceError {
  return new SluiceError(
    'SLUICE_QUEUE_CORRUPT',
    `Cannot list ${JSON.stringify(prefix)} in ${placeText(place)}: a page of the listing says that there is more and is no further than the ` +
      'one before. Is it an S3 store that honours `start-after`?',
  )
}

/** Bucket, prefix and endpoint, for messages. */
export function placeText({ bucket, endpoint, root }: S3Place): string {
  return `bucket ${JSON.stringify(bucket)}, prefix ${JSON.stringify(root)}${endpoint ? ` at ${endpoint}` : ''}`
}
