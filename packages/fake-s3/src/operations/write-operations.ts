import { emptyAnswer, errorAnswer, xmlAnswer, type S3Answer } from '../server/answer.js'
import { checksumsOf, digest } from '../server/body.js'
import { deleteRefusal, failed, putRefusal, readRefusal } from './conditions.js'
import type { Bucket, NewObject, StoredObject } from '../store/object-store.js'
import {
  conditionsOf,
  inBucket,
  keyRefusal,
  noSuchBucket,
  noSuchKey,
  type OperationContext,
} from './operation-context.js'
import { decoded } from '../server/request.js'
import { element } from '../server/xml.js'

const KEPT_HEADER =
  /^(?:content-type|content-encoding|content-disposition|content-language|cache-control|expires|x-amz-meta-.*)$/
const MAX_METADATA_BYTES = 2_048
/** Conditions that only directory buckets know. */
const DIRECTORY_CONDITIONS = ['x-amz-if-match-size', 'x-amz-if-match-last-modified-time']

export function putObject(context: OperationContext): S3Answer {
  return inBucket(context, (bucket) => {
    const { request } = context
    const refused = keyRefusal(context) ?? metadataRefusal(request.headers) ?? targetRefusal(context, bucket)
    if (refused !== undefined) return refused
    const stored = context.store.put(bucket, request.key, objectOf(request.headers, request.body))
    const version = versionHeaders(context, bucket, stored.versionId)
    return emptyAnswer(200, { etag: `"${stored.etag}"`, ...checksumHeaders(stored), ...version })
  })
}

export function copyObject(context: OperationContext): S3Answer {
  return inBucket(context, (bucket) => {
    const source = sourceOf(context)
    if (!('object' in source)) return source
    const { object } = source
    const unchanged = failed('x-amz-copy-source-If-None-Match')
    const refused =
      keyRefusal(context) ??
      readRefusal(conditionsOf(context.request, 'x-amz-copy-source-'), object, unchanged) ??
      (context.rules.copyConditions === 'ignored' ? undefined : targetRefusal(context, bucket))
    if (refused !== undefined) return refused
    return copied(context, bucket, object)
  })
}

function copied(context: OperationContext, bucket: Bucket, source: StoredObject): S3Answer {
  const { headers, key } = context.request
  const replaces = headers['x-amz-metadata-directive'] === 'REPLACE'
  if (!replaces && bucket.get(key) === source) {
    return errorAnswer('InvalidRequest', {
      message:
        'This copy request is illegal because it is trying to copy an object to itself without changes.',
    })
  }
  const kept = replaces ? objectOf(headers, source.body).headers : source.headers
  const stored = context.store.put(bucket, key, { ...source, headers: kept })
  const at = element('LastModified', new Date(stored.lastModifiedAt).toISOString())
  return xmlAnswer('CopyObjectResult', at + element('ETag', `"${stored.etag}"`))
}

function sourceOf(context: OperationContext): { readonly object: StoredObject } | S3Answer {
  const source = decoded(context.request.headers['x-amz-copy-source'] ?? '').replace(/^\//, '')
  const slash = source.indexOf('/')
  if (slash < 0) return errorAnswer('InvalidArgument', { message: 'Invalid copy source object key' })
  const bucket = context.store.buckets.get(source.slice(0, slash))
  if (bucket === undefined) return noSuchBucket(source.slice(0, slash))
  const object = bucket.get(source.slice(slash + 1))
  return object === undefined ? noSuchKey(context, source.slice(slash + 1)) : { object }
}

export function deleteObject(context: OperationContext): S3Answer {
  return inBucket(context, (bucket) => {
    const { request, rules, store } = context
    const odd = DIRECTORY_CONDITIONS.find((name) => request.headers[name] !== undefined)
    if (rules.deleteIfMatch === 'honoured') {
      if (odd !== undefined) return errorAnswer('NotImplemented', { fields: { Header: odd } })
      const refused = deleteRefusal(request.headers['if-match'], bucket.get(request.key))
      if (refused !== undefined) return refused
    }
    store.delete(bucket, request.key)
    if (bucket.versioning === undefined) return emptyAnswer(204)
    const version = versionHeaders(context, bucket, store.newVersionId(bucket))
    return emptyAnswer(204, { ...version, 'x-amz-delete-marker': 'true' })
  })
}

/** The refusal of a PUT by its conditions, as the store stands now. */
export function targetRefusal(context: OperationContext, bucket: Bucket): S3Answer | undefined {
  if (context.judgedBefore !== undefined) return context.judgedBefore.refusal
  const { request, rules, seenChange } = context
  const current = bucket.get(request.key)
  const versioned = bucket.versioning === 'Enabled'
  return putRefusal({ conditions: conditionsOf(request), current, seenChange, versioned }, rules)
}

function metadataRefusal(headers: Readonly<Record<string, string>>): S3Answer | undefined {
  let bytes = 0
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('x-amz-meta-')) bytes += name.length - 'x-amz-meta-'.length + Buffer.byteLength(value)
  }
  return bytes > MAX_METADATA_BYTES ? errorAnswer('MetadataTooLarge') : undefined
}

/** The object that a PUT of these headers and this body makes. */
export function objectOf(headers: Readonly<Record<string, string>>, body: Buffer): NewObject {
  const kept = Object.entries(headers).filter(([name]) => KEPT_HEADER.test(name))
  return {
    body,
    etag: digest('md5', body, 'hex'),
    headers: { 'content-type': 'binary/octet-stream', ...Object.fromEntries(kept) },
    checksums: checksumsOf(headers),
  }
}

/** The id of a version, in a bucket whose versioning was ever enabled. */
export function versionHeaders(
  { rules }: Pick<OperationContext, 'rules'>,
  { versioning }: Bucket,
  versionId: string | undefined,
): Record<string, string> {
  if (versioning === undefined) return {}
  if (versionId !== undefined) return { 'x-amz-version-id': versionId }
  return rules.nullVersionId === 'told' ? { 'x-amz-version-id': 'null' } : {}
}

/** An object's checksums as headers. */
export function checksumHeaders({ checksums }: StoredObject): Record<string, string> {
  return Object.keys(checksums).length === 0 ? {} : { ...checksums, 'x-amz-checksum-type': 'FULL_OBJECT' }
}
