/** In which order a store lists. */
export type ListOrder = 'utf8' | 'utf16' | 'locale'

/** How a store differs from AWS. Every field's first value is AWS's. */
export interface S3Rules {
  /** The header `Server` of its answers. */
  readonly server: string
  /** PUT `If-None-Match: *`. */
  readonly putIfNoneMatch: 'honoured' | 'ignored' | 'not-implemented'
  /** PUT `If-Match`. `unquoted-only` refuses the right ETag in its quotes. */
  readonly putIfMatch: 'honoured' | 'unquoted-only' | 'ignored' | 'not-implemented'
  /** The answer to PUT `If-Match` of a missing key. */
  readonly putIfMatchOfNothing: 'NoSuchKey' | 'PreconditionFailed'
  /**
   * `If-None-Match` other than `*`, `If-Match: *`, and both together: refused with 501, or evaluated.
   */
  readonly oddConditions: 'not-implemented' | 'taken'
  /** The answer to the losers of a race for one key, where the winner came while they were in flight. */
  readonly raceLosers: 'PreconditionFailed' | 'InternalError' | 'ConditionalRequestConflict'
  /**
   * `false`: the condition is checked first and the object written later, so that two racers can both win.
   */
  readonly atomicConditions: boolean
  /**
   * PUT conditions in a bucket whose versioning is enabled. `void`: they are ignored, as on Ceph 16.
   */
  readonly conditionsWhileVersioned: 'honoured' | 'void'
  /**
   * The id of a version that has none, written while versioning is suspended or before it was enabled.
   * `absent`: no header, as on Ceph.
   */
  readonly nullVersionId: 'told' | 'absent'
  /**
   * The connection after a 412. `closed`: the server drops it without notice, as MinIO does; the next request
   * on it gets no answer.
   */
  readonly connectionAfterRefusal: 'kept' | 'closed'
  /** DELETE `If-Match`. */
  readonly deleteIfMatch: 'honoured' | 'ignored'
  /** The `ETag` of a key in DeleteObjects. */
  readonly batchDeleteETag: 'honoured' | 'ignored'
  /** Conditions of CopyObject on its target. */
  readonly copyConditions: 'honoured' | 'ignored'
  /** The order of listings: by UTF-8 bytes, by UTF-16 units, or by the rules of a language. */
  readonly listOrder: ListOrder
  /**
   * `encoding-type=url` of a LIST. `ignored`: keys are not encoded, and the answer has no EncodingType.
   */
  readonly listEncoding: 'honoured' | 'ignored'
  /** The most keys in DeleteObjects. AWS: 1,000. */
  readonly maxBatchDelete: number
  /** The longest key, in bytes of UTF-8. AWS: 1,024. */
  readonly maxKeyBytes: number
  /**
   * The longest part of a key between two slashes, in bytes: stores that keep objects as files have 255. AWS
   * has no such limit.
   */
  readonly maxSegmentBytes: number
}

/** AWS S3, general purpose buckets. */
export const awsRules: S3Rules = {
  server: 'AmazonS3',
  putIfNoneMatch: 'honoured',
  putIfMatch: 'honoured',
  putIfMatchOfNothing: 'NoSuchKey',
  oddConditions: 'not-implemented',
  raceLosers: 'PreconditionFailed',
  atomicConditions: true,
  conditionsWhileVersioned: 'honoured',
  nullVersionId: 'told',
  connectionAfterRefusal: 'kept',
  deleteIfMatch: 'honoured',
  batchDeleteETag: 'honoured',
  copyConditions: 'honoured',
  listOrder: 'utf8',
  listEncoding: 'honoured',
  maxBatchDelete: 1_000,
  maxKeyBytes: 1_024,
  maxSegmentBytes: 1_024,
}
