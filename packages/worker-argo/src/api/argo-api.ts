import type { Readable } from 'node:stream'
import { type Runtime, type JsonValue, type Secrets } from '@sluice/core'
import { redactError } from '@sluice/core/backend'
import type { Credentials } from './credentials.js'
import type { ArgoWorkerSettings } from '../options.js'
import { readAnswer, silence, type Reply } from './reply.js'
import {
  openTransport,
  type Outgoing,
  type Transport,
  type TransportParts,
  type TransportSettings,
} from './transport.js'

/** What may follow the `?`. */
export type Query = Readonly<Record<string, string | undefined>>

interface Call extends Pick<Outgoing, 'method' | 'body'> {
  readonly path: string
  readonly query?: Query
  /** A call with one has no limit of time but this. */
  readonly signal?: AbortSignal | undefined
}

/** A stream of events that was opened, or why it wasn't. */
export type StreamReply = { readonly kind: 'stream'; readonly body: Readable } | Reply

type ApiSettings = TransportSettings & Pick<ArgoWorkerSettings, 'baseUrl'>

interface ApiParts {
  readonly transport: Transport
  readonly credentials: Credentials
  readonly runtime: Runtime
  readonly secrets: Secrets
  /** Of the server, for messages: nothing secret is in it. */
  readonly origin: string
  /** What all addresses begin with. */
  readonly prefix: string
}

/**
 * Requests to one Argo Server. A request that changes something is sent once: what its answer means, and
 * whether to send it again, is for the caller to decide. The one exception is a token that was replaced
 * meanwhile.
 */
export class ArgoApi {
  readonly #parts: ApiParts

  private constructor(parts: ApiParts) {
    this.#parts = parts
  }

  /** @throws SluiceError SLUICE_CONFIG_INVALID when `caFile` can't be read */
  static async open(
    settings: ApiSettings,
    { io, ...parts }: Pick<ApiParts, 'credentials' | 'runtime' | 'secrets'> & { readonly io: TransportParts },
  ): Promise<ArgoApi> {
    const transport = await openTransport(settings, io)
    const { origin } = new URL(settings.baseUrl)
    const prefix = `${settings.baseUrl.replace(/\/+$/u, '')}/api/v1`
    return new ArgoApi({ ...parts, transport, origin, prefix })
  }

  /**
   * A question is asked again when its connection broke: an idle one is often closed just then.
   *
   * @param signal aborts it; the limits of the transport don't hold for it then
   */
  async get(path: string, query: Query = {}, signal?: AbortSignal): Promise<Reply> {
    const call: Call = { method: 'GET', path, query, signal }
    const reply = await this.#call(call)
    return isBroken(reply) && signal?.aborted !== true ? this.#call(call) : reply
  }

  post(path: string, body: JsonValue): Promise<Reply> {
    return this.postJson(path, JSON.stringify(body))
  }

  /** @param body as JSON */
  postJson(path: string, body: string): Promise<Reply> {
    return this.#call({ method: 'POST', path, body })
  }

  put(path: string, body: JsonValue): Promise<Reply> {
    return this.#call({ method: 'PUT', path, body: JSON.stringify(body) })
  }

  delete(path: string): Promise<Reply> {
    return this.#call({ method: 'DELETE', path })
  }

  /**
   * Opens a stream of events. It may be quiet for 15 s before even its headers come: its reader must limit
   * that.
   */
  async stream(path: string, query: Query, signal: AbortSignal): Promise<StreamReply> {
    const { transport, runtime, origin } = this.#parts
    return this.#authorized(async (authorization) => {
      try {
        // Exactly this value makes it send events, and keep the connection alive.
        const headers = { ...authorization, accept: 'text/event-stream' }
        const answer = await transport.stream(
          { method: 'GET', url: this.#urlOf(path, query), headers },
          signal,
        )
        const { status, body } = answer
        const isStream = answer.headers.get('content-type')?.startsWith('text/event-stream') === true
        if (status >= 200 && status < 300 && isStream) return { kind: 'stream', body }
        return readAnswer(answer, await body.text(), runtime.now())
      } catch (error) {
        return silence(error, origin)
      }
    })
  }

  /**
   * The `Authorization` header that requests have. @throws SluiceError SLUICE_WORKER_DENIED when there is no
   * token to be had
   */
  authorization(): Promise<string | undefined> {
    return this.#parts.credentials.authorization()
  }

  /** Requests that are under way end without an answer. */
  close(): Promise<void> {
    return this.#parts.transport.close()
  }

  #call({ method, path, query, body, signal }: Call): Promise<Reply> {
    const { transport, runtime, origin } = this.#parts
    const url = this.#urlOf(path, query)
    const ofBody = body === undefined ? {} : { 'content-type': 'application/json' }
    return this.#authorized(async (authorization) => {
      try {
        const request = { method, url, headers: { ...authorization, ...ofBody }, body }
        const answer = await (signal === undefined
          ? transport.whole(request)
          : transport.patient(request, signal))
        return readAnswer(answer, answer.body, runtime.now())
      } catch (error) {
        return silence(error, origin)
      }
    })
  }

  #urlOf(path: string, query: Query = {}): string {
    const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined)
    const text = given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`
    return `${this.#parts.prefix}/${path}${text}`
  }

  /**
   * A refused token may have been replaced just now: with another one the request is sent again. Nothing was
   * done at a 401.
   */
  async #authorized<T extends StreamReply>(
    send: (headers: Record<string, string>) => Promise<T>,
  ): Promise<T> {
    const { credentials, secrets } = this.#parts
    const token = await credentials.authorization()
    const reply = withoutSecrets(await send(headersOf(token)), secrets)
    if (reply.kind !== 'answer' || reply.status !== 401) return reply
    const other = await credentials.renewed(token)
    return other === undefined ? reply : withoutSecrets(await send(headersOf(other)), secrets)
  }
}

/**
 * Servers and proxies quote a token that they refuse, and errors of the libraries beneath a header that they
 * can't send.
 */
function withoutSecrets<T extends StreamReply>(reply: T, secrets: Secrets): T {
  if (reply.kind === 'silence') redactError(reply.error, secrets)
  if (reply.kind !== 'answer') return reply
  const { error, text } = reply
  // An answer in JSON that is no error is not quoted.
  if (error === undefined && text === '') return reply
  const redacted = error && { ...error, message: secrets.redact(error.message) }
  return { ...reply, error: redacted, text: secrets.redact(text) }
}

function isBroken(reply: Reply): boolean {
  return reply.kind === 'silence' && !reply.unsent && !reply.late
}

function headersOf(authorization: string | undefined): Record<string, string> {
  return authorization === undefined ? {} : { authorization }
}
