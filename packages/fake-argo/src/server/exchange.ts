import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { drop } from '@sluice/testkit/server'
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

/** Sends the beginning of an answer's body byte by byte, and then leaves the connection as it is until its other end closes it. */
export async function sendTrickle(
  { reply, headers }: Exchange,
  answer: ArgoAnswer,
  { bytes, everyMs }: { readonly bytes: number; readonly everyMs: number },
): Promise<void> {
  const body = Buffer.from(answer.body)
  const closed = new Promise((resolve) => reply.once('close', resolve))
  reply.writeHead(answer.status, { ...headers, 'content-length': body.length, ...answer.headers })
  reply.flushHeaders()
  // The last byte is never sent.
  for (let at = 0; at < Math.min(bytes, body.length - 1) && !reply.destroyed; at++) {
    reply.write(body.subarray(at, at + 1))
    await Promise.race([closed, wait(everyMs)])
  }
  await closed
}
