/** The operations of the S3 API that a request can name. `Unknown` is answered 501. */
export const s3Operations = [
  'ListBuckets',
  'CreateBucket',
  'HeadBucket',
  'DeleteBucket',
  'GetBucketVersioning',
  'PutBucketVersioning',
  'PutObject',
  'CopyObject',
  'GetObject',
  'HeadObject',
  'DeleteObject',
  'DeleteObjects',
  'ListObjectsV2',
  'Unknown',
] as const

/** One of them. */
export type S3Operation = (typeof s3Operations)[number]

const ON_BUCKET: Readonly<Record<string, S3Operation>> = {
  PUT: 'CreateBucket',
  HEAD: 'HeadBucket',
  DELETE: 'DeleteBucket',
}

const ON_VERSIONING: Readonly<Record<string, S3Operation>> = {
  GET: 'GetBucketVersioning',
  PUT: 'PutBucketVersioning',
}

const ON_OBJECT: Readonly<Record<string, S3Operation>> = {
  PUT: 'PutObject',
  GET: 'GetObject',
  HEAD: 'HeadObject',
  DELETE: 'DeleteObject',
}

/** Parameters that turn an object request into another one: answered 501 rather than misread. */
const SUBRESOURCES = [
  'acl',
  'tagging',
  'uploads',
  'uploadId',
  'partNumber',
  'versionId',
  'retention',
  'legal-hold',
]

/** Which operation a request is. */
export function operationOf(request: {
  readonly method: string
  readonly bucket: string
  readonly key: string
  readonly query: URLSearchParams
  readonly copies: boolean
}): S3Operation {
  const { method, bucket, key, query } = request
  if (SUBRESOURCES.some((name) => query.has(name))) return 'Unknown'
  if (bucket === '') return method === 'GET' ? 'ListBuckets' : 'Unknown'
  if (key !== '') return method === 'PUT' && request.copies ? 'CopyObject' : (ON_OBJECT[method] ?? 'Unknown')
  if (query.has('versioning')) return ON_VERSIONING[method] ?? 'Unknown'
  if (method === 'GET') return query.get('list-type') === '2' ? 'ListObjectsV2' : 'Unknown'
  if (method === 'POST') return query.has('delete') ? 'DeleteObjects' : 'Unknown'
  return ON_BUCKET[method] ?? 'Unknown'
}
