import { readFile } from 'node:fs/promises'
import { SluiceError, type Clock, type JsonValue } from '@sluice/core'
import ky, { type KyInstance, type Options } from 'ky'
import { Agent, type Dispatcher } from 'undici'
import type { Credentials } from './credentials.js'
import type { ArgoWorkerSettings } from './options.js'
import { readAnswer, silence, type Answer, type Reply, type Silence } from './reply.js'

/** What may follow the `?`. */
export type Query = Readonly<Record<string, string | undefined>>

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly query?: Query
  readonly body?: JsonValue
}

/** A stream of events that was opened, or why it wasn't. */
export type StreamReply = { readonly kind: 'stream'; readonly body: ReadableStream<Uint8Array> } | Reply

type HttpSettings = Pick<ArgoWorkerSettings, 'baseUrl' | 'requestTimeoutMs' | 'caFile' | 'insecureSkipVerify'>

/**
 * Requests to one Argo Server. What is to change something is sent once, whatever comes of it: what an answer means, and whether to send
 * it again, is decided by who sent it. The one exception is a token that was replaced meanwhile.
 */
export class ArgoApi {
  readonly #http: KyInstance
  readonly #credentials: Credentials
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #dispatcher: Dispatcher | undefined

  private constructor(parts: {
    readonly http: KyInstance
    readonly credentials: Credentials
    readonly clock: Clock
    readonly timeoutMs: number
    readonly dispatcher: Dispatcher | undefined
  }) {
    this.#http = parts.http
    this.#credentials = parts.credentials
    this.#clock = parts.clock
    this.#timeoutMs = parts.timeoutMs
    this.#dispatcher = parts.dispatcher
  }

  /** @throws SluiceError SLUICE_CONFIG_INVALID when `caFile` can't be read */
  static async open(settings: HttpSettings, credentials: Credentials, clock: Clock): Promise<ArgoApi> {
    const dispatcher = await dispatcherOf(settings)
    const options: Options = {
      prefix: `${settings.baseUrl.replace(/\/+$/u, '')}/api/v1`,
      // A signal of our own is the limit: this one ends with the headers, and a body may stall too.
      timeout: false,
      retry: 0,
      throwHttpErrors: false,
      // A redirect may lose the body or the token; where it leads is said instead.
      redirect: 'manual',
    }
    // Node's own fetch takes it; only its types are of another release.
    if (dispatcher !== undefined) Object.assign(options, { dispatcher })
    const timeoutMs = settings.requestTimeoutMs
    return new ArgoApi({ http: ky.create(options), credentials, clock, timeoutMs, dispatcher })
  }

  /** A question is asked once more when its connection broke: one that was idle is often closed just then. */
  async get(path: string, query: Query = {}): Promise<Reply> {
    const reply = await this.#call({ method: 'GET', path, query })
    return isBroken(reply) ? this.#call({ method: 'GET', path, query }) : reply
  }

  post(path: string, body: JsonValue): Promise<Reply> {
    return this.#call({ method: 'POST', path, body })
  }

  put(path: string, body: JsonValue): Promise<Reply> {
    return this.#call({ method: 'PUT', path, body })
  }

  delete(path: string): Promise<Reply> {
    return this.#call({ method: 'DELETE', path })
  }

  /** Opens a stream of events. It may be quiet for 15 s before even its headers come: whoever reads it has to watch over it. */
  async stream(path: string, query: Query, signal: AbortSignal): Promise<StreamReply> {
    const options: Options = { searchParams: { ...query }, signal }
    return this.#authorized(async (headers) => {
      try {
        const response = await this.#http.get(path, {
          ...options,
          // Exactly this word makes it send events, and keep the connection alive.
          headers: { ...headers, accept: 'text/event-stream' },
        })
        const events = response.headers.get('content-type')?.startsWith('text/event-stream')
        if (response.ok && events && response.body !== null) return { kind: 'stream', body: response.body }
        return readAnswer(response, await response.text(), this.#clock.now())
      } catch (error) {
        return silence(error)
      }
    })
  }

  async close(): Promise<void> {
    await this.#dispatcher?.close()
  }

  #call({ method, path, query, body }: Call): Promise<Answer | Silence> {
    const options: Options = {
      method,
      ...(query === undefined ? {} : { searchParams: { ...query } }),
      ...(body === undefined ? {} : { json: body }),
    }
    return this.#authorized(async (headers) => {
      try {
        const signal = AbortSignal.timeout(this.#timeoutMs)
        const response = await this.#http(path, { ...options, headers, signal })
        return readAnswer(response, await response.text(), this.#clock.now())
      } catch (error) {
        return silence(error)
      }
    })
  }

  /** A refused token may have been replaced a moment ago: with another one it is asked once more. Nothing was done at a 401. */
  async #authorized<T extends StreamReply>(
    send: (headers: Record<string, string>) => Promise<T>,
  ): Promise<T> {
    const token = await this.#credentials.authorization()
    const reply = await send(headersOf(token))
    if (reply.kind !== 'answer' || reply.status !== 401) return reply
    const other = await this.#credentials.renewed(token)
    return other === undefined ? reply : send(headersOf(other))
  }
}

function isBroken(reply: Reply): boolean {
  return reply.kind === 'silence' && !reply.unsent && !reply.late
}

function headersOf(authorization: string | undefined): Record<string, string> {
  return authorization === undefined ? {} : { authorization }
}

async function dispatcherOf({ caFile, insecureSkipVerify }: HttpSettings): Promise<Dispatcher | undefined> {
  if (caFile === undefined && !insecureSkipVerify) return undefined
  const ca = caFile === undefined ? undefined : await readCertificates(caFile)
  return new Agent({
    connect: { rejectUnauthorized: !insecureSkipVerify, ...(ca === undefined ? {} : { ca }) },
    // Streams of events are watched over by their reader.
    bodyTimeout: 0,
    headersTimeout: 0,
  })
}

async function readCertificates(caFile: string): Promise<string> {
  try {
    return await readFile(caFile, 'utf8')
  } catch (error) {
    throw new SluiceError('SLUICE_CONFIG_INVALID', `caFile: ${caFile} can't be read.`, { cause: error })
  }
}
