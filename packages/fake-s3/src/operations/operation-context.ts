import { errorAnswer, type S3Answer } from '../server/answer.js'
import type { Conditions } from './conditions.js'
import type { Bucket, ObjectStore } from '../store/object-store.js'
import type { S3Request } from '../server/request.js'
import type { S3Rules } from '../rules.js'

/** What an operation works on. */
export interface OperationContext {
  readonly request: S3Request
  readonly store: ObjectStore
  readonly rules: S3Rules
  readonly region: string
  /** The number of the last change when the request arrived. */
  readonly seenChange: number
  /** How many changes the listing lags behind. */
  readonly listLag: number
  /** Without it a missing object is answered 403: the store does not disclose that it is missing. */
  readonly mayList: boolean
  /** A PUT's conditions as judged before; only for stores that check first and write later. */
  readonly judgedBefore?: { readonly refusal: S3Answer | undefined }
}

/** Acts on the request's bucket, or answers that there is none. */
export function inBucket(context: OperationContext, action: (bucket: Bucket) => S3Answer): S3Answer {
  const bucket = context.store.buckets.get(context.request.bucket)
  return bucket === undefined ? noSuchBucket(context.request.bucket) : action(bucket)
}

/** There is no such bucket. */
export function noSuchBucket(name: string): S3Answer {
  return errorAnswer('NoSuchBucket', { fields: { BucketName: name } })
}

/** The refusal of a key that the store could never hold. A HEAD's has no body that would say so. */
export function keyRefusal({ request: { key }, rules }: OperationContext): S3Answer | undefined {
  const bytes = Buffer.byteLength(key)
  const longest = Math.max(...key.split('/').map((segment) => Buffer.byteLength(segment)))
  if (bytes <= rules.maxKeyBytes && longest <= rules.maxSegmentBytes) return undefined
  return errorAnswer('KeyTooLongError', {
    fields: { Size: String(bytes), MaxSizeAllowed: String(rules.maxKeyBytes) },
  })
}

/** No such key, or 403 where the caller may not list. */
export function noSuchKey(context: OperationContext, key = context.request.key): S3Answer {
  return context.mayList ? errorAnswer('NoSuchKey', { fields: { Key: key } }) : errorAnswer('AccessDenied')
}

/** The conditions in the headers of a request; with a prefix, those of a copy's source. */
export function conditionsOf(request: S3Request, prefix = ''): Conditions {
  return {
    ifMatch: request.headers[`${prefix}if-match`],
    ifNoneMatch: request.headers[`${prefix}if-none-match`],
  }
}
