import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { SluiceError } from '@sluice/core'
import { Agent, request, type Dispatcher } from 'undici'
import type { ArgoWorkerSettings } from './options.js'

export type TransportSettings = Pick<ArgoWorkerSettings, 'requestTimeoutMs' | 'caFile' | 'insecureSkipVerify'>

/** How requests get to the server and back. Redirects come back as they are: to follow one may lose the body or the token. */
export interface Transport {
  /** As `fetch`, for answers that are read whole. */
  readonly whole: (input: Request) => Promise<Response>
  /** The same, for as long as its signal allows. */
  readonly patient: (input: Request) => Promise<Response>
  /** As `fetch`, for streams without an end: their silence is for their reader to judge. */
  readonly stream: (input: Request) => Promise<Response>
  /** Lets go of all connections. */
  readonly close: () => Promise<void>
}

/**
 * Node's own `fetch` spends more than two thirds of its time on streams that nobody needs, and takes no certificates; this is the
 * library that is inside of it, without them.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID when `caFile` can't be read
 */
export async function openTransport(settings: TransportSettings): Promise<Transport> {
  const { requestTimeoutMs, caFile, insecureSkipVerify } = settings
  const ca = caFile === undefined ? undefined : await readCertificates(caFile)
  const dispatcher = new Agent({
    connect: {
      timeout: requestTimeoutMs,
      rejectUnauthorized: !insecureSkipVerify,
      ...(ca === undefined ? {} : { ca }),
    },
    headersTimeout: requestTimeoutMs,
    bodyTimeout: requestTimeoutMs,
  })
  return {
    whole: async (input) => {
      const answer = await send(input, { dispatcher })
      return responseOf(answer, await answer.body.text())
    },
    patient: async (input) => {
      const answer = await send(input, untimed(input, dispatcher))
      return responseOf(answer, await answer.body.text())
    },
    stream: async (input) => {
      const answer = await send(input, untimed(input, dispatcher))
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same class under two names
      return responseOf(answer, Readable.toWeb(answer.body) as ReadableStream<Uint8Array>)
    },
    close: () => dispatcher.destroy(),
  }
}

type SendOptions = NonNullable<Parameters<typeof request>[1]>

function untimed({ signal }: Request, dispatcher: Dispatcher): SendOptions {
  return { dispatcher, signal, headersTimeout: 0, bodyTimeout: 0 }
}

async function send(input: Request, options: SendOptions): Promise<Dispatcher.ResponseData<unknown>> {
  return request(input.url, {
    ...options,
    method: input.method,
    headers: Object.fromEntries(input.headers),
    ...(input.body === null ? {} : { body: await input.text() }),
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
