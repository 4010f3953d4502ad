import { emptyAnswer, errorAnswer, type S3Answer } from '../server/answer.js'
import { readRefusal } from './conditions.js'
import type { StoredObject } from '../store/object-store.js'
import { conditionsOf, inBucket, keyRefusal, noSuchKey, type OperationContext } from './operation-context.js'
import { checksumHeaders, versionHeaders } from './write-operations.js'

/** GetObject and HeadObject: the same answer; the wire leaves out the body of a HEAD. */
export function readObject(context: OperationContext): S3Answer {
  return inBucket(context, (bucket) => {
    const refusedKey = keyRefusal(context)
    if (refusedKey !== undefined) return refusedKey
    const object = bucket.get(context.request.key)
    if (object === undefined) return noSuchKey(context)
    const headers = {
      ...headersOf(object, context.request.headers['x-amz-checksum-mode'] === 'ENABLED'),
      ...versionHeaders(context, bucket, object.versionId),
    }
    const refused = readRefusal(conditionsOf(context.request), object, emptyAnswer(304, headers))
    return refused ?? ranged(context.request.headers['range'], object, headers)
  })
}

function headersOf(object: StoredObject, withChecksums: boolean): Record<string, string> {
  return {
    ...object.headers,
    etag: `"${object.etag}"`,
    'last-modified': new Date(object.lastModifiedAt).toUTCString(),
    'accept-ranges': 'bytes',
    ...(withChecksums ? checksumHeaders(object) : {}),
  }
}

function ranged(range: string | undefined, object: StoredObject, headers: Record<string, string>): S3Answer {
  const { body } = object
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(range ?? '') ?? []
  // No range, or one that can't be read: the whole object.
  if (first === undefined || last === undefined || first + last === '') return { status: 200, headers, body }
  const from = first === '' ? Math.max(0, body.length - Number(last)) : Number(first)
  const to = first === '' || last === '' ? body.length - 1 : Math.min(Number(last), body.length - 1)
  if (from > to) {
    return errorAnswer('InvalidRange', { fields: { ActualObjectSize: String(body.length) } })
  }
  // A checksum of the whole does not apply to a part: AWS omits it.
  const kept = Object.entries(headers).filter(([name]) => !name.startsWith('x-amz-checksum-'))
  return {
    status: 206,
    headers: { ...Object.fromEntries(kept), 'content-range': `bytes ${from}-${to}/${body.length}` },
    body: body.subarray(from, to + 1),
  }
}
