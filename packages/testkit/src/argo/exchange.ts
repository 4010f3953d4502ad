import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ArgoAnswer } from './answer.js'
import type { ArgoRequest } from './request.js'
import type { OpenEntry, RequestLog } from './request-log.js'

/** One request with the way back to its sender. */
export interface Exchange {
  readonly request: ArgoRequest
  readonly entry: OpenEntry
  readonly log: RequestLog
  readonly incoming: IncomingMessage
  readonly reply: ServerResponse
  /** What every answer carries. */
  readonly headers: Readonly<Record<string, string>>
}

/** Sends an answer, if there is still somebody to send it to. */
export function sendAnswer({ entry, log, reply, headers, request }: Exchange, answer: ArgoAnswer): void {
  if (reply.destroyed || reply.headersSent) return
  entry.status = answer.status
  const bytes = Buffer.byteLength(answer.body)
  log.answered(entry, bytes)
  reply.writeHead(answer.status, { ...headers, 'content-length': bytes, ...answer.headers })
  reply.end(request.method === 'HEAD' ? undefined : answer.body)
}

/** Sends the beginning of an answer's body and cuts the connection. */
export function sendBeginning(exchange: Exchange, answer: ArgoAnswer, bytes: number): void {
  const { reply, headers, incoming } = exchange
  if (reply.destroyed) return
  const body = Buffer.from(answer.body)
  reply.writeHead(answer.status, { ...headers, 'content-length': body.length, ...answer.headers })
  // Once the bytes are with the system, not before: they are to arrive.
  reply.write(body.subarray(0, bytes), () => drop(incoming))
}

/** Cuts the connection. */
export function drop(incoming: IncomingMessage): void {
  incoming.socket.destroy()
}

/** The whole body; `undefined` when the sender was cut off before its end. */
export function readBody(incoming: IncomingMessage): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const parts: Buffer[] = []
  incoming.on('data', (part: Buffer) => parts.push(part))
  incoming.once('end', () => resolve(Buffer.concat(parts).toString('utf8')))
  incoming.once('error', () => resolve(undefined))
  incoming.once('close', () => resolve(undefined))
  return promise
}

/** The headers by name in lower case, each one text. */
export function headersOf(incoming: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(',') : value
  }
  return headers
}

/** Waits for a promise of the test's, whichever way it ends. */
export async function settlement(until: Promise<unknown> | undefined): Promise<void> {
  await Promise.allSettled([until])
}
