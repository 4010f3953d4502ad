import type { ServerResponse } from 'node:http'
import { systemRuntime } from '@sluice/core/backend'
import type { Runtime } from '@sluice/core'
import { statusOf } from '../server/answer.js'

/** The settings of streams; all of them can be changed later, for those opened from then on. */
export interface WatchSettings {
  /** Ms between keepalives, and until the headers are sent at the latest. Default 15,000. */
  keepaliveMs: number
  /** The size in which frames are sent. Default whole. */
  chunkBytes: number
  /** Ms between writes of log lines. Default 1,000. */
  logsEveryMs: number
}

/** The target of a stream. */
export interface StreamParts {
  readonly reply: ServerResponse
  readonly settings: WatchSettings
  /** Server-sent events; otherwise a line of JSON each. */
  readonly events: boolean
  readonly headers: Readonly<Record<string, string>>
  readonly onBytes: (count: number) => void
}

/** One stream: its frames, its keepalives, and its end. */
export class StreamReply {
  readonly #parts: StreamParts
  readonly #settings: WatchSettings
  readonly #over = new AbortController()
  #pieces: Buffer[] = []
  #draining = false
  #stalled = false
  #bytes = 0

  constructor(parts: StreamParts) {
    this.#parts = parts
    this.#settings = { ...parts.settings }
    parts.reply.once('close', () => this.#over.abort())
  }

  /** Aborted when it has ended, by whichever side. */
  get signal(): AbortSignal {
    return this.#over.signal
  }

  get ended(): boolean {
    return this.#over.signal.aborted
  }

  get bytes(): number {
    return this.#bytes
  }

  get settings(): WatchSettings {
    return this.#settings
  }

  stall(): void {
    this.#stalled = true
  }

  /** Only events have keepalives. */
  keepAlive(runtime: Runtime): void {
    if (this.#parts.events) void this.every(runtime, this.#settings.keepaliveMs, () => this.send(':\n'))
  }

  async every(runtime: Runtime, ms: number, action: () => void): Promise<void> {
    const { signal } = this.#over
    for (;;) {
      await runtime.sleep(ms, signal)
      if (signal.aborted) return
      action()
    }
  }

  /** One frame. */
  sendFrame(json: string): void {
    this.send(this.#parts.events ? `data: ${json} \n\n\n` : `${json}\n`)
  }

  /** Ends it with an error; its status is that of the answer if nothing was sent before. */
  endWith(grpcCode: number, error: string): void {
    this.send(this.#parts.events ? `data: ${error} \n\n` : error, statusOf(grpcCode))
    this.finish()
  }

  /** The headers go out with the first bytes. */
  send(text: string, status = 200): void {
    if (this.ended || this.#stalled) return
    const { reply, headers, onBytes } = this.#parts
    if (!reply.headersSent) reply.writeHead(status, headers)
    const bytes = Buffer.from(text)
    this.#bytes += bytes.length
    onBytes(bytes.length)
    const size = Math.max(1, this.#settings.chunkBytes)
    if (bytes.length <= size && !this.#draining) {
      reply.write(bytes)
      return
    }
    for (let at = 0; at < bytes.length; at += size) this.#pieces.push(bytes.subarray(at, at + size))
    if (!this.#draining) void this.#drain()
  }

  finish(): void {
    this.#over.abort()
    if (this.#draining) return
    const { reply, headers } = this.#parts
    if (!reply.headersSent) reply.writeHead(200, headers)
    reply.end()
  }

  /** Closes the connection after what was written before. */
  cut(): void {
    this.#over.abort()
    const { reply } = this.#parts
    const { socket } = reply
    if (reply.headersSent) reply.write('', () => socket?.destroy())
    else socket?.destroy()
  }

  async #drain(): Promise<void> {
    this.#draining = true
    for (let piece = this.#pieces.shift(); piece !== undefined; piece = this.#pieces.shift()) {
      this.#parts.reply.write(piece)
      // Each piece in a turn of its own, so that they arrive apart.
      await systemRuntime.yield()
    }
    this.#draining = false
    if (this.ended) this.#parts.reply.end()
  }
}
