import { AsyncLocalStorage } from 'node:async_hooks'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { silentLogger, type Logger, type Runtime, type SluiceError } from '@sluice/core'
import { timeoutSignal } from '@sluice/core/backend'
import pLimit, { type LimitFunction } from 'p-limit'
import { OutageLog } from './outage-log.js'
import { Patience, jitteredMs } from './patience.js'
import { RequestWatch } from './request-watch.js'
import { RunningTime } from './running-time.js'
import { DoubtfulAnswer, isAbsence } from '../answer-proof.js'
import { dateOf, sizeOf } from '../s3-answers.js'
import { closedMeanwhile, s3Error, type S3Place } from '../s3-errors.js'
import { failureOf, isConnectionLost, isKeyRefused } from '../s3-failures.js'
import type { StorageReply } from '../storage-op.js'
import { StoreClock } from '../store-clock.js'
import { TransferWindow, type TransferSize } from './transfer-window.js'

export interface S3SenderOptions {
  readonly client: S3ClientConfig
  readonly place: S3Place
  /** Requests in flight at once. */
  readonly concurrency: number
  /**
   * How long a request waits for the first byte of its answer, and how long an item retries without a clear
   * answer, in ms.
   */
  readonly timeoutMs: number
  readonly runtime: Runtime
  /** Logs outages that last. Silent by default. */
  readonly logger?: Logger
}

/** A connection attempt that takes longer is repeated: enough to make up for two lost packets. */
const CONNECT_MS = 4_000
/**
 * A store that has never answered counts as unreachable after this time: most likely its address is wrong,
 * and the caller should know.
 */
const REACH_MS = 4_000

/** A kind of request. */
export interface Work {
  /** A verb, for messages. Patience is counted by it. */
  readonly kind: string
  /** A key, or a prefix of keys. */
  readonly on?: string | undefined
  /** Of the body that it sends, or of what it reads. Default: few bytes. */
  readonly size?: TransferSize
}

function textOf({ kind, on }: Work, { root }: S3Place): string {
  if (on === undefined || on === root) return kind
  return `${kind} ${JSON.stringify(on.startsWith(root) ? on.slice(root.length) : on)}`
}

interface WaitOptions {
  readonly errorOf: () => SluiceError
  readonly baseMs?: number
  /** How many tries are not waited for. */
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

/** The watch of the current request: the client's middleware has no other way to find it. */
const watched = new AsyncLocalStorage<RequestWatch>()

/**
 * Sends requests within their time limits and the concurrency, and retries them with jitter until the
 * patience with them ends. The SDK's own retries are off: it would take the refusal of its second try for
 * that of the first.
 */
export class S3Sender {
  readonly place: S3Place
  readonly runtime: Runtime
  readonly clock: StoreClock
  readonly #config: S3ClientConfig
  readonly client: S3Client
  readonly #limit: LimitFunction
  readonly #window: TransferWindow
  readonly timeoutMs: number
  readonly #ended = new AbortController()
  /** The clock of all waits: while this process does not run, no store is late. */
  readonly #running: RunningTime
  readonly #outages: OutageLog
  /** Whether this store has ever answered. */
  #hasAnswered = false
  #firstAskedAtMonotonic = Number.POSITIVE_INFINITY

  constructor({ client, place, concurrency, timeoutMs, runtime, logger = silentLogger }: S3SenderOptions) {
    this.place = place
    this.runtime = runtime
    this.clock = new StoreClock(() => runtime.monotonicMs())
    this.#limit = pLimit(concurrency)
    this.#window = new TransferWindow(timeoutMs)
    this.timeoutMs = timeoutMs
    this.#running = new RunningTime(runtime, timeoutMs)
    this.#outages = new OutageLog(logger)
    const agent = { keepAlive: true, maxSockets: concurrency }
    const requestHandler = { httpAgent: agent, httpsAgent: agent, connectionTimeout: CONNECT_MS }
    this.#config = client
    this.client = new S3Client({ ...client, requestHandler, maxAttempts: 1 })
    this.client.middlewareStack.add(
      (next) => async (args) => {
        const watch = watched.getStore()
        const { request } = args
        if (watch !== undefined && hasBody(request)) request.body = watch.sent(request.body)
        const sentAtMonotonic = runtime.monotonicMs()
        const output = await next(args)
        this.#hasAnswered = true
        const date = dateOf(output.response)
        if (date !== undefined) this.clock.observe(date, sentAtMonotonic, runtime.monotonicMs())
        watch?.answered({ body: bodyOf(output.response), bytes: sizeOf(output.response) })
        return output
      },
      { step: 'deserialize', priority: 'low', name: 'sluiceRequest' },
    )
  }

  /** The clock of all waits, in ms. */
  get monotonicMs(): () => number {
    return this.#running.now
  }

  get concurrency(): number {
    return this.#limit.concurrency
  }

  /** A client with the same credentials and endpoint over another handler. */
  clientOver(requestHandler: NonNullable<S3ClientConfig['requestHandler']>): S3Client {
    const { credentials } = this.client.config
    return new S3Client({ ...this.#config, credentials, requestHandler, maxAttempts: 1 })
  }

  /** @param timeoutMs for work that may wait less long than usual */
  patience(timeoutMs = this.timeoutMs): Patience {
    return new Patience(Math.min(timeoutMs, this.timeoutMs), this.#running.now)
  }

  /** Aborts requests under way and closes the connections. */
  close(): void {
    this.#ended.abort()
    this.client.destroy()
  }

  /** For requests that may be sent any number of times. */
  async tried<T>(work: Work, patience: Patience, call: (abort: AbortSignal) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const value = await this.once(work, patience, call)
        // A clear answer: the store works, for this kind of request at least.
        patience.answered(work.kind)
        return value
      } catch (error) {
        const failure = failureOf(error)
        if (failure !== 'retry' && failure !== 'slow-down') throw this.failed(error, work)
        await this.waitAfter(error, work, patience)
      }
    }
  }

  async once<T>(work: Work, patience: Patience, call: (abort: AbortSignal) => Promise<T>): Promise<T> {
    if (patience.isSpent) throw this.failed(tooLate(), work)
    // Before the limit of requests: large ones that wait for room must not block small ones.
    const transfer = await this.#window.enter(work.size ?? 0)
    return this.#limit(async () => {
      const { now } = this.#running
      const watch = new RequestWatch({
        runtime: this.runtime,
        timeoutMs: patience.timeoutMs,
        ended: this.#ended.signal,
        onAnswer: (bytes) => transfer.answered(bytes),
        now,
      })
      const beganAtMonotonic = now()
      this.#firstAskedAtMonotonic = Math.min(this.#firstAskedAtMonotonic, beganAtMonotonic)
      let isDone = false
      try {
        const value = await watched.run(watch, () => call(watch.signal))
        isDone = true
        this.#outages.answered(work.kind)
        return value
      } catch (thrown) {
        // An answer that is cut off in its middle looks like a lost connection.
        const error = watch.isLate ? tooLate() : thrown
        this.#noteFailure(error, work, beganAtMonotonic)
        throw error
      } finally {
        watch.done()
        const ms = now() - beganAtMonotonic
        transfer.ended({ ms, bytes: watch.bytes, how: isDone ? 'done' : watch.isLate ? 'late' : 'failed' })
        patience.spend(ms - watch.bytesMs)
      }
    })
  }

  /** As `tried`; an object that does not exist is an empty reply. */
  async found(
    work: Work,
    patience: Patience,
    call: (abort: AbortSignal) => Promise<StorageReply>,
  ): Promise<StorageReply> {
    return this.tried(work, patience, async (abort) => {
      try {
        return await call(abort)
      } catch (error) {
        // An object whose key the store refuses does not exist either.
        const isAbsent = failureOf(error) === 'absent'
        if (isKeyRefused(error) || isAbsence(error)) return {}
        if (isAbsent)
          throw new DoubtfulAnswer('it is a 404 that does not say which key is missing', { cause: error })
        throw error
      }
    })
  }

  #noteFailure(error: unknown, work: Work, sentAtMonotonic: number): void {
    const failure = failureOf(error)
    if (this.#ended.signal.aborted) return
    if (failure !== 'retry' && failure !== 'slow-down') this.#outages.answered(work.kind)
    else
      this.#outages.failed(work.kind, this.failed(error, work), {
        sentAtMonotonic,
        nowMonotonic: this.#running.now(),
      })
  }

  /** For one request over another handler. */
  deadline(): AbortSignal {
    return AbortSignal.any([timeoutSignal(this.runtime, this.timeoutMs), this.#ended.signal])
  }

  /** A request aborted by `close` says so: it is no outage. */
  failed(error: unknown, work: Work): SluiceError {
    const what = textOf(work, this.place)
    return this.#ended.signal.aborted ? closedMeanwhile(what, this.place) : s3Error(error, what, this.place)
  }

  /**
   * Waits with jitter over a span that doubles; longer when the store asks for it. Throws when the patience
   * ends.
   */
  async waitAfter(error: unknown, work: Work, patience: Patience): Promise<void> {
    const baseMs = failureOf(error) === 'slow-down' ? 100 : 10
    // Most likely it was closed before this request was sent, which says nothing about the store.
    const freeTries = isConnectionLost(error) ? 1 : 0
    await this.waitOrThrow(work, patience, { errorOf: () => this.failed(error, work), baseMs, freeTries })
  }

  /** The remaining time for a first answer of the store. */
  #reachMs(): number {
    return this.#firstAskedAtMonotonic + REACH_MS - this.monotonicMs()
  }

  /** A jittered pause before the next try; throws the error after the last one. */
  async waitOrThrow(
    work: Work,
    patience: Patience,
    { errorOf, baseMs = 10, freeTries = 0, maxTries = Number.POSITIVE_INFINITY }: WaitOptions,
  ): Promise<void> {
    const { tries, leftMs } = patience.troubled(work.kind)
    if (this.#ended.signal.aborted) throw closedMeanwhile(textOf(work, this.place), this.place)
    const forMs = this.#hasAnswered ? leftMs : Math.min(leftMs, this.#reachMs())
    if (forMs <= 0 || tries > maxTries) throw errorOf()
    if (tries <= freeTries) return
    const waitMs = jitteredMs(this.runtime, tries, { baseMs, maxMs: forMs })
    const beganAtMonotonic = this.monotonicMs()
    await this.runtime.sleep(waitMs, this.#ended.signal)
    // Its actual length: on a busy machine timers are late.
    patience.spend(Math.max(waitMs, this.monotonicMs() - beganAtMonotonic))
  }
}
