import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { SluiceError, type Runtime } from '@sluice/core'
import { IDLE_TIMEOUT_MS, requestTimeMs } from '@sluice/core/backend'
import { Agent, request, type Dispatcher } from 'undici'
import { callSignal } from './call-time.js'
import type { ArgoWorkerSettings } from '../options.js'

export type TransportSettings = Pick<ArgoWorkerSettings, 'requestTimeoutMs' | 'caFile' | 'insecureSkipVerify'>

/**
 * How requests get to the server and back. Redirects come back as they are: to follow one may lose the body
 * or the token.
 */
export interface Transport {
  /**
   * As `fetch`, for answers that are read whole, by the one rule of time for requests: see
   * {@link requestTimeMs}.
   */
  readonly whole: (input: Request) => Promise<Response>
  /** The same for as long as its signal allows, however late the first byte comes. */
  readonly patient: (input: Request) => Promise<Response>
  /** As `fetch`, for streams without an end: their reader limits how long they may be silent. */
  readonly stream: (input: Request) => Promise<Response>
  /** Closes all connections. */
  readonly close: () => Promise<void>
}

export type TransportRuntime = Pick<Runtime, 'monotonicMs' | 'sleep'>

interface ExchangeTime {
  /** `undefined`: the request's signal says how long it may take. */
  readonly timeoutMs: number | undefined
  readonly runtime: TransportRuntime
}

/** More than any workflow is. */
const MAX_ANSWER_BYTES = 67_108_864

/**
 * Node's own `fetch` spends more than two thirds of its time on streams that are not needed here, and takes
 * no certificates; this is the library inside of it, without them.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID when `caFile` can't be read
 */
export async function openTransport(
  settings: TransportSettings,
  runtime: TransportRuntime,
): Promise<Transport> {
  const { requestTimeoutMs, caFile, insecureSkipVerify } = settings
  const ca = caFile === undefined ? undefined : await readCertificates(caFile)
  const dispatcher = new Agent({
    connect: {
      // Before the wait for the answer ends, so that it is known that nothing was sent.
      timeout: Math.ceil(requestTimeoutMs / 2),
      rejectUnauthorized: !insecureSkipVerify,
      ...(ca === undefined ? {} : { ca }),
    },
    headersTimeout: 0,
    bodyTimeout: 0,
  })
  return {
    whole: (input) => exchange(input, dispatcher, { runtime, timeoutMs: requestTimeoutMs }),
    patient: (input) => exchange(input, dispatcher, { runtime, timeoutMs: undefined }),
    stream: async (input) => {
      const answer = await send(input, await bodyOf(input), { dispatcher, signal: input.signal })
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same class under two names
      return responseOf(answer, Readable.toWeb(answer.body) as ReadableStream<Uint8Array>)
    },
    close: () => dispatcher.destroy(),
  }
}

type SendOptions = NonNullable<Parameters<typeof request>[1]>

async function exchange(
  input: Request,
  dispatcher: Dispatcher,
  { timeoutMs, runtime }: ExchangeTime,
): Promise<Response> {
  const body = await bodyOf(input)
  const limit = new RequestLimit({ timeoutMs, runtime }, body === undefined ? 0 : Buffer.byteLength(body))
  const call = timeoutMs === undefined ? input.signal : callSignal()
  const signal = call === undefined ? limit.signal : AbortSignal.any([limit.signal, call])
  try {
    const answer = await send(input, body, { dispatcher, signal })
    const chunks: Buffer[] = []
    limit.received(0)
    for await (const chunk of answer.body) {
      const bytes = Buffer.from(chunk)
      chunks.push(bytes)
      limit.received(bytes.length)
    }
    return responseOf(answer, Buffer.concat(chunks).toString('utf8'))
  } finally {
    limit.end()
  }
}

/** Holds one request to the rule of time: the first byte in time, no gap between bytes, and no trickle. */
class RequestLimit {
  readonly #over = new AbortController()
  readonly #ended = new AbortController()
  readonly #time: ExchangeTime
  readonly #beganAtMonotonic: number
  #endsAtMonotonic: number
  #bytes: number

  constructor(time: ExchangeTime, requestBytes: number) {
    const { runtime, timeoutMs } = time
    this.#time = time
    this.#bytes = requestBytes
    this.#beganAtMonotonic = runtime.monotonicMs()
    this.#endsAtMonotonic =
      timeoutMs === undefined
        ? Number.POSITIVE_INFINITY
        : this.#beganAtMonotonic + requestTimeMs(timeoutMs, requestBytes)
    void this.#run()
  }

  get signal(): AbortSignal {
    return this.#over.signal
  }

  received(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > MAX_ANSWER_BYTES) this.#over.abort(new Error(`more than ${MAX_ANSWER_BYTES} bytes`))
    const { runtime, timeoutMs } = this.#time
    const wholeMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : requestTimeMs(timeoutMs, this.#bytes)
    const idleAtMonotonic = runtime.monotonicMs() + IDLE_TIMEOUT_MS
    this.#endsAtMonotonic = Math.min(idleAtMonotonic, this.#beganAtMonotonic + wholeMs)
  }

  end(): void {
    this.#ended.abort()
  }

  /**
   * The end moves with each byte: it is checked when it would have come, not set again at each. It does not
   * reject.
   */
  async #run(): Promise<void> {
    const { runtime } = this.#time
    while (!this.#ended.signal.aborted) {
      const leftMs = this.#endsAtMonotonic - runtime.monotonicMs()
      if (leftMs <= 0) return this.#over.abort(new DOMException('no answer in time', 'TimeoutError'))
      await runtime.sleep(Math.min(leftMs, IDLE_TIMEOUT_MS), this.#ended.signal)
    }
  }
}

async function bodyOf(input: Request): Promise<string | undefined> {
  return input.body === null ? undefined : input.text()
}

async function send(
  input: Request,
  body: string | undefined,
  options: SendOptions,
): Promise<Dispatcher.ResponseData<unknown>> {
  return request(input.url, {
    ...options,
    headersTimeout: 0,
    bodyTimeout: 0,
    method: input.method,
    headers: Object.fromEntries(input.headers),
    ...(body === undefined ? {} : { body }),
  })
}

/** Answers that never have a body must be given none. */
const BODILESS = new Set([204, 205, 304])

function responseOf(
  { statusCode, headers }: Dispatcher.ResponseData<unknown>,
  body: string | ReadableStream<Uint8Array>,
): Response {
  const pairs = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value] as [string, string]],
  )
  return new Response(BODILESS.has(statusCode) ? null : body, { status: statusCode, headers: pairs })
}

async function readCertificates(caFile: string): Promise<string> {
  try {
    return await readFile(caFile, 'utf8')
  } catch (error) {
    throw new SluiceError('SLUICE_CONFIG_INVALID', `caFile: ${caFile} can't be read.`, { cause: error })
  }
}
