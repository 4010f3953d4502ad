import type { Runtime } from '@sluice/core'
import { errorAnswer, type S3Answer } from './answer.js'
import { deleteObjects } from '../operations/batch-delete.js'
import { digestRefusal, unframed } from './body.js'
import {
  createBucket,
  deleteBucket,
  getBucketVersioning,
  headBucket,
  listBuckets,
  putBucketVersioning,
} from '../operations/bucket-operations.js'
import { listObjects } from '../operations/list-operation.js'
import { ObjectStore } from '../store/object-store.js'
import type { S3Operation } from './operation.js'
import type { OperationContext } from '../operations/operation-context.js'
import { readObject } from '../operations/read-operations.js'
import { parseRequest, type RawRequest, type S3Request } from './request.js'
import type { S3Rules } from '../rules.js'
import { accessRefusal, type AccessRules } from './signature.js'
import { copyObject, deleteObject, putObject, targetRefusal } from '../operations/write-operations.js'

/** The settings of the core. */
export interface CoreSettings {
  readonly rules: S3Rules
  readonly access: AccessRules
  readonly denied: ReadonlySet<S3Operation>
  readonly listLag: () => number
  readonly runtime: Runtime
}

/** A parsed request, or the refusal of one that cannot be parsed. */
export interface ReadRequest {
  readonly request: S3Request
  readonly refusal: S3Answer | undefined
  readonly seenChange: number
}

const OPERATIONS: Readonly<Record<S3Operation, (context: OperationContext) => S3Answer>> = {
  ListBuckets: listBuckets,
  CreateBucket: createBucket,
  HeadBucket: headBucket,
  DeleteBucket: deleteBucket,
  GetBucketVersioning: getBucketVersioning,
  PutBucketVersioning: putBucketVersioning,
  PutObject: putObject,
  CopyObject: copyObject,
  GetObject: readObject,
  HeadObject: readObject,
  DeleteObject: deleteObject,
  DeleteObjects: deleteObjects,
  ListObjectsV2: listObjects,
  Unknown: () => errorAnswer('NotImplemented'),
}

/** The store without HTTP: parsed requests in, answers out, each atomic. */
export class S3Core {
  readonly settings: CoreSettings
  readonly store: ObjectStore

  constructor(settings: CoreSettings) {
    this.settings = settings
    this.store = new ObjectStore(settings.runtime)
  }

  /**
   * Parses a request and checks what does not depend on the store. `seenChange`: the last change when its
   * head arrived.
   */
  read(raw: RawRequest, seenChange: number): ReadRequest {
    const framing = unframedRequest(raw)
    const request = parseRequest('status' in framing ? raw : framing)
    const refusal =
      'status' in framing
        ? framing
        : (accessRefusal(raw, this.settings.access, this.settings.runtime.now()) ??
          digestRefusal(framing.headers, framing.body) ??
          this.#denial(request))
    return { request, refusal, seenChange }
  }

  /**
   * Evaluates the conditions of a PUT before it writes, for a store that is not atomic; `undefined` for all
   * else.
   */
  judge(read: ReadRequest): { readonly refusal: S3Answer | undefined } | undefined {
    if (this.settings.rules.atomicConditions || read.request.operation !== 'PutObject') return undefined
    const bucket = this.store.buckets.get(read.request.bucket)
    return bucket === undefined ? undefined : { refusal: targetRefusal(this.#context(read), bucket) }
  }

  /** Executes a request atomically. */
  apply(read: ReadRequest, judgedBefore?: { readonly refusal: S3Answer | undefined }): S3Answer {
    if (read.refusal !== undefined) return read.refusal
    const context = this.#context(read)
    const full = judgedBefore === undefined ? context : { ...context, judgedBefore }
    return OPERATIONS[read.request.operation](full)
  }

  #context({ request, seenChange }: ReadRequest): OperationContext {
    const { rules, denied, access, listLag } = this.settings
    return {
      request,
      store: this.store,
      rules,
      region: access.region ?? 'us-east-1',
      seenChange,
      listLag: request.operation === 'ListObjectsV2' ? listLag() : 0,
      mayList: !denied.has('ListObjectsV2'),
    }
  }

  #denial({ operation }: S3Request): S3Answer | undefined {
    return this.settings.denied.has(operation) ? errorAnswer('AccessDenied') : undefined
  }
}

/** Decodes an `aws-chunked` body; its trailers count as headers. */
function unframedRequest(raw: RawRequest): RawRequest | S3Answer {
  const { headers } = raw
  const framed = (headers['x-amz-content-sha256'] ?? '').startsWith('STREAMING-')
  if (!framed) {
    // AWS accepts no body of unknown length.
    const unknown = headers['transfer-encoding'] !== undefined
    return unknown ? errorAnswer('NotImplemented', { fields: { Header: 'Transfer-Encoding' } }) : raw
  }
  const content = unframed(raw.body)
  if (content === undefined || !fits(content.body, headers['x-amz-decoded-content-length'])) {
    return errorAnswer('InvalidRequest', { message: 'The aws-chunked body is malformed or incomplete.' })
  }
  return { ...raw, headers: withoutFraming({ ...headers, ...content.trailers }), body: content.body }
}

function fits(body: Buffer, length: string | undefined): boolean {
  return length === undefined || Number(length) === body.length
}

/** `aws-chunked` is the wire's encoding, not the object's. */
function withoutFraming(headers: Readonly<Record<string, string>>): Record<string, string> {
  const { 'content-encoding': encoding = '', ...rest } = headers
  const kept = encoding
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '' && one !== 'aws-chunked')
  return kept.length === 0 ? rest : { ...rest, 'content-encoding': kept.join(',') }
}
