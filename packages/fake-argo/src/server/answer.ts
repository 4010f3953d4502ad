import { goJson } from './go-json.js'

/** An HTTP answer. */
export interface ArgoAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** gRPC's codes, and the HTTP status of each. */
const HTTP_STATUS = [
  200, 408, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
] as const

/** The HTTP status of a gRPC code. */
export function statusOf(grpcCode: number): number {
  return HTTP_STATUS[grpcCode] ?? 500
}

/** The texts of the statuses that end a stream. */
const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  408: 'Request Timeout',
  409: 'Conflict',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
}

/** A refusal: a gRPC code with its text. */
export class ArgoRefusal extends Error {
  readonly grpcCode: number

  constructor(grpcCode: number, message: string) {
    super(message)
    this.grpcCode = grpcCode
  }
}

/** The answer of a refusal on everything but a watch. */
export function errorAnswer(grpcCode: number, message: string): ArgoAnswer {
  return {
    status: statusOf(grpcCode),
    headers: { 'content-type': 'application/json' },
    body: goJson({ code: grpcCode, message }),
  }
}

/** What ends a watch, as its last frame or, when nothing was sent yet, as the whole answer. */
export function streamError(grpcCode: number, message: string): string {
  const status = statusOf(grpcCode)
  const error = { grpc_code: grpcCode, http_code: status, message, http_status: STATUS_TEXT[status] }
  return goJson({ error })
}

/** The same as the whole answer of a watch that never began, framed as the stream would be. */
export function streamRefusal(
  headers: Readonly<Record<string, string>>,
  grpcCode: number,
  message: string,
): ArgoAnswer {
  const body = streamError(grpcCode, message)
  const events = headers['accept'] === 'text/event-stream'
  return {
    status: statusOf(grpcCode),
    headers: { 'content-type': events ? 'text/event-stream' : 'application/json' },
    body: events ? `data: ${body} \n\n` : body,
  }
}

/** A successful answer. */
export function okAnswer(value: unknown, version: string): ArgoAnswer {
  return {
    status: 200,
    headers: {
      'content-type': 'application/json',
      'grpc-metadata-argo-version': version,
      'grpc-metadata-content-type': 'application/grpc',
    },
    body: goJson(value),
  }
}

/** The UI's page, the answer to every path outside the API. */
export const pageAnswer: ArgoAnswer = {
  status: 200,
  headers: { 'content-type': 'text/html; charset=utf-8' },
  body: '<!doctype html><html lang="en"><head><meta charset="UTF-8"><title>Argo</title><base href="/"></head><body><div id="app"></div></body></html>\n',
}
