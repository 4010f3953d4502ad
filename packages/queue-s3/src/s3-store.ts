import { AsyncLocalStorage } from 'node:async_hooks'
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
  keysRefused,
  listStandsStill,
  outOfStep,
  contended,
  s3Error,
  type S3Place,
} from './s3-errors.js'
import { Patience, jitteredMs } from './patience.js'
import { RequestWatch } from './request-watch.js'
import { dateOf, sizeOf, storedObject } from './s3-answers.js'
import type { StorageOp, StorageReply } from './storage-op.js'
import { StoreClock } from './store-clock.js'

export interface S3StoreOptions {
  readonly client: S3ClientConfig
  readonly place: S3Place
  /** Requests in flight at once. */
  readonly concurrency: number
  /** How long a request waits for the first byte of its answer, and an item goes on trying without any answer that says something, in ms. */
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

/** Of a bucket. `unknown`: the store doesn't say, or may not be asked. */
export type Versioning = 'Enabled' | 'Suspended' | 'never' | 'unknown'

const MAX_BATCH = 1_000
/** How often an object is looked for that others say is there. Two or three times is what a race of some processes needs. */
const MAX_LOOKS = 8

/** The watch of the request that is under way here: the client's middleware has no other way to know it. */
const watched = new AsyncLocalStorage<RequestWatch>()

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
  readonly timeoutMs: number
  readonly #ended = new AbortController()
  /** Ceph's radosgw wants another permission for it than for single DELETEs, on the bucket itself. */
  #batchRefused = false

  constructor({ client, place, concurrency, timeoutMs, monotonicMs }: S3StoreOptions) {
    this.place = place
    this.clock = new StoreClock(monotonicMs)
    this.#limit = pLimit(concurrency)
    this.timeoutMs = timeoutMs
    const agent = { keepAlive: true, maxSockets: concurrency }
    const requestHandler = { httpAgent: agent, httpsAgent: agent }
    this.#config = client
    this.#client = new S3Client({ ...client, requestHandler, maxAttempts: 1 })
    this.#client.middlewareStack.add(
      (next) => async (args) => {
        const watch = watched.getStore()
        const { request } = args
        if (watch !== undefined && hasBody(request)) request.body = watch.sent(request.body)
        const sentAt = monotonicMs()
        const output = await next(args)
        const date = dateOf(output.response)
        if (date !== undefined) this.clock.observe(date, sentAt, monotonicMs())
        watch?.answered({ body: bodyOf(output.response), bytes: sizeOf(output.response) })
        return output
      },
      { step: 'deserialize', priority: 'low', name: 'sluiceRequest' },
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
    if (op.do === 'again') await this.#again(op.key, patience)
    else if (op.do === 'delete') await this.deleteAll(op.keys)
    else await this.#tried('write', patience, (abort) => this.#put({ ...op, content: '' }, {}, abort))
    return {}
  }

  /** DELETE of any number of names: 1,000 to a request, or one by one where the store allows only that. */
  async deleteAll(keys: readonly string[], timeoutMs?: number): Promise<void> {
    for (let start = 0; start < keys.length; start += MAX_BATCH) {
      await this.#deleteBatch(keys.slice(start, start + MAX_BATCH), this.patience(timeoutMs))
    }
  }

  /** One page of names in the order of their bytes. */
  async list({ prefix, after, max = 1_000 }: ListRange, patience = this.patience()): Promise<ListedPage> {
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
    const more = output.IsTruncated === true && objects.length > 0
    // Whoever walks goes on behind the last name: a page that is no further would be walked for ever.
    if (more && !isBehind(objects.at(-1)?.key ?? '', after)) throw listStandsStill(this.place, prefix)
    return { objects, more }
  }

  /** Whether the bucket keeps old versions. It never fails: no queue depends on being told. */
  async versioning(): Promise<Versioning> {
    const command = new GetBucketVersioningCommand({ Bucket: this.place.bucket })
    try {
      const call = (abortSignal: AbortSignal) => this.#client.send(command, { abortSignal })
      const { Status } = await this.#once('read', this.patience(), call)
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

  /** @param timeoutMs for what may not wait as long as others */
  patience(timeoutMs = this.timeoutMs): Patience {
    return new Patience(Math.min(timeoutMs, this.timeoutMs))
  }

  /** Cuts off what is under way and closes the connections. */
  close(): void {
    this.#ended.abort()
    this.#client.destroy()
  }

  async #create(op: StorageOp & { do: 'create' }, patience: Patience): Promise<StorageReply> {
    try {
      await this.#once('write', patience, (abort) => this.#put(op, { IfNoneMatch: '*' }, abort))
      patience.answered('write')
      return { outcome: 'created' }
    } catch (error) {
      const failure = failureOf(error)
      if (failure === 'exists') {
        patience.answered('write')
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
        await this.#waitOrThrow('delete single keys', patience, () => keysRefused(this.place, refused))
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
        const value = await this.#once(what, patience, call)
        // A clear answer: the store is there, for this at least.
        patience.answered(what)
        return value
      } catch (error) {
        const failure = failureOf(error)
        if (failure !== 'retry' && failure !== 'slow-down') throw this.#failed(error, what)
        await this.waitAfter(error, what, patience)
      }
    }
  }

  async #once<T>(what: string, patience: Patience, call: (abort: AbortSignal) => Promise<T>): Promise<T> {
    if (patience.isSpent) throw this.#failed(tooLate(), what)
    return this.#limit(async () => {
      const watch = new RequestWatch({ timeoutMs: patience.timeoutMs, ended: this.#ended.signal })
      const beganAt = performance.now()
      try {
        return await watched.run(watch, () => call(watch.signal))
      } catch (error) {
        // An answer that is cut off in its middle looks like a lost connection.
        throw watch.isLate ? tooLate() : error
      } finally {
        watch.done()
        patience.spend(performance.now() - beganAt - watch.bytesMs)
      }
    })
  }

  /** Of one request that is sent by other means. */
  deadline(): AbortSignal {
    return AbortSignal.any([AbortSignal.timeout(this.timeoutMs), this.#ended.signal])
  }

  /** What was cut off by `close` says so: it is no outage. */
  #failed(error: unknown, what: string): SluiceError {
    return this.#ended.signal.aborted ? closedMeanwhile(what, this.place) : s3Error(error, what, this.place)
  }

  /** Jitter over a span that doubles; longer when the store asks for it. Throws when the patience ends. */
  async waitAfter(error: unknown, what: string, patience: Patience): Promise<void> {
    const baseMs = failureOf(error) === 'slow-down' ? 100 : 10
    // Most likely it was closed before this request was sent, which says nothing of the store.
    const freeTries = isConnectionLost(error) ? 1 : 0
    await this.#waitOrThrow(what, patience, () => this.#failed(error, what), { baseMs, freeTries })
  }

  /**
   * Before the next look for an object that others say is there. It comes within a few looks, or somebody has deleted it.
   *
   * @throws SluiceError SLUICE_QUEUE_CORRUPT that names it
   */
  async #again(key: string, patience: Patience): Promise<void> {
    await this.#waitOrThrow(`look for ${key}`, patience, () => outOfStep(this.place, key), {
      maxTries: MAX_LOOKS,
    })
  }

  /**
   * Before the next try of a change that somebody else's has come before.
   *
   * @throws SluiceError SLUICE_QUEUE_UNAVAILABLE when others have been faster for `timeoutMs`
   */
  async waitTurn(prefix: string, patience: Patience): Promise<void> {
    await this.#waitOrThrow(`change ${prefix}`, patience, () => contended(this.place, prefix))
  }

  async #waitOrThrow(
    what: string,
    patience: Patience,
    errorOf: () => SluiceError,
    { baseMs = 10, freeTries = 0, maxTries = Number.POSITIVE_INFINITY }: WaitOptions = {},
  ): Promise<void> {
    const { tries, leftMs } = patience.troubled(what)
    if (this.#ended.signal.aborted) throw closedMeanwhile(what, this.place)
    if (leftMs <= 0 || tries > maxTries) throw errorOf()
    if (tries <= freeTries) return
    const waitMs = jitteredMs(tries, { baseMs, maxMs: leftMs })
    patience.spend(waitMs)
    await pause(waitMs)
  }
}

interface WaitOptions {
  readonly baseMs?: number
  /** How many are not waited for. */
  readonly freeTries?: number
  readonly maxTries?: number
}

function tooLate(): Error {
  return new DOMException('no answer came in time', 'TimeoutError')
}

function hasBody(request: unknown): request is { body: unknown } {
  return typeof request === 'object' && request !== null && 'body' in request
}

function bodyOf(response: unknown): unknown {
  return hasBody(response) ? response.body : undefined
}

/** By their bytes, as LIST orders them. */
function isBehind(key: string, after: string | undefined): boolean {
  return after === undefined || Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0
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
