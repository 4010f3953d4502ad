import type { IncomingMessage, ServerResponse } from 'node:http'
import { systemRuntime } from '@sluice/core/backend'
import { drop } from '@sluice/testkit/server'
import type { ArgoAnswer } from './answer.js'
import type { ArgoRequest } from './request.js'
import type { OpenEntry, ArgoRequestLog } from './request-log.js'

/** One request and the response to its sender. */
export interface Exchange {
  readonly request: ArgoRequest
  readonly entry: OpenEntry
  readonly log: ArgoRequestLog
  readonly incoming: IncomingMessage
  readonly reply: ServerResponse
  /** The headers of every answer. */
  readonly headers: Readonly<Record<string, string>>
}

/** Sends an answer, unless the sender is gone. */
export function sendAnswer({ entry, log, reply, headers, request }: Exchange, answer: ArgoAnswer): void {
  if (reply.destroyed || reply.headersSent) return
  entry.status = answer.status
  const bytes = Buffer.byteLength(answer.body)
  log.answered(entry, bytes)
  reply.writeHead(answer.status, { ...headers, 'content-length': bytes, ...answer.headers })
  reply.end(request.method === 'HEAD' ? undefined : answer.body)
}

/** Sends the beginning of an answer's body and closes the connection. */
export function sendBeginning(exchange: Exchange, answer: ArgoAnswer, bytes: number): void {
  const { reply, headers, incoming } = exchange
  if (reply.destroyed) return
  const body = Buffer.from(answer.body)
  reply.writeHead(answer.status, { ...headers, 'content-length': body.length, ...answer.headers })
  // Only after the operating system has the bytes: they must arrive.
  reply.write(body.subarray(0, bytes), () => drop(incoming))
}

/**
 * Sends the beginning of an answer's body byte by byte, and then leaves the connection open until the other
 * end closes it.
 */
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
    await Promise.race([closed, systemRuntime.sleep(everyMs)])
  }
  await closed
}
