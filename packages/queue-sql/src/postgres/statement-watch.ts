import { connect, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { IDLE_TIMEOUT_MS, requestTimeMs } from '@sluice/core'

/** What a statement rejects with whose time is over. Whether the server has done it is not known. */
export class StatementOverdueError extends Error {
  override readonly name = 'StatementOverdueError'
}

export interface StatementTimes {
  readonly timeoutMs: number
  /** Default {@link IDLE_TIMEOUT_MS}; for tests. */
  readonly idleMs?: number
}

/**
 * Ends the statements of one connection by the one rule of time: the first byte of the answer after {@link requestTimeMs} of the request, each further
 * one after {@link IDLE_TIMEOUT_MS}, and all of them after {@link requestTimeMs} of what has gone both ways. What this process has handed to its
 * system counts as gone: how much of it is still on its way is not to be seen from here, and the rate in the rule leaves time for it.
 *
 * A statement that ends in time costs one timer; `pg`'s own `query_timeout`, which knows nothing of bytes, would cost the same.
 */
export class StatementWatch {
  readonly #stream: Duplex
  readonly #timeoutMs: number
  readonly #idleMs: number
  readonly #onOverdue: (error: StatementOverdueError) => void
  #received = 0
  #lastByteAt = 0

  constructor(
    stream: Duplex,
    { timeoutMs, idleMs = IDLE_TIMEOUT_MS }: StatementTimes,
    onOverdue: (error: StatementOverdueError) => void,
  ) {
    this.#stream = stream
    this.#timeoutMs = timeoutMs
    this.#idleMs = idleMs
    this.#onOverdue = onOverdue
    stream.on('data', (bytes: Buffer) => {
      this.#received += bytes.length
      this.#lastByteAt = performance.now()
    })
  }

  /**
   * Call it right after a statement was sent.
   *
   * @param bytes of the request; asked for only where the first limit is met
   * @returns ends the watch
   */
  start(bytes: () => number): () => void {
    const startedAt = performance.now()
    this.#received = 0
    const stopSending = this.#watchSending()
    const check = (): void => {
      const leftMs = this.#leftMs(startedAt, bytes())
      if (leftMs > 0) timer = setTimeout(check, leftMs)
      else this.#end(performance.now() - startedAt)
    }
    let timer = setTimeout(check, Math.min(this.#timeoutMs, this.#idleMs))
    return () => {
      clearTimeout(timer)
      stopSending?.()
    }
  }

  #leftMs(startedAt: number, bytes: number): number {
    const nowAt = performance.now()
    const inAnyCase = startedAt + requestTimeMs(this.#timeoutMs, bytes + this.#received) - nowAt
    if (this.#received === 0) return inAnyCase
    return Math.min(inAnyCase, this.#lastByteAt + this.#idleMs - nowAt)
  }

  /** Node's own idle timer of a socket sees what the system takes of a large request; a small one is taken whole at once. */
  #watchSending(): (() => void) | undefined {
    const stream = this.#stream
    if (stream.writableLength === 0 || !(stream instanceof Socket)) return undefined
    const onIdle = (): void => {
      if (stream.writableLength > 0 && this.#received === 0) this.#end(this.#idleMs)
    }
    stream.setTimeout(this.#idleMs, onIdle)
    return () => {
      stream.setTimeout(0, onIdle)
    }
  }

  #end(spentMs: number): void {
    const said = this.#received === 0 ? 'no answer' : `no more than ${this.#received} bytes of the answer`
    this.#onOverdue(new StatementOverdueError(`${said} within ${Math.round(spentMs)} ms`))
  }
}

/** The server process that a connection talks to. */
export interface ServerProcess {
  readonly host: string
  readonly port: number
  readonly processId: number
  readonly secretKey: number
}

const CANCEL_REQUEST = 80_877_102

/**
 * Asks the server to give up what a connection has under way, so that a statement nobody waits for holds no locks. It may fail: the connection is
 * discarded all the same, and the server's own limits end the statement later.
 *
 * @param ms how long the request may take
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
export function cancelStatement({ host, port, processId, secretKey }: ServerProcess, ms: number): void {
  const request = Buffer.alloc(16)
  request.writeInt32BE(16, 0)
  request.writeInt32BE(CANCEL_REQUEST, 4)
  request.writeInt32BE(processId, 8)
  request.writeInt32BE(secretKey, 12)
  const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
  // It keeps no process alive, and no failure of it is of use to anybody.
  socket.unref()
  // A cancel that fails changes nothing: see above.
  socket.on('error', () => socket.destroy())
  socket.setTimeout(ms, () => socket.destroy())
  socket.end(request)
  socket.resume()
}
