import { setTimeout as pause } from 'node:timers/promises'
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type _Error as DeleteError,
  type S3ClientConfig,
} from '@aws-sdk/client-s3'
import type { SluiceError } from '@sluice/core'
import pLimit, { type LimitFunction } from 'p-limit'
import {
  closedMeanwhile,
  failureOf,
  isAccessDenied,
  isKeyRefused,
  isConnectionLost,
  s3Error,
  type S3Place,
} from './s3-errors.js'
import { dateOf, storedObject } from './s3-answers.js'
import type { StorageOp, StorageReply } from './storage-op.js'
import { StoreClock } from './store-clock.js'

export interface S3StoreOptions {
  readonly client: S3ClientConfig
  readonly place: S3Place
  /** Requests in flight at once. */
  readonly concurrency: number
  /** How long a call goes on trying without any answer that says something, in ms. */
  readonly timeoutMs: number
  readonly monotonicMs: () => number
}

/** One name that LIST gives. */
export interface Listed {
  readonly key: string
  readonly sizeBytes: number
  /** Epoch ms of the store's clock, whole seconds. */
  readonly modifiedAt: number
}

export interface ListedPage {
  readonly objects: readonly Listed[]
  readonly more: boolean
}

export interface ListRange {
  readonly prefix: string
  /** Exclusive; any string. */
  readonly after?: string
  /** 1 to 1,000, the default. */
  readonly max?: number
}

/**
 * How long some work has been without an answer, by what was asked for: while writes fail, a read that is answered is no reason to go on
 * writing. One for each call of a user's, handed to every request of it.
 */
export type Patience = Map<
  string,
  { /** Monotonic ms of the process. */ readonly since: number; tries: number }
>

/** Of a bucket. `unknown`: the store doesn't say, or may not be asked. */
export type Versioning = 'Enabled' | 'Suspended' | 'never' | 'unknown'

const MAX_BATCH = 1_000

/**
 * The store, one request at a time: retries with jitter until the patience of the call ends, and tells a `create` that got no clear
 * answer from one that did. The SDK's own retries are off: it would take the refusal of its second try for that of the first.
 */
export class S3Store {
  readonly place: S3Place
  readonly clock: StoreClock
  readonly #config: S3ClientConfig
  readonly #client: S3Client
  readonly #limit: LimitFunction
  readonly #timeoutMs: number
  readonly #ended = new AbortController()
  /** Ceph's radosgw wants another permission for it than for single DELETEs, on the bucket itself. */
  #batchRefused = false

  constructor({ client, place, concurrency, timeoutMs, monotonicMs }: S3StoreOptions) {
    this.place = place
    this.clock = new StoreClock(monotonicMs)
    this.#limit = pLimit(concurrency)
    this.#timeoutMs = timeoutMs
    const agent = { keepAlive: true, maxSockets: concurrency }
    const requestHandler = { httpAgent: agent, httpsAgent: agent }
    this.#config = client
    this.#client = new S3Client({ ...client, requestHandler, maxAttempts: 1 })
    this.#client.middlewareStack.add(
      (next) => async (args) => {
        const sentAt = monotonicMs()
        const output = await next(args)
        const date = dateOf(output.response)
        if (date !== undefined) this.clock.observe(date, sentAt, monotonicMs())
        return output
      },
      { step: 'deserialize', priority: 'low', name: 'sluiceStoreClock' },
    )
  }

  get concurrency(): number {
    return this.#limit.concurrency
  }

  /** Carries out one request of the protocol. */
  async send(op: StorageOp, patience: Patience): Promise<StorageReply> {
    if (op.do === 'create') return this.#create(op, patience)
    if (op.do === 'read') return this.#read(op.key, patience)
    if (op.do === 'look') return this.#look(op.key, patience)
    if (op.do === 'delete') await this.deleteAll(op.keys, patience)
    else await this.#tried('write', patience, (abort) => this.#put({ ...op, content: '' }, {}, abort))
    return {}
  }

  /** DELETE of any number of names: 1,000 to a request, or one by one where the store allows only that. */
  async deleteAll(keys: readonly string[], patience: Patience): Promise<void> {
    for (let start = 0; start < keys.length; start += MAX_BATCH) {
      await this.#deleteBatch(keys.slice(start, start + MAX_BATCH), patience)
    }
  }

  /** One page of names in the order of their bytes. */
  async list({ prefix, after, max = 1_000 }: ListRange, patience: Patience): Promise<ListedPage> {
    const command = new ListObjectsV2Command({
      Bucket: this.place.bucket,
      Prefix: prefix,
      MaxKeys: max,
      EncodingType: 'url',
      ...(after === undefined ? {} : { StartAfter: after }),
    })
    const output = await this.#tried('list', patience, (abortSignal) =>
      this.#client.send(command, { abortSignal }),
    )
    const keyOf = output.EncodingType === 'url' ? decodedKey : (key: string) => key
    const objects = (output.Contents ?? []).flatMap(({ Key, Size, LastModified }) => {
      if (Key === undefined) return []
      const key = keyOf(Key)
      return [{ key, sizeBytes: Size ?? 0, modifiedAt: LastModified?.getTime() ?? 0 }]
    })
    return { objects, more: output.IsTruncated === true && objects.length > 0 }
  }

  /** Whether the bucket keeps old versions. It never fails: no queue depends on being told. */
  async versioning(): Promise<Versioning> {
    const command = new GetBucketVersioningCommand({ Bucket: this.place.bucket })
    try {
      const { Status } = await this.#once((abortSignal) => this.#client.send(command, { abortSignal }))
      return Status ?? 'never'
    } catch {
      // 403 without s3:GetBucketVersioning, 501 where there is no versioning, or an outage that the next request tells of.
      return 'unknown'
    }
  }

  /** A client of the same credentials and endpoint that sends by other means. */
  clientOver(requestHandler: NonNullable<S3ClientConfig['requestHandler']>): S3Client {
    const { credentials } = this.#client.config
    return new S3Client({ ...this.#config, credentials, requestHandler, maxAttempts: 1 })
  }

  patience(): Patience {
    return new Map()
  }

  /** Cuts off what is under way and closes the connections. */
  close(): void {
    this.#ended.abort()
    this.#client.destroy()
  }

  async #create(op: StorageOp & { do: 'create' }, patience: Patience): Promise<StorageReply> {
    try {
      await this.#once((abort) => this.#put(op, { IfNoneMatch: '*' }, abort))
      patience.delete('write')
      return { outcome: 'created' }
    } catch (error) {
      const failure = failureOf(error)
      if (failure === 'exists') {
        patience.delete('write')
        return { outcome: 'exists' }
      }
      if (isKeyRefused(error)) return { outcome: 'refused', cause: this.#failed(error, 'write') }
      if (failure !== 'retry' && failure !== 'slow-down') throw this.#failed(error, 'write')
      await this.waitAfter(error, 'write', patience)
      return { outcome: 'unclear' }
    }
  }

  async #put(
    { key, content, meta }: { key: string; content: string; meta: Readonly<Record<string, string>> },
    condition: { IfNoneMatch?: string },
    abortSignal: AbortSignal,
  ): Promise<void> {
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
    await this.#client.send(command, { abortSignal })
  }

  async #read(key: string, patience: Patience): Promise<StorageReply> {
    const command = new GetObjectCommand({ Bucket: this.place.bucket, Key: key })
    return this.#found('read', patience, async (abortSignal) => {
      const output = await this.#client.send(command, { abortSignal })
      const content = (await output.Body?.transformToString('utf-8')) ?? ''
      return { object: storedObject(output, content, Buffer.byteLength(content)) }
    })
  }

  async #look(key: string, patience: Patience): Promise<StorageReply> {
    const command = new HeadObjectCommand({ Bucket: this.place.bucket, Key: key })
    return this.#found('read', patience, async (abortSignal) => {
      try {
        const output = await this.#client.send(command, { abortSignal })
        return { object: storedObject(output, '', output.ContentLength ?? 0) }
      } catch (error) {
        if (failureOf(error) === 'fatal') await this.#explain(key, abortSignal)
        throw error
      }
    })
  }

  /** Asks by GET what a HEAD was refused for: its answer has no body, and so no code. Throws the refusal that it is told. */
  async #explain(key: string, abortSignal: AbortSignal): Promise<void> {
    const command = new GetObjectCommand({ Bucket: this.place.bucket, Key: key })
    try {
      const { Body } = await this.#client.send(command, { abortSignal })
      await Body?.transformToByteArray()
    } catch (error) {
      // Any other answer is none to the HEAD.
      if (failureOf(error) === 'fatal') throw error
    }
  }

  async #found(
    what: string,
    patience: Patience,
    call: (abort: AbortSignal) => Promise<StorageReply>,
  ): Promise<StorageReply> {
    return this.#tried(what, patience, async (abort) => {
      try {
        return await call(abort)
      } catch (error) {
        // Nor is there an object whose key the store would never take.
        if (failureOf(error) === 'absent' || isKeyRefused(error)) return {}
        throw error
      }
    })
  }

  async #deleteBatch(keys: readonly string[], patience: Patience): Promise<void> {
    let left = keys
    while (left.length > 0 && !this.#batchRefused) {
      const refused = await this.#refusedOf(left, patience)
      left = refused.flatMap((error) => error.Key ?? [])
      this.#batchRefused ||= refused.some((error) => error.Code === 'AccessDenied')
      if (left.length > 0 && !this.#batchRefused)
        // The request was answered, and refuses these keys: that is a trouble of its own, which ends as others do.
        await this.waitAfter(new Error(refused[0]?.Code ?? 'unknown'), 'delete single keys', patience)
    }
    await this.#deleteSingly(left, patience)
  }

  /** Sends DeleteObjects; a refusal of the whole is one of each key. */
  async #refusedOf(keys: readonly string[], patience: Patience): Promise<readonly DeleteError[]> {
    const Delete = { Objects: keys.map((Key) => ({ Key })), Quiet: true }
    const command = new DeleteObjectsCommand({ Bucket: this.place.bucket, Delete })
    return this.#tried('delete', patience, async (abortSignal) => {
      try {
        const { Errors = [] } = await this.#client.send(command, { abortSignal })
        return Errors.filter((error) => error.Code !== 'NoSuchKey')
      } catch (error) {
        if (!isAccessDenied(error)) throw error
        return keys.map((Key) => ({ Key, Code: 'AccessDenied' }))
      }
    })
  }

  async #deleteSingly(keys: readonly string[], patience: Patience): Promise<void> {
    const deletions = keys.map(async (Key) => {
      const command = new DeleteObjectCommand({ Bucket: this.place.bucket, Key })
      await this.#found('delete', patience, async (abortSignal) => {
        await this.#client.send(command, { abortSignal })
        return {}
      })
    })
    // All have ended before the call does: none may land after its failure was told.
    const ends = await Promise.allSettled(deletions)
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  /** For requests that may be sent any number of times. */
  async #tried<T>(what: string, patience: Patience, call: (abort: AbortSignal) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const value = await this.#once(call)
        // A clear answer: the store is there, for this at least.
        patience.delete(what)
        return value
      } catch (error) {
        const failure = failureOf(error)
        if (failure !== 'retry' && failure !== 'slow-down') throw this.#failed(error, what)
        await this.waitAfter(error, what, patience)
      }
    }
  }

  #once<T>(call: (abort: AbortSignal) => Promise<T>): Promise<T> {
    return this.#limit(() => call(this.deadline()))
  }

  /** Of one request. A request that hangs must leave time for another try. */
  deadline(): AbortSignal {
    const late = AbortSignal.timeout(Math.max(1, Math.ceil(this.#timeoutMs / 3)))
    return AbortSignal.any([late, this.#ended.signal])
  }

  /** What was cut off by `close` says so: it is no outage. */
  #failed(error: unknown, what: string): SluiceError {
    return this.#ended.signal.aborted ? closedMeanwhile(what, this.place) : s3Error(error, what, this.place)
  }

  /** Jitter over a span that doubles; longer when the store asks for it. Throws when the patience ends. */
  async waitAfter(error: unknown, what: string, patience: Patience): Promise<void> {
    const trouble = patience.get(what) ?? { since: performance.now(), tries: 0 }
    patience.set(what, trouble)
    trouble.tries += 1
    const spentMs = performance.now() - trouble.since
    if (spentMs >= this.#timeoutMs || this.#ended.signal.aborted) throw this.#failed(error, what)
    // Most likely it was closed before this request was sent, which says nothing of the store.
    if (trouble.tries === 1 && isConnectionLost(error)) return
    const baseMs = failureOf(error) === 'slow-down' ? 100 : 10
    const spanMs = Math.min(2_000, baseMs * 2 ** Math.min(trouble.tries, 10), this.#timeoutMs - spentMs)
    await pause(Math.random() * spanMs)
  }
}

/** The SDK leaves it to its caller. Some stores write a space as `+`, others as `%20`. */
function decodedKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', '%20'))
  } catch {
    // Said to be encoded, and not: as it is it can at least be reported.
    return key
  }
}
