import { emptyAnswer, errorAnswer, xmlAnswer, type S3Answer } from '../server/answer.js'
import { inBucket, type OperationContext } from './operation-context.js'
import { element, textOf } from '../server/xml.js'

const BUCKET_NAME = /^(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]$/

export function createBucket({ request, store, rules, region }: OperationContext): S3Answer {
  if (!BUCKET_NAME.test(request.bucket)) return errorAnswer('InvalidBucketName')
  const exists = store.buckets.has(request.bucket)
  // The oldest region answers its owner 200, all others 409.
  if (exists && region !== 'us-east-1') return errorAnswer('BucketAlreadyOwnedByYou')
  if (!exists) store.createBucket(request.bucket, rules.listOrder)
  return emptyAnswer(200, { location: `/${request.bucket}` })
}

export function headBucket(context: OperationContext): S3Answer {
  return inBucket(context, () => emptyAnswer(200, { 'x-amz-bucket-region': context.region }))
}

export function deleteBucket(context: OperationContext): S3Answer {
  return inBucket(context, (bucket) => {
    if (bucket.size > 0) return errorAnswer('BucketNotEmpty')
    context.store.buckets.delete(context.request.bucket)
    return emptyAnswer(204)
  })
}

export function getBucketVersioning(context: OperationContext): S3Answer {
  return inBucket(context, ({ versioning }) =>
    xmlAnswer('VersioningConfiguration', versioning === undefined ? '' : element('Status', versioning)),
  )
}

export function putBucketVersioning(context: OperationContext): S3Answer {
  return inBucket(context, (bucket) => {
    const status = textOf(context.request.body.toString('utf8'), 'Status')
    if (status !== 'Enabled' && status !== 'Suspended') return errorAnswer('MalformedXML')
    bucket.versioning = status
    return emptyAnswer(200)
  })
}

export function listBuckets({ store }: OperationContext): S3Answer {
  const names = [...store.buckets.keys()].toSorted()
  const entries = names.map((name) => {
    const createdAt = new Date(store.buckets.get(name)?.createdAt ?? 0).toISOString()
    return `<Bucket>${element('Name', name)}${element('CreationDate', createdAt)}</Bucket>`
  })
  const owner = `<Owner>${element('ID', 'owner')}</Owner>`
  return xmlAnswer('ListAllMyBucketsResult', `${owner}<Buckets>${entries.join('')}</Buckets>`)
}
