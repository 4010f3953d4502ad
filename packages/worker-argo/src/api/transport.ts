import { readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { SluiceError } from '@sluice/core'
import { Agent } from 'undici'
import { callScope } from './call-time.js'
import type { DeadlineRuntime, Deadlines } from './deadlines.js'
import { Exchange, headersOf, type AnswerHeaders, type ExchangeTime, type WholeAnswer } from './exchange.js'
import type { ArgoWorkerSettings } from '../options.js'

export type TransportSettings = Pick<ArgoWorkerSettings, 'requestTimeoutMs' | 'caFile' | 'insecureSkipVerify'>

/** One request. */
export interface Outgoing {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly url: string
  readonly headers: Record<string, string>
  readonly body?: string | undefined
}

/** An answer that is read as it comes. */
export interface StreamedAnswer {
  readonly status: number
  readonly headers: AnswerHeaders
  readonly body: Readable & { text(): Promise<string> }
}

/**
 * How requests get to the server and back. Redirects come back as they are: to follow one may lose the body
 * or the token.
 */
export interface Transport {
  /** For answers that are read whole, by the one rule of time for requests, and within the call at most. */
  readonly whole: (request: Outgoing) => Promise<WholeAnswer>
  /** The same for as long as the signal allows, however late the first byte comes. */
  readonly patient: (request: Outgoing, signal: AbortSignal) => Promise<WholeAnswer>
  /** For streams without an end: their reader limits how long they may be silent. */
  readonly stream: (request: Outgoing, signal: AbortSignal) => Promise<StreamedAnswer>
  /** Closes all connections. */
  readonly close: () => Promise<void>
}

export interface TransportParts {
  readonly runtime: DeadlineRuntime
  readonly deadlines: Deadlines
}

/**
 * `fetch` spends more than two thirds of its time on streams and objects that are not needed here, and takes
 * no certificates; this is the library inside of it, by the interface that it has for clients.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID when `caFile` can't be read
 */
export async function openTransport(settings: TransportSettings, parts: TransportParts): Promise<Transport> {
  const { requestTimeoutMs, caFile, insecureSkipVerify } = settings
  const ca = caFile === undefined ? undefined : await readCertificates(caFile)
  const agent = new Agent({
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
    whole: (request) => whole(agent, request, { ...parts, timeoutMs: requestTimeoutMs }),
    patient: (request, signal) => patient(agent, request, { ...parts, timeoutMs: undefined, signal }),
    stream: async (request, signal) => {
      const { statusCode, headers, body } = await agent.request({ ...partsOf(request), signal })
      return { status: statusCode, headers: headersOf(headers), body }
    },
    close: () => agent.destroy(),
  }
}

async function whole(agent: Agent, request: Outgoing, time: ExchangeTime): Promise<WholeAnswer> {
  const exchange = begin(agent, request, time)
  const forget = callScope()?.onOver((reason) => exchange.fail(reason))
  try {
    return await exchange.answer
  } finally {
    forget?.()
  }
}

async function patient(
  agent: Agent,
  request: Outgoing,
  { signal, ...time }: ExchangeTime & { readonly signal: AbortSignal },
): Promise<WholeAnswer> {
  signal.throwIfAborted()
  const exchange = begin(agent, request, time)
  const abort = (): void => exchange.fail(errorOf(signal.reason))
  signal.addEventListener('abort', abort)
  try {
    return await exchange.answer
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function begin(agent: Agent, request: Outgoing, time: ExchangeTime): Exchange {
  const exchange = new Exchange(time, request.body === undefined ? 0 : Buffer.byteLength(request.body))
  agent.dispatch(partsOf(request), exchange)
  return exchange
}

function partsOf({ method, url, headers, body }: Outgoing) {
  const { origin, pathname, search } = new URL(url)
  return { origin, path: `${pathname}${search}`, method, headers, ...(body === undefined ? {} : { body }) }
}

function errorOf(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}

async function readCertificates(caFile: string): Promise<string> {
  try {
    return await readFile(caFile, 'utf8')
  } catch (error) {
    throw new SluiceError('SLUICE_CONFIG_INVALID', `caFile: ${caFile} can't be read.`, { cause: error })
  }
}
