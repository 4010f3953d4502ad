import { operationOf, type S3Operation } from './operation.js'

/** One request with its whole body. */
export interface S3Request {
  /** Its number on its endpoint, from 0. */
  readonly index: number
  readonly operation: S3Operation
  readonly method: string
  readonly bucket: string
  readonly key: string
  readonly query: URLSearchParams
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** As it came; of an `aws-chunked` body the content, unframed. */
  readonly body: Buffer
}

/** A request before it is parsed. */
export interface RawRequest {
  readonly index: number
  readonly method: string
  /** Path and query, still encoded. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** Parses a request of the path style. The key is what follows the bucket's slash, decoded and not
 * normalised: `.`, `..` and `//` are legal in keys.
 */
export function parseRequest(raw: RawRequest): S3Request {
  const { method, headers, body, index } = raw
  const cut = raw.target.indexOf('?')
  const path = cut < 0 ? raw.target : raw.target.slice(0, cut)
  const query = new URLSearchParams(cut < 0 ? '' : raw.target.slice(cut + 1))
  const slash = path.indexOf('/', 1)
  const bucket = decoded(path.slice(1, slash < 0 ? undefined : slash))
  const key = slash < 0 ? '' : decoded(path.slice(slash + 1))
  const copies = headers['x-amz-copy-source'] !== undefined
  const operation = operationOf({ method, bucket, key, query, copies })
  return { index, operation, method, bucket, key, query, headers, body }
}

/** Percent-decoding that keeps what cannot be decoded. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // As S3 servers do.
    return text
  }
}
