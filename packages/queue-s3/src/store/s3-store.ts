import {
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type { Runtime } from '@sluice/core'
import {
  ContentJudge,
  assertHead,
  assertPage,
  assertWritten,
  isAbsenceByHead,
  isRefusedByStore,
} from './answer-proof.js'
import { isOf } from '../format/content-proof.js'
import { Deletions } from './deletions.js'
import { isFurther, keyOfIn, pageOf, type ListedPage, type RawPage } from './listed-page.js'
import type { Patience } from './sending/patience.js'
import { storedObject, versionOf } from './s3-answers.js'
import { contended, listStandsStill, outOfStep, type S3Place } from './s3-errors.js'
import { failureOf, isKeyRefused } from './s3-failures.js'
import { S3Sender, type S3SenderOptions } from './sending/s3-sender.js'
import type { StorageOp, StorageReply } from './storage-op.js'
import type { StoreClock } from './store-clock.js'

export interface ListRange {
  readonly prefix: string
  /** Exclusive; any string. */
  readonly after?: string
  /** 1 to 1,000, the default. */
  readonly max?: number
}

/** Of a bucket. `unknown`: the store doesn't say, or doesn't permit the question. */
export type Versioning = 'Enabled' | 'Suspended' | 'never' | 'unknown'

/** A store that never answers this request must not delay an opening. */
const VERSIONING_MS = 2_000
/** How often an object is read that others report to exist. A race of some processes needs two or three. */
const MAX_READS = 8
/** How often objects are read in one piece of work, each of which may be another one. */
const MAX_ALL_READS = 24

/**
 * The store, one request at a time: retries with jitter until the patience of the call ends, and
 * distinguishes a `create` without a clear answer from one with. The SDK's own retries are off: it would take
 * the refusal of its second try for that of the first.
 */
export class S3Store {
  readonly place: S3Place
  readonly clock: StoreClock
  readonly sender: S3Sender
  readonly runtime: Runtime
  readonly #deletions: Deletions

  constructor(options: S3SenderOptions) {
    this.sender = new S3Sender(options)
    this.place = options.place
    this.runtime = options.runtime
    this.clock = this.sender.clock
    this.#deletions = new Deletions(this.sender)
  }

  get concurrency(): number {
    return this.sender.concurrency
  }

  /** @param timeoutMs for work that may wait less long than usual */
  patience(timeoutMs?: number): Patience {
    return this.sender.patience(timeoutMs)
  }

  /** Aborts requests under way and closes the connections. */
  close(): void {
    this.sender.close()
  }

  /** Carries out one request of the protocol. */
  async send(op: StorageOp, patience: Patience): Promise<StorageReply> {
    if (op.do === 'create') return this.#create(op, patience)
    if (op.do === 'read') return this.#read(op.key, patience)
    if (op.do === 'head') return this.#head(op.key, patience)
    if (op.do === 'again') await this.#again(op.key, patience)
    else if (op.do === 'delete') await this.deleteAll(op.keys)
    else
      return this.sender.tried({ kind: 'write', on: op.key }, patience, (abort) =>
        this.#put({ ...op, content: '' }, {}, abort),
      )
    return {}
  }

  /** DELETE of any number of keys: 1,000 to a request, or one by one where the store permits only that. */
  deleteAll(keys: readonly string[], timeoutMs?: number): Promise<void> {
    return this.#deletions.all(keys, timeoutMs)
  }

  /**
   * One page of names in the order of their bytes. A page that says that there is more but makes no progress
   * may be an old one, and is requested again.
   *
   * @throws SluiceError SLUICE_QUEUE_CORRUPT when it stays so: a walk, which continues behind the last name,
   * would never end
   */
  async list(range: ListRange, patience = this.patience()): Promise<ListedPage> {
    const { prefix, after } = range
    let token: string | undefined
    for (;;) {
      const page = await this.#page(range, patience, token)
      if (!page.more || isFurther(page.objects.at(-1)?.key ?? '', { prefix, after })) return page
      // An empty page with more behind it, as where many keys were deleted, is no end.
      const goesOn = page.objects.length === 0 && page.token !== token
      token = page.objects.length === 0 ? page.token : undefined
      if (goesOn && token !== undefined) continue
      const standing = () => listStandsStill(this.place, prefix)
      const work = { kind: `page behind ${after ?? prefix}` }
      await this.sender.waitOrThrow(work, patience, { errorOf: standing, maxTries: MAX_READS })
    }
  }

  async #page(
    { prefix, after, max = 1_000 }: ListRange,
    patience: Patience,
    token: string | undefined,
  ): Promise<RawPage> {
    const command = new ListObjectsV2Command({
      Bucket: this.place.bucket,
      Prefix: prefix,
      MaxKeys: max,
      EncodingType: 'url',
      ...(after === undefined || token !== undefined ? {} : { StartAfter: after }),
      ...(token === undefined ? {} : { ContinuationToken: token }),
    })
    const output = await this.sender.tried({ kind: 'list', on: prefix }, patience, async (abortSignal) => {
      const page = await this.sender.client.send(command, { abortSignal })
      assertPage(page, prefix, keyOfIn(page))
      return page
    })
    return pageOf(output)
  }

  /** Whether the bucket keeps old versions. It never fails: no queue depends on it. */
  async versioning(): Promise<Versioning> {
    const command = new GetBucketVersioningCommand({ Bucket: this.place.bucket })
    try {
      const call = (abortSignal: AbortSignal) => this.sender.client.send(command, { abortSignal })
      const { Status } = await this.sender.tried({ kind: 'read' }, this.patience(VERSIONING_MS), call)
      return Status ?? 'never'
    } catch {
      // 403 without s3:GetBucketVersioning, 501 where there is no versioning, or an outage that the next
      // request reports.
      return 'unknown'
    }
  }

  /**
   * Before the next read of an object that others report to exist. It appears within a few reads, or was
   * deleted.
   *
   * @throws SluiceError SLUICE_QUEUE_CORRUPT that names it; SLUICE_QUEUE_UNAVAILABLE when each time it is
   * another one
   */
  async #again(key: string, patience: Patience): Promise<void> {
    if (patience.troubled('read again').tries > MAX_ALL_READS) throw contended(this.place, key)
    const missing = () => outOfStep(this.place, key)
    const work = { kind: `read again ${key}` }
    await this.sender.waitOrThrow(work, patience, { errorOf: missing, maxTries: MAX_READS })
  }

  /**
   * Before the next try of a change that another process made first.
   *
   * @throws SluiceError SLUICE_QUEUE_UNAVAILABLE when others have been faster for `timeoutMs`
   */
  async waitTurn(prefix: string, patience: Patience): Promise<void> {
    const late = () => contended(this.place, prefix)
    await this.sender.waitOrThrow({ kind: 'change', on: prefix }, patience, { errorOf: late })
  }

  async #create(op: StorageOp & { do: 'create' }, patience: Patience): Promise<StorageReply> {
    const work = { kind: 'write', on: op.key, size: Buffer.byteLength(op.content) }
    try {
      const put = (abort: AbortSignal) => this.#put(op, { IfNoneMatch: '*' }, abort)
      const version = await this.sender.once(work, patience, put)
      patience.answered('write')
      return { outcome: 'created', ...version }
    } catch (error) {
      const failure = failureOf(error)
      if (failure === 'exists' && isRefusedByStore(error)) {
        patience.answered('write')
        return { outcome: 'exists' }
      }
      if (isKeyRefused(error) && patience.isRepeated(`refusal of ${op.key}`))
        return { outcome: 'refused', cause: this.sender.failed(error, work) }
      if (failure === 'fatal' && !isKeyRefused(error)) throw this.sender.failed(error, work)
      await this.sender.waitAfter(error, work, patience)
      return { outcome: 'unclear' }
    }
  }

  /** Plain PUT over an existing object. A retry writes the same. */
  async overwrite(key: string, content: string): Promise<void> {
    const work = { kind: 'write', on: key, size: Buffer.byteLength(content) }
    await this.sender.tried(work, this.patience(), (abort) =>
      this.#put({ key, content, meta: {} }, {}, abort),
    )
  }

  async #put(
    { key, content, meta }: { key: string; content: string; meta: Readonly<Record<string, string>> },
    condition: { IfNoneMatch?: string },
    abortSignal: AbortSignal,
  ): Promise<Pick<StorageReply, 'versionId'>> {
    const Body = Buffer.from(content, 'utf8')
    const command = new PutObjectCommand({
      Bucket: this.place.bucket,
      Key: key,
      Body,
      ContentLength: Body.byteLength,
      ContentType: 'application/json',
      Metadata: { ...meta },
      ...condition,
    })
    const output = await this.sender.client.send(command, { abortSignal })
    assertWritten(output)
    return versionOf(output)
  }

  async #read(key: string, patience: Patience): Promise<StorageReply> {
    const command = new GetObjectCommand({ Bucket: this.place.bucket, Key: key })
    const judge = new ContentJudge()
    // The objects of one folder are of similar size.
    const [kind = ''] = key.slice(this.place.root.length).split('/', 1)
    return this.sender.found({ kind: 'read', on: key, size: { kind } }, patience, async (abortSignal) => {
      const output = await this.sender.client.send(command, { abortSignal })
      const bytes = Buffer.from((await output.Body?.transformToByteArray()) ?? [])
      assertHead(output, bytes.byteLength)
      const content = bytes.toString('utf8')
      if (bytes.byteLength > 0 && !isOf(this.#pathOf(key), content)) judge.assertKept(output, bytes)
      return { object: storedObject(output, content, bytes.byteLength), ...versionOf(output) }
    })
  }

  async #head(key: string, patience: Patience): Promise<StorageReply> {
    const command = new HeadObjectCommand({ Bucket: this.place.bucket, Key: key })
    let isUnsure = false
    const reply = await this.sender.found({ kind: 'read', on: key }, patience, async (abortSignal) => {
      try {
        const output = await this.sender.client.send(command, { abortSignal })
        assertHead(output, output.ContentLength)
        return { object: storedObject(output, '', output.ContentLength ?? 0), ...versionOf(output) }
      } catch (error) {
        const failure = failureOf(error)
        if (failure === 'fatal') await this.#explain(key, abortSignal)
        if (failure !== 'absent') throw error
        isUnsure = !isAbsenceByHead(error)
        return {}
      }
    })
    return isUnsure ? this.#read(key, patience) : reply
  }

  /** The key below the root. */
  #pathOf(key: string): string {
    return key.startsWith(this.place.root) ? key.slice(this.place.root.length) : ''
  }

  /** Asks by GET why a HEAD was refused: its answer has no body, and so no code. Throws the refusal. */
  async #explain(key: string, abortSignal: AbortSignal): Promise<void> {
    const command = new GetObjectCommand({ Bucket: this.place.bucket, Key: key })
    try {
      const { Body } = await this.sender.client.send(command, { abortSignal })
      await Body?.transformToByteArray()
    } catch (error) {
      // Any other answer says nothing about the HEAD.
      if (failureOf(error) === 'fatal') throw error
    }
  }
}
