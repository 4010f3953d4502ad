import { createHash } from 'node:crypto'
import { S3ServiceException } from '@aws-sdk/client-s3'

/**
 * Which answers of the store are believed. Proxies and gateways between a process and its store answer in the
 * store's place: with a page under 200, with half a body or none, with a 404 of their own. An answer is
 * believed only if it proves that it comes from the store and is about the requested key:
 *
 * | answer               | is believed if                                                                             |
 * | -------------------- | ------------------------------------------------------------------------------------------ |
 * | GET 200              | it has an ETag, a Last-Modified and its full length, and the content is of this key        |
 * |                      | (`isOf`); else if it came three times alike and its ETag is no digest of other content      |
 * | HEAD 200             | it has an ETag, a Last-Modified and a length                                               |
 * | … of an empty object | the metadata has `to`, or the ETag is that of no bytes                                     |
 * | GET, DELETE 404      | its XML says `NoSuchKey`                                                                   |
 * | HEAD 404             | it has a request id and is no web page; else a GET is sent                                 |
 * | PUT 200              | it has an ETag                                                                             |
 * | PUT 412              | its XML says `PreconditionFailed`; else the object is read back, as after no answer        |
 * | refusal of a key     | it came twice                                                                              |
 * | LIST 200             | it is a complete ListBucketResult of this prefix whose entries all have key and size; one  |
 * |                      | without an instant counts as new                                                           |
 * | DeleteObjects 200    | it names each key as deleted or refused                                                    |
 *
 * Any other answer counts as none: the request is retried with jitter until the patience of the call ends
 * with SLUICE_QUEUE_UNAVAILABLE. Nothing is remembered of it.
 */
export class DoubtfulAnswer extends Error {
  override readonly name = 'DoubtfulAnswer'
}

/**
 * How often content that does not identify its object must arrive, identical each time, before it is
 * believed.
 */
const ALIKE = 3
const DIGEST_OF_NOTHING = 'd41d8cd98f00b204e9800998ecf8427e'

/** What identifies the answer to a GET or HEAD. */
export interface ObjectAnswer {
  readonly ETag?: string | undefined
  readonly LastModified?: Date | undefined
  readonly ContentLength?: number | undefined
  readonly ContentType?: string | undefined
  readonly ServerSideEncryption?: string | undefined
  readonly SSECustomerAlgorithm?: string | undefined
  readonly Metadata?: Readonly<Record<string, string>> | undefined
}

/**
 * Checks the headers of an object, as GET and HEAD return them.
 *
 * @param sizeBytes the length received, or what a HEAD says
 * @throws DoubtfulAnswer
 */
export function assertHead(answer: ObjectAnswer, sizeBytes: number | undefined): void {
  const { ETag = '', LastModified, ContentLength, ContentType = '', Metadata = {} } = answer
  if (ETag === '') throw new DoubtfulAnswer('it has no ETag')
  if (LastModified === undefined || Number.isNaN(LastModified.getTime()))
    throw new DoubtfulAnswer('it has no Last-Modified')
  if (isPage(ContentType)) throw new DoubtfulAnswer('it is a web page')
  if (sizeBytes === undefined) throw new DoubtfulAnswer('it has no length')
  if (ContentLength !== undefined && ContentLength !== sizeBytes)
    throw new DoubtfulAnswer(`it says ${ContentLength} bytes and has ${sizeBytes}`)
  if (sizeBytes === 0 && Metadata['to'] === undefined && digestIn(ETag) !== DIGEST_OF_NOTHING)
    throw new DoubtfulAnswer('it is empty, and its ETag is that of an object which is not')
}

/** Judges the answers to one GET and its retries. */
export class ContentJudge {
  #last = ''
  #count = 0

  /**
   * Checks content that does not identify its object.
   *
   * @throws DoubtfulAnswer until it is certain that the store holds this content
   */
  assertKept(answer: ObjectAnswer, content: Buffer): void {
    const digest = createHash('md5').update(content).digest('hex')
    const known = `${answer.ETag} ${digest}`
    this.#count = known === this.#last ? this.#count + 1 : 1
    this.#last = known
    if (hasDigest(answer) && digestIn(answer.ETag ?? '') !== digest)
      throw new DoubtfulAnswer('its content is not that of its ETag')
    if (this.#count < ALIKE) throw new DoubtfulAnswer('its content is not that of its key')
  }
}

/** The ETag of a plain PUT is the MD5 of the bytes, except where the store encrypts or received parts. */
function hasDigest({ ETag = '', ServerSideEncryption, SSECustomerAlgorithm }: ObjectAnswer): boolean {
  const isEncrypted = SSECustomerAlgorithm !== undefined || /kms/u.test(ServerSideEncryption ?? '')
  return !isEncrypted && /^[0-9a-f]{32}$/u.test(digestIn(ETag))
}

function digestIn(etag: string): string {
  return etag.replaceAll('"', '')
}

/** What proves that a PUT was carried out. */
export function assertWritten({ ETag = '' }: { readonly ETag?: string | undefined }): void {
  if (ETag === '') throw new DoubtfulAnswer('it has no ETag')
}

/** Whether a 404 to GET or DELETE is the store's. */
export function isAbsence(error: unknown): boolean {
  return error instanceof S3ServiceException && error.name === 'NoSuchKey'
}

/** Whether a 404 to HEAD, which has no XML, looks like the store's. */
export function isAbsenceByHead(error: unknown): boolean {
  if (!(error instanceof S3ServiceException)) return false
  const { headers = {} } = error.$response ?? {}
  return error.$metadata.requestId !== undefined && !isPage(headers['content-type'] ?? '')
}

/** Whether a 412 is the store's. */
export function isRefusedByStore(error: unknown): boolean {
  return error instanceof S3ServiceException && error.name === 'PreconditionFailed'
}

/** What proves that the answer to a LIST is complete. */
export interface PageAnswer {
  readonly Name?: string | undefined
  readonly Prefix?: string | undefined
  readonly IsTruncated?: boolean | undefined
  readonly KeyCount?: number | undefined
  readonly Contents?: readonly EntryAnswer[] | undefined
}

interface EntryAnswer {
  readonly Key?: string | undefined
  readonly Size?: number | undefined
}

/**
 * @param keyOf decodes a key of the answer
 * @throws DoubtfulAnswer
 */
export function assertPage(answer: PageAnswer, prefix: string, keyOf: (text: string) => string): void {
  const { Name, Prefix, IsTruncated, KeyCount = 0, Contents = [] } = answer
  const isListing = [Name, Prefix, IsTruncated].some((field) => field !== undefined) || Contents.length > 0
  if (!isListing) throw new DoubtfulAnswer('it is no listing')
  if (Prefix !== undefined && Prefix !== prefix && keyOf(Prefix) !== prefix)
    throw new DoubtfulAnswer('it is the listing of another prefix')
  if (KeyCount > Contents.length)
    throw new DoubtfulAnswer(`it says ${KeyCount} keys and has ${Contents.length}`)
  // A truncated page is checked by the walk itself.
  const isWhole = Contents.every(
    ({ Key, Size }) =>
      Key !== undefined && Size !== undefined && (IsTruncated === true || keyOf(Key).startsWith(prefix)),
  )
  if (!isWhole) throw new DoubtfulAnswer('an entry of it lacks its key or its size, or is of another prefix')
}

/** What proves the outcome of DeleteObjects. */
export interface DeletionsAnswer {
  readonly Deleted?: readonly unknown[] | undefined
  readonly Errors?: readonly unknown[] | undefined
}

/** @throws DoubtfulAnswer for an answer that does not name each of the keys */
export function assertDeletions({ Deleted = [], Errors = [] }: DeletionsAnswer, count: number): void {
  const named = Deleted.length + Errors.length
  if (named < count) throw new DoubtfulAnswer(`it names ${named} of ${count} keys`)
}

function isPage(contentType: string): boolean {
  return /^text\/html\b/iu.test(contentType)
}
