import { connect, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { IDLE_TIMEOUT_MS, requestTimeMs, type Runtime } from '@sluice/core'

/** What a statement rejects with whose time is over. Whether the server has done it is not known. */
export class StatementOverdueError extends Error {
  override readonly name = 'StatementOverdueError'
}

export interface StatementTimes {
  readonly timeoutMs: number
  /** Default {@link IDLE_TIMEOUT_MS}; for tests. */
  readonly idleMs?: number
  readonly runtime: Pick<Runtime, 'monotonicMs' | 'sleep'>
}

/** A statement that is under way. */
interface Statement {
  readonly startedAtMonotonic: number
  readonly bytes: () => number
}

/**
 * Ends the statements of one connection by the one rule of time: the first byte of the answer after {@link requestTimeMs} of the request, each further
 * one after {@link IDLE_TIMEOUT_MS}, and all of them after {@link requestTimeMs} of what has gone both ways. What this process has handed to its
 * system counts as gone: how much of it is still on its way is not to be seen from here, and the rate in the rule leaves time for it.
 *
 * Timers run per connection, not per statement: while statements are sent, one checks them at least every first limit, and so before that limit of any.
 */
export class StatementWatch {
  readonly #stream: Duplex
  readonly #timeoutMs: number
  readonly #idleMs: number
  readonly #runtime: StatementTimes['runtime']
  readonly #onOverdue: (error: StatementOverdueError) => void
  #received = 0
  #lastByteAtMonotonic = 0
  #current: Statement | undefined
  #isChecking = false

  constructor(
    stream: Duplex,
    { timeoutMs, idleMs = IDLE_TIMEOUT_MS, runtime }: StatementTimes,
    onOverdue: (error: StatementOverdueError) => void,
  ) {
    this.#stream = stream
    this.#timeoutMs = timeoutMs
    this.#idleMs = idleMs
    this.#runtime = runtime
    this.#onOverdue = onOverdue
    stream.on('data', (bytes: Buffer) => {
      this.#received += bytes.length
      this.#lastByteAtMonotonic = runtime.monotonicMs()
    })
  }

  /**
   * Call it right after a statement was sent.
   *
   * @param bytes of the request; asked for only where the first limit is met
   * @returns ends the watch
   */
  start(bytes: () => number): () => void {
    const statement = { startedAtMonotonic: this.#runtime.monotonicMs(), bytes }
    this.#current = statement
    this.#received = 0
    const stopSending = this.#watchSending()
    // It never rejects: `onOverdue` does not throw.
    if (!this.#isChecking) void this.#check()
    return () => {
      if (this.#current === statement) this.#current = undefined
      stopSending?.()
    }
  }

  /** Goes on while a statement is under way; the socket keeps the process alive for it. */
  async #check(): Promise<void> {
    this.#isChecking = true
    const firstMs = Math.min(this.#timeoutMs, this.#idleMs)
    for (let leftMs = firstMs; this.#current !== undefined;) {
      await this.#runtime.sleep(Math.min(leftMs, firstMs), undefined, { background: true })
      const statement = this.#current
      if (statement === undefined) break
      leftMs = this.#leftMs(statement)
      if (leftMs > 0) continue
      this.#current = undefined
      this.#end(this.#runtime.monotonicMs() - statement.startedAtMonotonic)
    }
    this.#isChecking = false
  }

  #leftMs({ startedAtMonotonic, bytes }: Statement): number {
    const atMonotonic = this.#runtime.monotonicMs()
    const inAnyCase =
      startedAtMonotonic + requestTimeMs(this.#timeoutMs, bytes() + this.#received) - atMonotonic
    if (this.#received === 0) return inAnyCase
    return Math.min(inAnyCase, this.#lastByteAtMonotonic + this.#idleMs - atMonotonic)
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
