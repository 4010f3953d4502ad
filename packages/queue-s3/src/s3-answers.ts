import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import type { StoredObject } from './storage-op.js'

/** What a GET or HEAD found, as the protocol wants it. */
export function storedObject(
  { Metadata: meta = {}, LastModified }: Pick<HeadObjectCommandOutput, 'Metadata' | 'LastModified'>,
  content: string,
  sizeBytes: number,
): StoredObject {
  const object = { content, sizeBytes, meta }
  return LastModified === undefined ? object : { ...object, modifiedAt: LastModified.getTime() }
}

/** The store's time in an answer of any kind, epoch ms. */
export function dateOf(response: unknown): number | undefined {
  if (typeof response !== 'object' || response === null || !('headers' in response)) return undefined
  const { headers } = response
  if (typeof headers !== 'object' || headers === null || !('date' in headers)) return undefined
  const date = typeof headers.date === 'string' ? Date.parse(headers.date) : Number.NaN
  return Number.isNaN(date) ? undefined : date
}
