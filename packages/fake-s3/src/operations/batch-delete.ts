import { errorAnswer, xmlAnswer, type S3Answer } from '../server/answer.js'
import { checksumsOf } from '../server/body.js'
import { deleteRefusal } from './conditions.js'
import type { Bucket } from '../store/object-store.js'
import { inBucket, type OperationContext } from './operation-context.js'
import { contentsOf, element, textOf } from '../server/xml.js'

interface KeyToDelete {
  readonly key: string
  readonly etag: string | undefined
}

/** DeleteObjects: each key separately; a missing one counts as deleted. */
export function deleteObjects(context: OperationContext): S3Answer {
  return inBucket(context, (bucket) => {
    const { request, rules } = context
    if (
      request.headers['content-md5'] === undefined &&
      Object.keys(checksumsOf(request.headers)).length === 0
    ) {
      return errorAnswer('InvalidRequest', {
        message: 'Missing required header for this request: Content-MD5',
      })
    }
    const text = request.body.toString('utf8')
    const keys = keysOf(text)
    if (keys === undefined || keys.length > rules.maxBatchDelete) return errorAnswer('MalformedXML')
    const quiet = textOf(text, 'Quiet') === 'true'
    const entries = keys.map((one) => deleteOne(context, bucket, one))
    const shown = quiet ? entries.filter((entry) => entry.startsWith('<Error>')) : entries
    return xmlAnswer('DeleteResult', shown.join(''))
  })
}

function deleteOne({ rules, store }: OperationContext, bucket: Bucket, { key, etag }: KeyToDelete): string {
  if (Buffer.byteLength(key) > rules.maxKeyBytes) return entryOfError(key, errorAnswer('KeyTooLongError'))
  const refused = rules.batchDeleteETag === 'ignored' ? undefined : deleteRefusal(etag, bucket.get(key))
  if (refused !== undefined) return entryOfError(key, refused)
  store.delete(bucket, key)
  return `<Deleted>${element('Key', key)}</Deleted>`
}

function entryOfError(key: string, { code = '' }: S3Answer): string {
  return `<Error>${element('Key', key)}${element('Code', code)}${element('Message', code)}</Error>`
}

/** The keys asked for, or `undefined` when the document isn't one of this kind. */
function keysOf(text: string): KeyToDelete[] | undefined {
  const keys: KeyToDelete[] = []
  for (const content of contentsOf(text, 'Object')) {
    const key = textOf(content, 'Key')
    if (key === undefined || key === '') return undefined
    keys.push({ key, etag: textOf(content, 'ETag') })
  }
  return keys.length === 0 ? undefined : keys
}
