import { RequestLog } from '@sluice/testkit/server'
import type { S3Operation } from './operation.js'
import type { S3Fault } from './fault.js'
import type { S3Request } from './request.js'

/** One request in the log, without body and headers. */
export interface LoggedRequest {
  readonly index: number
  readonly operation: S3Operation
  readonly bucket: string
  readonly key: string
  /** The query, decoded: prefix, start-after and so on of a LIST. */
  readonly query: Readonly<Record<string, string>>
  /** Epoch ms of the server's clock when it had arrived whole. */
  readonly arrivedAt: number
  /** What was done to it. */
  readonly fault?: S3Fault['do']
  /** The status answered; `undefined` while under way or when no answer was sent. */
  readonly status?: number
  /** The error code answered. */
  readonly code?: string
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** An entry that is still being filled in. */
export type OpenEntry = Writable<LoggedRequest>

/** Counts requests by operation, and keeps the latest of them. */
export class S3RequestLog extends RequestLog<OpenEntry> {
  #counts = { ...NONE }

  open(request: S3Request, arrivedAt: number): OpenEntry {
    const { index, operation, bucket, key } = request
    const query = Object.fromEntries(request.query)
    const entry: OpenEntry = { index, operation, bucket, key, query, arrivedAt }
    this.#counts[operation]++
    this.enter(entry)
    return entry
  }

  counts(): Record<S3Operation, number> {
    return { ...this.#counts }
  }

  override reset(): void {
    super.reset()
    this.#counts = { ...NONE }
  }
}

const NONE: Readonly<Record<S3Operation, number>> = {
  ListBuckets: 0,
  CreateBucket: 0,
  HeadBucket: 0,
  DeleteBucket: 0,
  GetBucketVersioning: 0,
  PutBucketVersioning: 0,
  PutObject: 0,
  CopyObject: 0,
  GetObject: 0,
  HeadObject: 0,
  DeleteObject: 0,
  DeleteObjects: 0,
  ListObjectsV2: 0,
  Unknown: 0,
}
