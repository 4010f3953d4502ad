import { connect, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Runtime } from '@sluice/core'
import { IDLE_TIMEOUT_MS, requestTimeMs } from '@sluice/core/backend'

/** A statement exceeded its time. Whether the server executed it is unknown. */
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
  /** When it was sent, or when the answer to the one before it was complete. */
  startedAtMonotonic: number
  readonly bytes: () => number
}

/**
 * Limits the time of the statements of one connection: {@link requestTimeMs} of the request until the first
 * byte of the answer, {@link IDLE_TIMEOUT_MS} between bytes, and {@link requestTimeMs} of all bytes in both
 * directions for the whole. Bytes handed to the operating system count as sent: how many are still in transit
 * is unknown, and the rate of the rule leaves time for them.
 *
 * Of several statements the time of each begins when the answer to the one before is complete. One timer per
 * connection, not per statement: while statements run, it checks at least every first limit,
 * and so before that limit of any of them.
 */
export class StatementWatch {
  readonly #stream: Duplex
  readonly #timeoutMs: number
  readonly #idleMs: number
  readonly #runtime: StatementTimes['runtime']
  readonly #onOverdue: (error: StatementOverdueError) => void
  #received = 0
  #lastByteAtMonotonic = 0
  /** The server answers them in this order. */
  #underWay: Statement[] = []
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
   * Called right after a statement is sent.
   *
   * @param bytes of the request; called only by a check
   * @returns ends the watch
   */
  start(bytes: () => number): () => void {
    const statement = { startedAtMonotonic: this.#runtime.monotonicMs(), bytes }
    this.#underWay.push(statement)
    if (this.#underWay.length === 1) this.#received = 0
    const stopSending = this.#watchSending()
    // It never rejects: `onOverdue` does not throw.
    if (!this.#isChecking) void this.#check()
    return () => {
      this.#remove(statement)
      stopSending?.()
    }
  }

  #remove(statement: Statement): void {
    const isFirst = this.#underWay[0] === statement
    this.#underWay = this.#underWay.filter((each) => each !== statement)
    const [next] = this.#underWay
    if (!isFirst || next === undefined) return
    next.startedAtMonotonic = this.#runtime.monotonicMs()
    this.#received = 0
  }

  /** Runs while a statement is under way; the socket keeps the process alive. */
  async #check(): Promise<void> {
    this.#isChecking = true
    const firstMs = Math.min(this.#timeoutMs, this.#idleMs)
    for (let leftMs = firstMs; this.#underWay.length > 0;) {
      await this.#runtime.sleep(Math.min(leftMs, firstMs), undefined, { background: true })
      const [statement] = this.#underWay
      if (statement === undefined) break
      leftMs = this.#leftMs(statement)
      if (leftMs > 0) continue
      this.#underWay = []
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

  /**
   * The socket's own idle timer sees how much of a large request the system takes; it takes a small one at
   * once.
   */
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

/** The server process of a connection. */
export interface ServerProcess {
  readonly host: string
  readonly port: number
  readonly processId: number
  readonly secretKey: number
}

const CANCEL_REQUEST = 80_877_102

/**
 * Asks the server to cancel the statement of a connection, so that an abandoned statement holds no locks. It
 * may fail: the connection is discarded in any case, and the server's own limits end the statement later.
 *
 * @param ms the time limit of the request
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
export function cancelStatement({ host, port, processId, secretKey }: ServerProcess, ms: number): void {
  const request = Buffer.alloc(16)
  request.writeInt32BE(16, 0)
  request.writeInt32BE(CANCEL_REQUEST, 4)
  request.writeInt32BE(processId, 8)
  request.writeInt32BE(secretKey, 12)
  const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
  // It keeps no process alive.
  socket.unref()
  // A failed cancel changes nothing: see above.
  socket.on('error', () => socket.destroy())
  socket.setTimeout(ms, () => socket.destroy())
  socket.end(request)
  socket.resume()
}
