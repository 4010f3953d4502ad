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
export class RequestLog {
  readonly #max: number
  #entries: OpenEntry[] = []
  #counts = { ...NONE }
  #inFlight = 0
  #maxInFlight = 0

  /** @param max how many requests are kept; older ones are only counted */
  constructor(max: number) {
    this.#max = max
  }

  open(request: S3Request, arrivedAt: number): OpenEntry {
    const { index, operation, bucket, key } = request
    const entry: OpenEntry = {
      index,
      operation,
      bucket,
      key,
      query: Object.fromEntries(request.query),
      arrivedAt,
    }
    this.#counts[operation]++
    this.#maxInFlight = Math.max(this.#maxInFlight, ++this.#inFlight)
    this.#entries.push(entry)
    if (this.#entries.length > 2 * this.#max) this.#entries = this.#latest()
    return entry
  }

  /** The request is over for its sender. */
  leave(): void {
    this.#inFlight--
  }

  get requests(): readonly LoggedRequest[] {
    return this.#latest()
  }

  #latest(): OpenEntry[] {
    return this.#entries.slice(Math.max(0, this.#entries.length - this.#max))
  }

  get maxInFlight(): number {
    return this.#maxInFlight
  }

  counts(): Record<S3Operation, number> {
    return { ...this.#counts }
  }

  reset(): void {
    this.#entries = []
    this.#counts = { ...NONE }
    this.#maxInFlight = this.#inFlight
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
