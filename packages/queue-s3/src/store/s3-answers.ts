import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import type { StoredObject } from './storage-op.js'

/** An object as the protocol reads it from a GET or HEAD. */
export function storedObject(
  { Metadata: meta = {}, LastModified }: Pick<HeadObjectCommandOutput, 'Metadata' | 'LastModified'>,
  content: string,
  sizeBytes: number,
): StoredObject {
  const object = { content, sizeBytes, meta }
  return LastModified === undefined ? object : { ...object, modifiedAt: LastModified.getTime() }
}

/** As HTTP defines it: `Date.parse` accepts much else. */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/u
/** The version that an answer names, as a part of the reply. `null` is that of an object without versions. */
export function versionOf({ VersionId }: { readonly VersionId?: string | undefined }): {
  versionId?: string
} {
  return VersionId === undefined || VersionId === '' || VersionId === 'null' ? {} : { versionId: VersionId }
}

/** The store's time in an answer of any kind, epoch ms. */
export function dateOf(response: unknown): number | undefined {
  const text = headerOf(response, 'date') ?? ''
  const date = HTTP_DATE.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? undefined : date
}

/** The declared length of an answer; 0 where there is none. */
export function sizeOf(response: unknown): number {
  const size = Number(headerOf(response, 'content-length'))
  return Number.isSafeInteger(size) && size > 0 ? size : 0
}

function headerOf(response: unknown, name: 'date' | 'content-length'): string | undefined {
  if (typeof response !== 'object' || response === null || !('headers' in response)) return undefined
  const { headers } = response
  if (typeof headers !== 'object' || headers === null || !(name in headers)) return undefined
  const value: unknown = Reflect.get(headers, name)
  return typeof value === 'string' ? value : undefined
}
