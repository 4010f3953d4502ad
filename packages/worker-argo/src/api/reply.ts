import { createParser } from 'eventsource-parser'
import { z } from 'zod'
import type { AnswerHeaders } from './exchange.js'

/** The outcome of a request: an answer or none. */
export type Reply = Answer | Silence

/** The server, or something in between, answered. */
export interface Answer {
  readonly kind: 'answer'
  readonly status: number
  /** The body when it is JSON, else `undefined`. */
  readonly json: unknown
  /** The error in the body, when it is one in Argo's shape. */
  readonly error: ArgoError | undefined
  /** It is a page for a browser: the URL leads elsewhere, or something stands in between. */
  readonly html: boolean
  /** Such as `Too Many Requests`, where it is no JSON. */
  readonly text: string
  /** How long it asks for no requests, in ms. */
  readonly retryAfterMs: number | undefined
  /** Where a redirect leads. */
  readonly location: string | undefined
  /** Of its body, in UTF-16 code units. */
  readonly length: number
}

/** No answer came, so that the outcome of the request is unknown. */
export interface Silence {
  readonly kind: 'silence'
  /** It can't have arrived: the connection was never there. */
  readonly unsent: boolean
  /** The time for it was over. */
  readonly late: boolean
  readonly error: unknown
  /** The origin that was asked. */
  readonly at?: string
}

/** An error as the server writes it: gRPC's code, and a message. */
export interface ArgoError {
  readonly code: number
  readonly message: string
}

const errorSchema = z.object({ code: z.int(), message: z.string() })
/** On a watch, and as its body when it fails before the first frame. */
const streamErrorSchema = z.object({ error: z.object({ grpc_code: z.int(), message: z.string() }) })

/** @param nowAt epoch ms, for a `Retry-After` that is a date where the answer has no `Date` */
export function readAnswer(
  response: { readonly status: number; readonly headers: AnswerHeaders },
  body: string,
  nowAt: number,
): Answer {
  const type = response.headers.get('content-type') ?? ''
  // A watch that is refused says so in an event.
  const text = /^\s*data:/u.test(body) ? firstEvent(body) : body
  const json = parsedJson(text)
  return {
    kind: 'answer',
    status: response.status,
    json,
    error: argoError(json),
    html: /html/iu.test(type) || /^\s*<(?:!doctype|html)/iu.test(text),
    text: json === undefined ? text.slice(0, 300).trim() : '',
    retryAfterMs: retryAfterMs(response.headers, nowAt),
    location: response.headers.get('location') ?? undefined,
    length: body.length,
  }
}

/** The error of an answer or a frame, in either of the two shapes. */
export function argoError(json: unknown): ArgoError | undefined {
  // Nearly all answers are none, and it takes longer to find that out by a schema.
  if (typeof json !== 'object' || json === null || !('code' in json || 'error' in json)) return undefined
  const plain = errorSchema.safeParse(json)
  if (plain.success) return plain.data
  const stream = streamErrorSchema.safeParse(json)
  if (!stream.success) return undefined
  const { grpc_code: code, message } = stream.data.error
  return { code, message }
}

/** What the first of a stream's events says. */
function firstEvent(body: string): string {
  const events: string[] = []
  const parser = createParser({ onEvent: ({ data }) => events.push(data) })
  // An event that was cut off at its end is one too.
  parser.feed(`${body.trimStart()}\n\n`)
  return events[0] ?? body
}

function parsedJson(body: string): unknown {
  if (!/^\s*[[{]/u.test(body)) return undefined
  try {
    return JSON.parse(body)
  } catch {
    // Cut off on the way.
    return undefined
  }
}

/** Seconds, or a date: that is compared with the server's own `Date`, since its clock isn't ours. */
function retryAfterMs(headers: AnswerHeaders, nowAt: number): number | undefined {
  const value = headers.get('retry-after')
  if (value === null) return undefined
  const seconds = Number(value)
  if (Number.isFinite(seconds)) return Math.max(0, Math.round(seconds * 1_000))
  const until = Date.parse(value)
  if (Number.isNaN(until)) return undefined
  const date = Date.parse(headers.get('date') ?? '')
  // A date has no parts of a second: the one that it names may be almost over there.
  return Math.max(0, until - (Number.isNaN(date) ? nowAt : date)) + 1_000
}

const NEVER_SENT = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/** The other side answered a TLS handshake with something else. */
const NO_TLS = new Set(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'])

const TOO_LATE = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])

/** @param at who was asked */
export function silence(error: unknown, at?: string): Silence {
  const codes = codesOf(error)
  const unsent = codes.some((code) => NEVER_SENT.has(code) || NO_TLS.has(code))
  const late = codes.some((code) => TOO_LATE.has(code)) || isTimeout(error)
  return { kind: 'silence', error, unsent, late, ...(at === undefined ? {} : { at }) }
}

/**
 * What the system called it, such as `ECONNRESET`, or the error's own name; who was asked; and what to try.
 */
export function silenceText({ error, late, at }: Silence): string {
  const codes = codesOf(error)
  const what = codes.length > 0 ? codes.join(', ') : nameOf(error)
  const from = at === undefined ? '' : ` at ${at}`
  const hint = codes.some((code) => NO_TLS.has(code))
    ? ': no TLS is spoken there; perhaps baseUrl should begin with http://'
    : ''
  return `${late ? 'none in time' : what}${from}${hint}`
}

/** Its own deadline ended it. */
function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError'
}

function nameOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message.slice(0, 200)}` : 'unknown error'
}

/** The codes of an error and of what caused it. */
function codesOf(error: unknown): readonly string[] {
  const codes = new Set<string>()
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string') codes.add(at.code)
  }
  return [...codes]
}
